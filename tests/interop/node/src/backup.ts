/** Opening and sealing a whole backup, without a server. */

import { randomBytes, type Bytes } from "./bytes.js";
import type { Backup } from "./content.js";
import { PROFILES, type Parameters } from "./kdf.js";
import { decode, encode, requireSealable } from "./payload.js";
import { MAX_BLOB_BYTES, newKey, openPayload, sealPayload, type OpenOptions, type SealingKey, type Secret } from "./sealed.js";

export interface OpenedBackup {
  readonly content: Backup;
  /** May be kept in place of the password, and is as sensitive. */
  readonly key: SealingKey;
}

export interface SealOptions extends Pick<OpenOptions, "userId" | "derive"> {
  /** Of a new key. The default takes 128 MiB. */
  readonly parameters?: Parameters | undefined;
  readonly maxBlobBytes?: number | undefined;
}

export interface SealedBackup {
  readonly blob: Bytes;
  readonly key: SealingKey;
}

/** Opens a blob from the server. Throws `FormatError`. */
export async function openBackup(blob: Bytes, secret: Secret, options: OpenOptions): Promise<OpenedBackup> {
  const { payload, key } = await openPayload(blob, secret, options);
  return { content: decode(payload), key };
}

/** Seals a content under a new password, or under a key that an earlier opening or sealing gave. Throws `FormatError`. */
export async function sealBackup(content: Backup, secret: Secret, options: SealOptions): Promise<SealedBackup> {
  requireSealable(content);
  const payload = encode(content);
  const key = typeof secret === "string" ? await newKey(secret, options.parameters ?? PROFILES.default, options.derive) : secret;
  return { blob: await sealPayload(payload, key, options.userId, options.maxBlobBytes ?? MAX_BLOB_BYTES, randomBytes), key };
}
