/** The payload of docs/format.md: Protobuf to a content and back. */

import { concat, hex, utf8, type Bytes } from "./bytes.js";
import { liveContacts, type Backup, type Contact, type Identity, type Profile, type Writer } from "./content.js";
import { FormatError } from "./errors.js";
import { Fields, MessageWriter, require, type Schema } from "./wire.js";

const IDENTITY: Schema = { 1: "bytes", 2: "bytes", 3: "number" };
const CONTACT: Schema = { 1: "bytes", 2: "text", 3: "bytes", 4: "number", 5: "flag" };
const PROFILE: Schema = { 1: "text", 2: "bytes", 3: "number" };
const WRITER: Schema = { 1: "bytes", 2: "number" };
const BACKUP: Schema = { 1: "message", 2: "message", 3: "message", 4: "message", 5: "number", 6: "number", 7: "text" };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const HEX = /^([0-9a-f]{2})*$/;
const MAX_ENTRIES = 200_000;
const MAX_WRITERS = 4_096;
const MAX_SEALED_CONTACTS = 20_000;

/** Reads a payload. Throws `malformed-payload`. */
export function decode(payload: Bytes): Backup {
  const fields = new Fields(payload, BACKUP);
  const [contacts, writers] = [fields.messages(2), fields.messages(4)];
  requireCounts(contacts, writers);
  const identity = joined(fields.messages(1), IDENTITY);
  require(identity !== null, "there is no identity");
  const profile = joined(fields.messages(3), PROFILE);
  const backup: Backup = {
    identity: { publicKey: identity.bytes(1), privateKey: identity.bytes(2), epoch: identity.number(3), unknown: identity.unknown },
    contacts: sorted(contacts.map(contact), (each) => each.userId),
    profile: profile && {
      attachmentId: profile.text(1),
      decryptionKey: profile.bytes(2),
      stampMs: profile.number(3),
      unknown: profile.unknown,
    },
    writers: sorted(writers.map(writer), (each) => each.deviceId),
    keyEpoch: fields.number(5),
    sealedAtMs: fields.number(6),
    deviceName: fields.text(7),
    unknown: fields.unknown,
  };
  check(backup);
  return backup;
}

/** Parts of a message that occurs more than once, as one. Each must be well formed by itself. */
function joined(parts: readonly Bytes[], schema: Schema): Fields | null {
  for (const part of parts) new Fields(part, schema);
  return parts.length === 0 ? null : new Fields(concat(...parts), schema);
}

function contact(part: Bytes): Contact {
  const fields = new Fields(part, CONTACT);
  const id = fields.bytes(1);
  require(id.length === 32, "a user id has another length");
  return {
    userId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
    username: fields.text(2),
    identityKey: fields.bytes(3),
    stampMs: fields.number(4),
    removed: fields.flag(5),
    unknown: fields.unknown,
  };
}

function writer(part: Bytes): Writer {
  const fields = new Fields(part, WRITER);
  return { deviceId: fields.bytes(1), seq: fields.number(2), unknown: fields.unknown };
}

/** A copy in ascending order of an id. No id may occur twice. */
export function sorted<T>(entries: readonly T[], id: (entry: T) => string): readonly T[] {
  const ordered = [...entries].sort((one, other) => (id(one) < id(other) ? -1 : Number(id(one) > id(other))));
  ordered.forEach((each, at) => {
    const before = ordered[at - 1];
    require(before === undefined || id(before) !== id(each), "an entry occurs twice");
  });
  return ordered;
}

/** Throws `malformed-payload` if a content breaks a rule of the format. */
export function check({ identity, contacts, profile, writers, ...backup }: Backup): void {
  const length = (text: string) => utf8(text).length;
  requireCounts(contacts, writers);
  const integers = [identity.epoch, backup.keyEpoch, backup.sealedAtMs, ...(profile ? [profile.stampMs] : [])];
  require(integers.every(isInteger), "a number is outside 0 to 2^53 - 1");
  require([32, 33].includes(size(identity.publicKey)) && size(identity.privateKey) === 32, "an identity key has another length");
  for (const each of contacts) {
    require(isInteger(each.stampMs), "a number is outside 0 to 2^53 - 1");
    require(UUID.test(each.userId), "a user id is not a UUID in lower case");
    if (each.removed) require(each.username === "" && each.identityKey === "", "a removed contact has a name or a key");
    else require(each.username !== "" && length(each.username) <= 1024 && size(each.identityKey) <= 4096, "a contact is too long");
  }
  for (const each of writers) require(size(each.deviceId) === 16 && isInteger(each.seq) && each.seq >= 1, "a writer is invalid");
  if (profile) {
    const longestKey = profile.attachmentId === "" ? 0 : 128;
    require(length(profile.attachmentId) <= 256 && size(profile.decryptionKey) <= longestKey, "the profile is too long");
  }
  require(length(backup.deviceName) <= 256, "the device name is too long");
}

function size(digits: string): number {
  require(HEX.test(digits), "bytes are not given in lower-case hex");
  return digits.length / 2;
}

const isInteger = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

function requireCounts(contacts: readonly unknown[], writers: readonly unknown[]): void {
  require(contacts.length <= MAX_ENTRIES && writers.length <= MAX_WRITERS, "there are too many entries");
}

/** Throws if a content may be read but not sealed. */
export function requireSealable(backup: Backup): void {
  if (liveContacts(backup).length > MAX_SEALED_CONTACTS) throw new FormatError("too-many-contacts");
}

/** The canonical encoding. Throws `malformed-payload` for a content that breaks a rule. */
export function encode(backup: Backup): Bytes {
  check(backup);
  const message = new MessageWriter().message(1, encodeIdentity(backup.identity));
  for (const each of sorted(backup.contacts, (entry) => entry.userId)) message.message(2, encodeContact(each));
  if (backup.profile) message.message(3, encodeProfile(backup.profile));
  for (const each of sorted(backup.writers, (entry) => entry.deviceId)) message.message(4, encodeWriter(each));
  message.number(5, backup.keyEpoch).number(6, backup.sealedAtMs).text(7, backup.deviceName);
  return message.unknown(backup.unknown).finish();
}

export function encodeIdentity({ publicKey, privateKey, epoch, unknown }: Identity): Bytes {
  return new MessageWriter().bytes(1, publicKey).bytes(2, privateKey).number(3, epoch).unknown(unknown).finish();
}

export function encodeContact({ userId, username, identityKey, stampMs, removed, unknown }: Contact): Bytes {
  const message = new MessageWriter().bytes(1, userId.replaceAll("-", "")).text(2, username).bytes(3, identityKey);
  return message.number(4, stampMs).flag(5, removed).unknown(unknown).finish();
}

export function encodeProfile({ attachmentId, decryptionKey, stampMs, unknown }: Profile): Bytes {
  return new MessageWriter().text(1, attachmentId).bytes(2, decryptionKey).number(3, stampMs).unknown(unknown).finish();
}

export function encodeWriter({ deviceId, seq, unknown }: Writer): Bytes {
  return new MessageWriter().bytes(1, deviceId).number(2, seq).unknown(unknown).finish();
}

/** For comparisons: strings that compare as the encodings do. */
export const encoded = {
  identity: (each: Identity): string => hex(encodeIdentity(each)),
  contact: (each: Contact): string => hex(encodeContact(each)),
  profile: (each: Profile): string => hex(encodeProfile(each)),
  writer: (each: Writer): string => hex(encodeWriter(each)),
};
