/** Edits of a content. Each gives the content afterwards, or throws and changes nothing. */

import type { Backup, Contact } from "./content.js";
import { FormatError } from "./errors.js";
import { check, sorted } from "./payload.js";

export interface ContactEdit {
  readonly userId: string;
  readonly username: string;
  /** In hex. Empty or left out: the present one stays. */
  readonly identityKey?: string;
}

export interface ProfileEdit {
  /** Empty: the profile is cleared. */
  readonly attachmentId: string;
  /** In hex. */
  readonly decryptionKey: string;
}

/** The stamp of the next edit: above all that this device has seen, even if its clock is behind. */
export function nextStamp(backup: Backup, nowMs: number): number {
  const highest = backup.contacts.reduce((seen, each) => Math.max(seen, each.stampMs), backup.profile?.stampMs ?? 0);
  const stamp = Math.max(nowMs, highest + 1);
  if (stamp > Number.MAX_SAFE_INTEGER) throw new FormatError("malformed-payload", "no stamp is left");
  return stamp;
}

/** Adds or changes a contact. */
export function putContact(backup: Backup, edit: ContactEdit, nowMs: number): Backup {
  const held = live(backup, edit.userId);
  const identityKey = edit.identityKey || (held?.identityKey ?? "");
  if (held?.username === edit.username && held.identityKey === identityKey) return backup;
  const stampMs = nextStamp(backup, nowMs);
  return withContact(backup, {
    userId: edit.userId,
    username: edit.username,
    identityKey,
    stampMs,
    removed: false,
    unknown: held?.unknown ?? [],
  });
}

/** Replaces a contact by a tombstone. Throws `unknown-contact` if there is none. */
export function removeContact(backup: Backup, userId: string, nowMs: number): Backup {
  if (!live(backup, userId)) throw new FormatError("unknown-contact");
  const stampMs = nextStamp(backup, nowMs);
  return withContact(backup, { userId, username: "", identityKey: "", stampMs, removed: true, unknown: [] });
}

/** Sets or clears the profile. */
export function setProfile(backup: Backup, { attachmentId, decryptionKey }: ProfileEdit, nowMs: number): Backup {
  const unknown = backup.profile?.unknown ?? [];
  return checked({ ...backup, profile: { attachmentId, decryptionKey, stampMs: nextStamp(backup, nowMs), unknown } });
}

const live = (backup: Backup, userId: string): Contact | undefined =>
  backup.contacts.find((each) => each.userId === userId && !each.removed);

function withContact(backup: Backup, entry: Contact): Backup {
  const others = backup.contacts.filter((each) => each.userId !== entry.userId);
  return checked({ ...backup, contacts: sorted([...others, entry], (each) => each.userId) });
}

function checked(backup: Backup): Backup {
  check(backup);
  return backup;
}
