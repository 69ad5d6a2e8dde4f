/** The seal of docs/format.md: a password and a user id around a payload. */

import { argon2id } from "./argon2id.js";
import { concat, equal, randomBytes, unhex, utf8, view, type Bytes } from "./bytes.js";
import { FormatError, RefusedParameters, StateError } from "./errors.js";
import { opening, requireSealable, sameParameters, type ConfirmMemory, type Derive, type Parameters } from "./kdf.js";
import { pad, unpad } from "./padding.js";
import { normalize, requireSettable } from "./passwords.js";

const PREFIX = 42;
export const HEADER = 74;
export const TAG = 16;
const SALT = { at: 14, bytes: 16 };
const NONCE = { at: 30, bytes: 12 };
const LENGTH = 4;
const ARGON2ID = 1;

/** The digit of the format that this package reads and writes. */
export const FORMAT = 1;
export const MAX_BLOB_BYTES = 2 * 1024 * 1024;

/** A derived key. It opens and seals backups with its salt, and is as sensitive as the password. */
export interface SealingKey extends Parameters {
  readonly salt: Bytes;
  readonly root: Bytes;
}

/** A password, or a key that was kept from an earlier opening. */
export type Secret = string | SealingKey;

export interface OpenOptions {
  /** The user's UUID. It is not in the blob. */
  readonly userId: string;
  /** Without it, a derivation with more than 256 MiB is refused. */
  readonly confirmMemory?: ConfirmMemory | undefined;
  /** Argon2id. The default is WebAssembly in this thread. */
  readonly derive?: Derive | undefined;
}

/** The header of a blob, read but not authenticated. */
export function readHeader(blob: Bytes): Parameters & { readonly salt: Bytes } {
  const magic = String.fromCharCode(...blob.subarray(0, 4));
  if (!/^OBK[0-9]$/.test(magic)) throw new FormatError("not-a-backup");
  if (magic !== `OBK${FORMAT}`) throw new FormatError("newer-format");
  if (blob.length < HEADER + LENGTH + TAG) throw new FormatError("damaged");
  const numbers = view(blob);
  const parameters = { memoryKib: numbers.getUint32(5), passes: numbers.getUint32(9), lanes: numbers.getUint8(13) };
  if (blob[4] !== ARGON2ID || opening(parameters) === "refuses") throw new RefusedParameters(parameters);
  return { ...parameters, salt: blob.slice(SALT.at, SALT.at + SALT.bytes) };
}

/** Opens a blob. Gives the payload and the key; throws in the order of the steps in docs/format.md. */
export async function openPayload(blob: Bytes, secret: Secret, options: OpenOptions): Promise<{ payload: Bytes; key: SealingKey }> {
  const { salt, ...parameters } = readHeader(blob);
  const key = typeof secret === "string" ? await derived(secret, salt, parameters, options) : secret;
  if (!sameParameters(key, parameters) || !equal(key.salt, salt)) throw new FormatError("different-key");
  const { cipherKey, commitment } = await expand(key.root, blob.subarray(0, PREFIX));
  if (!equal(commitment, blob.subarray(PREFIX, HEADER))) throw new FormatError("wrong-password");
  return { payload: unpad(await decrypt(cipherKey, blob, options.userId)), key };
}

async function derived(password: string, salt: Bytes, parameters: Parameters, options: OpenOptions): Promise<SealingKey> {
  if (opening(parameters) === "asks" && !(await options.confirmMemory?.(parameters))) throw new RefusedParameters(parameters);
  return withRoot(normalize(password), salt, parameters, options.derive);
}

async function withRoot(password: Bytes, salt: Bytes, parameters: Parameters, derive: Derive = argon2id): Promise<SealingKey> {
  try {
    return { ...parameters, salt, root: await derive(password, salt, parameters) };
  } catch (error) {
    const message = "The key could not be derived on this device, probably for lack of memory.";
    throw new StateError("key-derivation-failed", message, { cause: error });
  }
}

/** Derives a key for a new password, with a fresh salt. */
export async function newKey(password: string, parameters: Parameters, derive?: Derive, random = randomBytes): Promise<SealingKey> {
  requireSealable(parameters);
  requireSettable(password);
  return withRoot(normalize(password), random(SALT.bytes), parameters, derive);
}

/** Seals a payload under a key that may seal. */
export async function sealPayload(payload: Bytes, key: SealingKey, userId: string, maxBytes = MAX_BLOB_BYTES, random = randomBytes): Promise<Bytes> {
  requireSealable(key);
  const plaintext = pad(payload);
  requireFitting(plaintext.length, maxBytes);
  return sealPlaintext(plaintext, key, random(NONCE.bytes), userId);
}

/** Throws `payload-too-large` if a padded plaintext makes a blob of more than `maxBytes`. */
export function requireFitting(plaintextBytes: number, maxBytes = MAX_BLOB_BYTES): void {
  if (HEADER + plaintextBytes + TAG > maxBytes) throw new FormatError("payload-too-large");
}

/** Encrypts a padded plaintext. For tests: it checks no limit, and a nonce must never be used again. */
export async function sealPlaintext(plaintext: Bytes, key: SealingKey, nonce: Bytes, userId: string): Promise<Bytes> {
  const prefix = new Uint8Array(PREFIX);
  prefix.set([...utf8(`OBK${FORMAT}`), ARGON2ID]);
  view(prefix).setUint32(5, key.memoryKib);
  view(prefix).setUint32(9, key.passes);
  prefix[13] = key.lanes;
  prefix.set(key.salt, SALT.at);
  prefix.set(nonce, NONCE.at);
  const { cipherKey, commitment } = await expand(key.root, prefix);
  const header = concat(prefix, commitment);
  const cipher = await crypto.subtle.importKey("raw", cipherKey, "AES-GCM", false, ["encrypt"]);
  return concat(header, new Uint8Array(await crypto.subtle.encrypt(gcm(header, userId), cipher, plaintext)));
}

/** HKDF-Expand by two HMACs, because WebCrypto's HKDF always extracts first. */
export async function expand(root: Bytes, prefix: Bytes): Promise<{ cipherKey: Bytes; commitment: Bytes }> {
  const info = concat(utf8("obscura-backup v1"), prefix);
  const mac = await crypto.subtle.importKey("raw", root, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const hmac = async (message: Bytes) => new Uint8Array(await crypto.subtle.sign("HMAC", mac, message));
  const cipherKey = await hmac(concat(info, Uint8Array.of(1)));
  return { cipherKey, commitment: await hmac(concat(cipherKey, info, Uint8Array.of(2))) };
}

async function decrypt(cipherKey: Bytes, blob: Bytes, userId: string): Promise<Bytes> {
  const cipher = await crypto.subtle.importKey("raw", cipherKey, "AES-GCM", false, ["decrypt"]);
  try {
    return new Uint8Array(await crypto.subtle.decrypt(gcm(blob.subarray(0, HEADER), userId), cipher, blob.subarray(HEADER)));
  } catch (error) {
    throw new FormatError("damaged", "the tag is invalid", { cause: error });
  }
}

function gcm(header: Bytes, userId: string): AesGcmParams {
  const additionalData = concat(header, unhex(userId.replaceAll("-", "")));
  return { name: "AES-GCM", iv: header.slice(NONCE.at, NONCE.at + NONCE.bytes), additionalData, tagLength: 8 * TAG };
}
