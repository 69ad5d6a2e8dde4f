// The payload, from docs/format.md: Protobuf to plain objects and back. Of protobufjs only Reader and Writer are used: its
// messages let known fields of another wire type pass, and keep unknown ones, if at all, in the order in which they came.
//
// In the objects ids and keys are lower-case hex, a user id is a UUID's text, and unknown fields are [number, hex], so that
// strings compare as the bytes do that they stand for.

import protobuf from "protobufjs/minimal.js";
import { FormatError, concat } from "./sealed.mjs";

// Without it numbers are read as doubles, rounded without a word.
if (!protobuf.util.Long) throw new Error("protobufjs does not find the package long");

const MAX_INTEGER = 2n ** 53n - 1n;
const [VARINT, FIXED64, LENGTH, GROUP, END, FIXED32] = [0, 1, 2, 3, 4, 5];
const WIRE = { bytes: LENGTH, text: LENGTH, message: LENGTH, number: VARINT, flag: VARINT };

const IDENTITY = { 1: ["public_key", "bytes"], 2: ["private_key", "bytes"], 3: ["epoch", "number"] };
const CONTACT = {
  1: ["user_id", "bytes"], 2: ["username", "text"], 3: ["identity_key", "bytes"], 4: ["stamp_ms", "number"], 5: ["removed", "flag"],
};
const PROFILE = { 1: ["attachment_id", "text"], 2: ["decryption_key", "bytes"], 3: ["stamp_ms", "number"] };
const WRITER = { 1: ["device_id", "bytes"], 2: ["seq", "number"] };
const BACKUP = {
  1: ["identity", "message"], 2: ["contacts", "message"], 3: ["profile", "message"], 4: ["writers", "message"],
  5: ["key_epoch", "number"], 6: ["sealed_at_ms", "number"], 7: ["device_name", "text"],
};

/** @param {boolean} rule @param {string} otherwise @returns {asserts rule} */
function require(rule, otherwise) {
  if (!rule) throw new FormatError("malformed-payload", otherwise);
}

/** A payload's content. @param {Uint8Array} payload */
export function decode(payload) {
  try {
    return content(payload);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError("malformed-payload", error.message);
  }
}

function content(payload) {
  const { found, unknown } = cut(payload, BACKUP);
  const parts = (name) => found[name] ?? [];
  requireCounts(parts("contacts"), parts("writers"));
  const joined = (name, fields) => {
    parts(name).forEach((part) => cut(part, fields)); // each part is a message by itself
    return entry(concat(...parts(name)), fields);
  };
  require(parts("identity").length > 0, "no identity");
  const backup = {
    identity: joined("identity", IDENTITY),
    contacts: sorted(parts("contacts").map(contact), "user_id"),
    profile: parts("profile").length ? joined("profile", PROFILE) : null,
    writers: sorted(parts("writers").map((part) => entry(part, WRITER)), "device_id"),
    ...scalars(found, BACKUP),
    unknown,
  };
  check(backup);
  return backup;
}

function contact(part) {
  const read = entry(part, CONTACT);
  require(read.user_id.length === 32, "length of a user id");
  const uuid = read.user_id.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  return { ...read, user_id: uuid };
}

function entry(bytes, fields) {
  const { found, unknown } = cut(bytes, fields);
  return { ...scalars(found, fields), unknown };
}

/** Entries in ascending order of a member, in place; none may be there twice. */
export function sorted(entries, id) {
  entries.sort((one, other) => (one[id] < other[id] ? -1 : 1));
  require(entries.every((each, at) => at === 0 || entries[at - 1][id] !== each[id]), "an entry twice");
  return entries;
}

/** Of a scalar that occurs more than once the last counts. */
function scalars(found, fields) {
  const read = {};
  for (const [name, kind] of Object.values(fields)) {
    const value = found[name]?.at(-1);
    if (kind === "bytes") read[name] = hex(value ?? new Uint8Array());
    if (kind === "text") read[name] = value ?? "";
    if (kind === "flag") read[name] = (value ?? 0n) !== 0n;
    if (kind === "number") {
      require((value ?? 0n) <= MAX_INTEGER, "a number over 2^53 - 1");
      read[name] = Number(value ?? 0n);
    }
  }
  return read;
}

