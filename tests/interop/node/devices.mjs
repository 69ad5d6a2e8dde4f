// Edits, and what a device seals and remembers, from docs/format.md, over the objects of payload.mjs. A device is plain data,
// replaced and never changed. What a server holds is a payload, and a name that stands for the sealed bytes.

import { covers, mergeKeeping, nextStamp, suspicions } from "./merge.mjs";
import { check, decode, encode, hex, sorted, unhex } from "./payload.mjs";
import { FormatError, plaintextBytes } from "./sealed.mjs";

const FORMAT = 1;

/** The content after an edit. */
export function edited(content, edit, now) {
  const changed = edit.do === "profile" ? withProfile(content, edit, now) : withContact(content, edit, now);
  check(changed);
  return changed;
}

function withProfile(content, { attachment_id, decryption_key }, now) {
  const unknown = content.profile?.unknown ?? [];
  return { ...content, profile: { attachment_id, decryption_key, stamp_ms: nextStamp(content, now), unknown } };
}

function withContact(content, edit, now) {
  const { user_id } = edit;
  const held = content.contacts.find((each) => each.user_id === user_id && !each.removed);
  if (edit.do === "remove" && !held) throw new FormatError("unknown-contact");
  const stamp_ms = nextStamp(content, now);
  let entry = { user_id, username: "", identity_key: "", stamp_ms, removed: true, unknown: [] };
  if (edit.do === "put") {
    const identity_key = edit.identity_key || (held?.identity_key ?? "");
    if (held?.username === edit.username && held.identity_key === identity_key) return content;
    entry = { user_id, username: edit.username, identity_key, stamp_ms, removed: false, unknown: held?.unknown ?? [] };
  }
  return { ...content, contacts: sorted([...content.contacts.filter((each) => each.user_id !== user_id), entry], "user_id") };
}

/** Refuses what is read but not sealed, for a server that takes so many bytes. */
export function requireSealable(content, mostBytes = 2 * 1024 * 1024) {
  if (content.contacts.filter((each) => !each.removed).length > 20000) throw new FormatError("too-many-contacts");
  requireFitting(encode(content).length, mostBytes);
}

export function requireFitting(payloadBytes, mostBytes) {
  if (74 + plaintextBytes(payloadBytes) + 16 > mostBytes) throw new FormatError("payload-too-large");
}

/** Does one step of devices.json. Gives the device afterwards, what it uploads, and the error with its reasons. */
export function stepped(device, step) {
  if (step.do === "put") return { device: { ...device, content: edited(device.content, step.edit, step.now_ms) } };
  if (step.do === "delete") {
    if (step.answer === "refused" || device.remembered === null) return { device };
    return { device: { ...device, remembered: { ...device.remembered, may_be_gone: true } } };
  }
  try {
    return step.do === "restore" ? { device: restored(device, step) } : pushed(device, step);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { device, error: error.code, reasons: error.reasons };
  }
}

const vectorOf = (content) => Object.fromEntries(content.writers.map(({ device_id, seq }) => [device_id, seq]));

function remembering(device, content, bytes) {
  const remembered = { vector: vectorOf(content), bytes, key_epoch: content.key_epoch, format: FORMAT, may_be_gone: false };
  return { ...device, remembered };
}

/** What the server holds, opened, and whether there was nothing to accept; null where it holds nothing. */
function fetched(device, { server, accept }) {
  const content = server && decode(unhex(server.payload));
  const seen = content && { vector: vectorOf(content), sha256: server.bytes, key_epoch: content.key_epoch, format: FORMAT };
  const known = device.remembered && { ...device.remembered, sha256: device.remembered.bytes };
  const reasons = suspicions(known, seen);
  if (reasons.length && !accept) throw Object.assign(new FormatError("rollback-suspected"), { reasons });
  return content && { content, latest: reasons.length === 0 };
}

function merged(device, { content }, { keep, drawn }) {
  const next = { ...device, content: device.content ? mergeKeeping(device.content, content, keep) : content };
  const isCopy = (vectorOf(content)[device.device_id] ?? 0) > device.seq;
  return isCopy || device.device_id === null ? { ...next, device_id: drawn, seq: 0 } : next;
}

function restored(device, step) {
  const remote = fetched(device, step);
  return remembering(merged(device, remote, step), remote.content, step.server.bytes);
}

function pushed(device, step) {
  const remote = fetched(device, step);
  let next = device;
  let newPassword = true;
  if (remote) {
    next = merged(device, remote, step);
    if (remote.latest) next = remembering(next, remote.content, step.server.bytes);
    if (remote.latest && !step.new_password && holds(remote.content, next.content)) return { device: next };
    newPassword = step.new_password || remote.content.key_epoch < next.content.key_epoch;
  }
  next = { ...next, seq: next.seq + 1 };
  const content = toSeal(next, newPassword, step.now_ms);
  requireSealable(content);
  if (step.answer === "stored") next = remembering({ ...next, content }, content, step.sealed?.bytes);
  return { device: next, sealed: hex(encode(content)) };
}

/** Whether a server that holds `content` has all that the device has. */
function holds(content, own) {
  const lasting = (each) => hex(encode({ ...each, writers: [], sealed_at_ms: 0, device_name: "" }));
  return lasting(content) === lasting(own) && covers(vectorOf(content), vectorOf(own));
}

function toSeal({ content, device_id, device_name, seq }, newPassword, now) {
  const others = content.writers.filter((each) => each.device_id !== device_id);
  const sealed = {
    ...content,
    writers: sorted([...others, { device_id, seq, unknown: [] }], "device_id"),
    key_epoch: content.key_epoch + (newPassword ? 1 : 0),
    sealed_at_ms: Math.min(Math.max(now, 0), Number.MAX_SAFE_INTEGER),
    device_name,
  };
  check(sealed);
  return sealed;
}
