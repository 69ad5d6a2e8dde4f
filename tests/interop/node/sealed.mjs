// The sealed format, from docs/format.md: a password and a user id around a payload. Bytes are Uint8Arrays.

import { argon2idAsync } from "@noble/hashes/argon2.js";

const { subtle } = globalThis.crypto;
const PREFIX = 42;
const HEADER = 74;
const TAG = 16;
const FLOOR = 16384;
const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu;

/** An error of a reader or writer, by the name that docs/format.md gives it. */
export class FormatError extends Error {
  /** @param {string} code @param {string} [detail] */
  constructor(code, detail = "") {
    super(detail ? `${code}: ${detail}` : code);
    this.code = code;
  }
}

/** @param {string} password */
export function normalize(password) {
  const mapped = password.replace(SPACES, " ").normalize("NFC");
  if (!mapped.isWellFormed()) throw new FormatError("password-character-refused");
  return new TextEncoder().encode(mapped);
}

/** The error that setting this password must end with, or null. @param {string} password */
export function refusal(password) {
  const text = password.replace(SPACES, " ").normalize("NFC");
  if (/[\p{Cc}\p{Cs}\p{Cn}]/u.test(text)) return "password-character-refused";
  if ([...text].length < 13) return "password-too-short";
  return new TextEncoder().encode(text).length > 1024 ? "password-too-long" : null;
}

/** @typedef {{memory_kib: number, passes: number, lanes: number}} Parameters */

/** "opens", "asks" or "refuses". A product of two u32 may be rounded, but never to below the limit. @param {Parameters} p */
export function opening(p) {
  const fits =
    p.lanes >= 1 && p.lanes <= 4 && p.passes >= 1 && p.passes <= 16 &&
    p.memory_kib >= 8 * p.lanes && p.memory_kib <= 524288 && p.memory_kib * p.passes <= 4194304;
  return fits ? (p.memory_kib > 262144 ? "asks" : "opens") : "refuses";
}

/** @param {Parameters} p */
export function sealable(p) {
  return p.lanes === 1 && p.passes >= 3 && p.passes <= 16 && p.memory_kib >= 65536 && p.memory_kib <= 262144;
}

/** @param {number} length */
export function padme(length) {
  if (length < 2) return length;
  const exponent = 31 - Math.clz32(length);
  const mask = 2 ** (exponent - (32 - Math.clz32(exponent))) - 1;
  return length + mask - ((length + mask) % (mask + 1));
}

/** @param {number} payloadBytes */
export function plaintextBytes(payloadBytes) {
  return Math.max(FLOOR, padme(4 + payloadBytes));
}

/** @param {Uint8Array} payload @param {number} [size] */
export function pad(payload, size = plaintextBytes(payload.length)) {
  const padded = new Uint8Array(size);
  new DataView(padded.buffer).setUint32(0, payload.length);
  padded.set(payload, 4);
  return padded;
}

/** @param {Uint8Array} plaintext */
function unpad(plaintext) {
  if (plaintext.length < 4) throw new FormatError("damaged");
  const length = view(plaintext).getUint32(0);
  if (length > plaintext.length - 4) throw new FormatError("damaged");
  if (plaintext.subarray(4 + length).some((byte) => byte !== 0)) throw new FormatError("damaged");
  return plaintext.subarray(4, 4 + length);
}

// Plain JavaScript takes a second for 64 MiB, three times as long as hash-wasm, which however has no empty password.
/** @param {Uint8Array} password normalized @param {Uint8Array} salt @param {Parameters} p */
export function derive(password, salt, p) {
  return argon2idAsync(password, salt, { m: p.memory_kib, t: p.passes, p: p.lanes, dkLen: 32, version: 0x13 });
}