/** The known fields by name, each occurrence of them, and the unknown ones as they stand there. */
function cut(bytes, fields) {
  const reader = protobuf.Reader.create(bytes);
  const found = {};
  const unknown = new Map();
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, type] = tag(reader);
    const [name, kind] = fields[number] ?? [];
    if (name === undefined) {
      skip(reader, number, type, 0);
      unknown.set(number, (unknown.get(number) ?? "") + hex(bytes.subarray(start, reader.pos)));
      continue;
    }
    require(type === WIRE[kind], "a known field of another wire type");
    const value = type === VARINT ? varint(reader) : reader.bytes();
    (found[name] ??= []).push(kind === "text" ? text(value) : value);
  }
  return { found, unknown: [...unknown].sort(([one], [other]) => one - other) };
}

function tag(reader) {
  const value = reader.tag();
  require(value >>> 3 !== 0, "field number 0");
  return [value >>> 3, value & 7];
}

function varint(reader) {
  const start = reader.pos;
  const { high, low } = reader.uint64();
  require(reader.pos - start < 10 || reader.buf[reader.pos - 1] <= 1, "a number over 64 bits");
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

function skip(reader, number, type, depth) {
  if (type === VARINT) varint(reader);
  else if (type === FIXED64) reader.skip(8);
  else if (type === FIXED32) reader.skip(4);
  else if (type === LENGTH) reader.bytes();
  else {
    require(type === GROUP && depth < 32, "wire type or depth");
    for (;;) {
      const [inner, kind] = tag(reader);
      if (kind === END) return require(inner === number, "a group closed as another");
      skip(reader, inner, kind, depth + 1);
    }
  }
}

/** Strict, and with a U+FEFF at the start left in place. */
function text(bytes) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

function requireCounts(contacts, writers) {
  require(contacts.length <= 200000 && writers.length <= 4096, "too many entries");
}

/** Refuses a content that breaks a rule of the page, except for numbers that nothing but reading makes too great. */
export function check({ identity, contacts, profile, writers, key_epoch, device_name }) {
  const size = (value) => value.length / 2;
  const bytes = (value) => Buffer.byteLength(value);
  requireCounts(contacts, writers);
  require(identity.epoch <= Number.MAX_SAFE_INTEGER && key_epoch <= Number.MAX_SAFE_INTEGER, "a number over 2^53 - 1");
  require([32, 33].includes(size(identity.public_key)) && size(identity.private_key) === 32, "length of an identity key");
  for (const each of contacts) {
    if (each.removed) require(each.username === "" && each.identity_key === "", "a removed contact with a name or a key");
    else require(each.username !== "" && bytes(each.username) <= 1024 && size(each.identity_key) <= 4096, "length in a contact");
  }
  for (const each of writers) require(size(each.device_id) === 16 && each.seq >= 1, "a writer");
  if (profile) {
    const longest = profile.attachment_id === "" ? 0 : 128;
    require(bytes(profile.attachment_id) <= 256 && size(profile.decryption_key) <= longest, "length in the profile");
  }
  require(bytes(device_name) <= 256, "length of the device name");
}

/** The canonical encoding of a content that follows the rules. */
export function encode(backup) {
  return written(backup, BACKUP, {
    identity: [encodeIdentity(backup.identity)],
    contacts: backup.contacts.map(encodeContact),
    profile: backup.profile ? [encodeProfile(backup.profile)] : [],
    writers: backup.writers.map(encodeWriter),
  });
}

const encodeEntry = (each, fields) => written(each, fields, {});
export const encodeIdentity = (identity) => encodeEntry(identity, IDENTITY);
export const encodeContact = (each) => encodeEntry({ ...each, user_id: each.user_id.replaceAll("-", "") }, CONTACT);
export const encodeProfile = (profile) => encodeEntry(profile, PROFILE);
export const encodeWriter = (writer) => encodeEntry(writer, WRITER);

function written(value, fields, messages) {
  const writer = protobuf.Writer.create();
  for (const [number, [name, kind]] of Object.entries(fields)) {
    const start = () => writer.uint32((Number(number) << 3) | WIRE[kind]);
    if (kind === "message") messages[name].forEach((message) => start().bytes(message));
    else if (kind === "bytes" && value[name] !== "") start().bytes(unhex(value[name]));
    else if (kind === "text" && value[name] !== "") start().string(value[name]);
    else if (kind === "flag" && value[name]) start().bool(true);
    else if (kind === "number" && value[name] !== 0) start().uint64(value[name]);
  }
  return concat(writer.finish(), ...value.unknown.map(([, encoded]) => unhex(encoded)));
}

/** @param {Uint8Array} bytes */
export const hex = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
/** @param {string} text */
export const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));
