// Merging, the rollback alarm and stamps, from docs/format.md, over the objects of payload.mjs.

import { check, encodeContact, encodeIdentity, encodeProfile, encodeWriter, hex } from "./payload.mjs";
import { FormatError } from "./sealed.mjs";

/** Compares member by member. Hex and UUIDs compare as their bytes; text has to be given as its UTF-8 in hex. */
function compare(one, other) {
  const at = one.findIndex((each, index) => each !== other[index]);
  return at < 0 ? 0 : one[at] < other[at] ? -1 : 1;
}

const greater = (one, other, rank) => (compare(rank(one), rank(other)) < 0 ? other : one);

function greatest(entries, id, rank) {
  const chosen = new Map();
  for (const each of entries) {
    const held = chosen.get(each[id]);
    chosen.set(each[id], held ? greater(held, each, rank) : each);
  }
  return [...chosen.values()].sort((one, other) => compare([one[id]], [other[id]]));
}

const sameKeys = (one, other) => one.public_key === other.public_key && one.private_key === other.private_key;

/** A device's content and the server's as one; `keep` is "mine", "theirs", or null where the person was not asked. */
export function mergeKeeping(local, remote, keep) {
  const [mine, theirs] = [local.identity, remote.identity];
  if (sameKeys(mine, theirs)) return merge(local, remote);
  if (keep === null && theirs.epoch > mine.epoch) throw new FormatError("identity-replaced");
  if (keep === null) return merge(local, remote);
  const [kept, left] = keep === "mine" ? [mine, theirs] : [theirs, mine];
  const stays = kept.epoch > left.epoch || (keep === "theirs" && kept.epoch === left.epoch);
  const identity = stays ? kept : { ...kept, epoch: left.epoch + 1 };
  return merge({ ...local, identity }, { ...remote, identity });
}

/** Two contents of one user's backup as one. */
export function merge(one, other) {
  const [mine, theirs] = [one.identity, other.identity];
  if (mine.epoch === theirs.epoch && !sameKeys(mine, theirs)) throw new FormatError("identity-conflict");
  const latest = greater(one, other, (each) => [each.sealed_at_ms, hex(Buffer.from(each.device_name))]);
  const profiles = [one.profile, other.profile].filter((each) => each !== null);
  const merged = {
    identity: greater(mine, theirs, (each) => [each.epoch, hex(encodeIdentity(each))]),
    contacts: greatest([...one.contacts, ...other.contacts], "user_id", (each) => [each.stamp_ms, !each.removed, hex(encodeContact(each))]),
    profile: profiles.length
      ? profiles.reduce((a, b) => greater(a, b, (each) => [each.stamp_ms, each.attachment_id !== "", hex(encodeProfile(each))]))
      : null,
    writers: greatest([...one.writers, ...other.writers], "device_id", (each) => [each.seq, hex(encodeWriter(each))]),
    key_epoch: Math.max(one.key_epoch, other.key_epoch),
    sealed_at_ms: latest.sealed_at_ms,
    device_name: latest.device_name,
    unknown: greatestUnknown([...one.unknown, ...other.unknown]),
  };
  check(merged);
  return merged;
}

function greatestUnknown(fields) {
  const chosen = new Map();
  for (const [number, encoded] of fields) if (encoded > (chosen.get(number) ?? "")) chosen.set(number, encoded);
  return [...chosen].sort(([one], [other]) => one - other);
}

/** Whether a vector is at or above the other in every component. */
export const covers = (vector, other) => Object.entries(other).every(([device, seq]) => (vector[device] ?? 0) >= seq);

/** Why `fetched` cannot be the latest backup, given what was remembered; either may be null. */
export function suspicions(remembered, fetched) {
  if (remembered === null) return [];
  if (fetched === null) return remembered.may_be_gone ? [] : ["gone"];
  const older = !covers(fetched.vector, remembered.vector);
  const equal = !older && covers(remembered.vector, fetched.vector);
  return [
    ...(older ? ["older-writers"] : []),
    ...(equal && fetched.sha256 !== remembered.sha256 ? ["same-writers-other-bytes"] : []),
    ...(fetched.key_epoch < remembered.key_epoch ? ["older-password"] : []),
    ...(fetched.format < remembered.format ? ["older-format"] : []),
  ];
}

/** The stamp of the next edit, in milliseconds since 1970. */
export function nextStamp(content, now) {
  const seen = content.contacts.map((each) => each.stamp_ms);
  const highest = [...seen, content.profile?.stamp_ms ?? 0].reduce((a, b) => Math.max(a, b), 0);
  const stamp = Math.max(now, highest + 1);
  if (stamp > Number.MAX_SAFE_INTEGER) throw new FormatError("malformed-payload", "no stamp is left");
  return stamp;
}
