/** Padding hides the number of contacts: below 16 KiB completely, above it to about 6 %. */

import { view, type Bytes } from "./bytes.js";
import { FormatError } from "./errors.js";

const FLOOR = 16384;
const LENGTH = 4;

/** Rounds a length up so that few of its leading bits differ between contents. */
export function padme(length: number): number {
  if (length < 2) return length;
  const exponent = 31 - Math.clz32(length);
  const mask = 2 ** (exponent - (32 - Math.clz32(exponent))) - 1;
  return length + mask - ((length + mask) % (mask + 1));
}

export function plaintextBytes(payloadBytes: number): number {
  return Math.max(FLOOR, padme(LENGTH + payloadBytes));
}

export function pad(payload: Bytes, size = plaintextBytes(payload.length)): Bytes {
  const padded = new Uint8Array(size);
  view(padded).setUint32(0, payload.length);
  padded.set(payload, LENGTH);
  return padded;
}

export function unpad(plaintext: Bytes): Bytes {
  const length = plaintext.length < LENGTH ? Infinity : view(plaintext).getUint32(0);
  if (length > plaintext.length - LENGTH) throw new FormatError("damaged", "the length goes beyond the end");
  if (plaintext.subarray(LENGTH + length).some((byte) => byte !== 0)) throw new FormatError("damaged", "the padding is not zero");
  return plaintext.slice(LENGTH, LENGTH + length);
}