/** HKDF-Expand by two HMACs, since WebCrypto's HKDF always extracts first. @param {Uint8Array} root @param {Uint8Array} prefix */
export async function expand(root, prefix) {
  const info = concat(new TextEncoder().encode("obscura-backup v1"), prefix);
  const hmac = await subtle.importKey("raw", root, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const key = new Uint8Array(await subtle.sign("HMAC", hmac, concat(info, Uint8Array.of(1))));
  const commitment = new Uint8Array(await subtle.sign("HMAC", hmac, concat(key, info, Uint8Array.of(2))));
  return { key, commitment };
}

/** @param {Uint8Array} plaintext @param {Uint8Array} password normalized @param {Parameters} p @param {Uint8Array} salt @param {Uint8Array} nonce @param {Uint8Array} user */
export async function seal(plaintext, password, p, salt, nonce, user) {
  const prefix = new Uint8Array(PREFIX);
  prefix.set([0x4f, 0x42, 0x4b, 0x31, 1]);
  view(prefix).setUint32(5, p.memory_kib);
  view(prefix).setUint32(9, p.passes);
  prefix[13] = p.lanes;
  prefix.set(salt, 14);
  prefix.set(nonce, 30);
  const { key, commitment } = await expand(await derive(password, salt, p), prefix);
  const header = concat(prefix, commitment);
  return concat(header, new Uint8Array(await subtle.encrypt(gcm(header, user), await aes(key, "encrypt"), plaintext)));
}

/** @typedef {Parameters & {salt: Uint8Array, root: Uint8Array}} Kept */

/** The payload. @param {Uint8Array} blob @param {string | Kept} secret @param {Uint8Array} user @param {(p: Parameters) => boolean} ask */
export async function open(blob, secret, user, ask = () => false) {
  const magic = new TextDecoder("latin1").decode(blob.subarray(0, 4));
  if (!/^OBK[0-9]$/.test(magic)) throw new FormatError("not-a-backup");
  if (magic !== "OBK1") throw new FormatError("newer-format");
  if (blob.length < HEADER + 4 + TAG) throw new FormatError("damaged");
  const numbers = view(blob);
  const p = { memory_kib: numbers.getUint32(5), passes: numbers.getUint32(9), lanes: blob[13] };
  const kept = typeof secret === "string" ? null : secret;
  if (blob[4] !== 1 || opening(p) === "refuses") throw new FormatError("refused-parameters");
  const [header, prefix, salt] = [blob.subarray(0, HEADER), blob.subarray(0, PREFIX), blob.subarray(14, 30)];
  if (kept && !(Object.keys(p).every((cost) => p[cost] === kept[cost]) && equal(salt, kept.salt))) throw new FormatError("different-key");
  if (!kept && opening(p) === "asks" && !ask(p)) throw new FormatError("refused-parameters");
  const { key, commitment } = await expand(kept ? kept.root : await derive(normalize(secret), salt, p), prefix);
  if (!equal(commitment, blob.subarray(PREFIX, HEADER))) throw new FormatError("wrong-password");
  const cipher = await aes(key, "decrypt");
  const plaintext = await subtle.decrypt(gcm(header, user), cipher, blob.subarray(HEADER)).catch(() => {
    throw new FormatError("damaged");
  });
  return unpad(new Uint8Array(plaintext));
}

/** @param {Uint8Array} header @param {Uint8Array} user */
function gcm(header, user) {
  return { name: "AES-GCM", iv: header.subarray(30, PREFIX), additionalData: concat(header, user), tagLength: 128 };
}

/** @param {Uint8Array} key @param {KeyUsage} use */
function aes(key, use) {
  return subtle.importKey("raw", key, "AES-GCM", false, [use]);
}

/** Compares without ending early. @param {Uint8Array} one @param {Uint8Array} other */
function equal(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one[at] ^ other[at];
  return difference === 0;
}

/** @param {...Uint8Array} parts */
export function concat(...parts) {
  return new Uint8Array(Buffer.concat(parts));
}

/** @param {Uint8Array} bytes */
function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
