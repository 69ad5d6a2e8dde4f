/**
 * What a backup holds. Ids and keys are lower-case hex, and a user id is the text of a UUID: so contents are plain JSON,
 * and the strings compare as the bytes do. All objects are replaced and never changed.
 */

/** Unknown fields in ascending order: the number, and the hex of all occurrences as they were read. */
export type Unknown = readonly (readonly [number: number, encoded: string])[];

interface Entry {
  /** Fields that a newer app wrote. They are kept. */
  readonly unknown: Unknown;
}

export interface Identity extends Entry {
  /** X25519: 32 bytes, or 33 with libsignal's type byte. */
  readonly publicKey: string;
  readonly privateKey: string;
  readonly epoch: number;
}

export interface Contact extends Entry {
  readonly userId: string;
  /** Empty when removed. */
  readonly username: string;
  /** Empty when unknown or removed. */
  readonly identityKey: string;
  /** The time of the last edit, in milliseconds since 1970. */
  readonly stampMs: number;
  /** A tombstone: it stays, so that no other device brings the contact back. */
  readonly removed: boolean;
}

export interface Profile extends Entry {
  /** Empty: the profile was cleared. */
  readonly attachmentId: string;
  readonly decryptionKey: string;
  readonly stampMs: number;
}

/** A device that sealed this backup, and the number of its latest sealing that is merged in. */
export interface Writer extends Entry {
  readonly deviceId: string;
  readonly seq: number;
}

export interface Backup extends Entry {
  readonly identity: Identity;
  /** In ascending order of `userId`, removed ones included. */
  readonly contacts: readonly Contact[];
  /** Null if it was never set. */
  readonly profile: Profile | null;
  /** In ascending order of `deviceId`. */
  readonly writers: readonly Writer[];
  /** How often a password was set. */
  readonly keyEpoch: number;
  readonly sealedAtMs: number;
  readonly deviceName: string;
}

/** The content of a first backup. */
export function newBackup(keys: Pick<Identity, "publicKey" | "privateKey">): Backup {
  const identity = { publicKey: keys.publicKey, privateKey: keys.privateKey, epoch: 1, unknown: [] };
  return { identity, contacts: [], profile: null, writers: [], keyEpoch: 0, sealedAtMs: 0, deviceName: "", unknown: [] };
}

/** The contacts that are not removed. */
export const liveContacts = (backup: Backup): readonly Contact[] => backup.contacts.filter((each) => !each.removed);
