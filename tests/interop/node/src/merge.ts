/** Merging two contents of one user's backup. Each part of the result is a maximum, so the order does not matter. */

import { hex, utf8 } from "./bytes.js";
import type { Backup, Contact, Identity, Profile, Unknown, Writer } from "./content.js";
import { IdentityError } from "./errors.js";
import { check, encoded, sorted } from "./payload.js";

/** Which identity the user keeps: this device's or the backup's. */
export type Keep = "mine" | "theirs";

/** Like a comparison of `Array.sort`. Later criteria are computed only for ties. */
type Order<T> = (one: T, other: T) => number;

const textOrder: Order<string> = (one, other) => (one < other ? -1 : Number(one > other));
const contactOrder: Order<Contact> = (one, other) =>
  one.stampMs - other.stampMs ||
  Number(other.removed) - Number(one.removed) ||
  textOrder(encoded.contact(one), encoded.contact(other));
const profileOrder: Order<Profile> = (one, other) =>
  one.stampMs - other.stampMs ||
  Number(one.attachmentId !== "") - Number(other.attachmentId !== "") ||
  textOrder(encoded.profile(one), encoded.profile(other));
const writerOrder: Order<Writer> = (one, other) => one.seq - other.seq || textOrder(encoded.writer(one), encoded.writer(other));
const identityOrder: Order<Identity> = (one, other) =>
  one.epoch - other.epoch || textOrder(encoded.identity(one), encoded.identity(other));
const sealingOrder: Order<Backup> = (one, other) =>
  one.sealedAtMs - other.sealedAtMs || textOrder(hex(utf8(one.deviceName)), hex(utf8(other.deviceName)));

const greater = <T>(one: T, other: T, order: Order<T>): T => (order(one, other) < 0 ? other : one);

function greatest<T>(entries: readonly T[], id: (entry: T) => string, order: Order<T>): readonly T[] {
  const chosen = new Map<string, T>();
  for (const each of entries) {
    const held = chosen.get(id(each));
    chosen.set(id(each), held === undefined ? each : greater(held, each, order));
  }
  return sorted([...chosen.values()], id);
}

const sameKeys = (one: Identity, other: Identity): boolean =>
  one.publicKey === other.publicKey && one.privateKey === other.privateKey;

/**
 * Merges a device's content with the server's.
 *
 * `keep` is the user's choice between two identities. Without it, throws `identity-conflict` or `identity-replaced` if the
 * user has to choose.
 */
export function mergeBackups(local: Backup, remote: Backup, keep: Keep | null = null): Backup {
  const [mine, theirs] = [local.identity, remote.identity];
  if (sameKeys(mine, theirs)) return merge(local, remote);
  if (keep === null && theirs.epoch > mine.epoch) throw new IdentityError("identity-replaced", mine.publicKey, theirs.publicKey);
  if (keep === null) return merge(local, remote);
  const [kept, left] = keep === "mine" ? [mine, theirs] : [theirs, mine];
  const isAbove = kept.epoch > left.epoch || (keep === "theirs" && kept.epoch === left.epoch);
  const identity = isAbove ? kept : { ...kept, epoch: left.epoch + 1 };
  return merge({ ...local, identity }, { ...remote, identity });
}

/** Merges by the table in docs/format.md alone. */
export function merge(one: Backup, other: Backup): Backup {
  const [mine, theirs] = [one.identity, other.identity];
  if (mine.epoch === theirs.epoch && !sameKeys(mine, theirs)) {
    throw new IdentityError("identity-conflict", mine.publicKey, theirs.publicKey);
  }
  const { sealedAtMs, deviceName } = greater(one, other, sealingOrder);
  const merged: Backup = {
    identity: greater(mine, theirs, identityOrder),
    contacts: greatest([...one.contacts, ...other.contacts], (each) => each.userId, contactOrder),
    profile: one.profile && other.profile ? greater(one.profile, other.profile, profileOrder) : (one.profile ?? other.profile),
    writers: mergeWriters(one.writers, other.writers),
    keyEpoch: Math.max(one.keyEpoch, other.keyEpoch),
    sealedAtMs,
    deviceName,
    unknown: greatestUnknown([...one.unknown, ...other.unknown]),
  };
  check(merged);
  return merged;
}

export function mergeWriters(one: readonly Writer[], other: readonly Writer[]): readonly Writer[] {
  return greatest([...one, ...other], (each) => each.deviceId, writerOrder);
}

function greatestUnknown(fields: Unknown): Unknown {
  const chosen = new Map<number, string>();
  for (const [number, value] of fields) if (value > (chosen.get(number) ?? "")) chosen.set(number, value);
  return [...chosen].sort(([one], [other]) => one - other);
}
