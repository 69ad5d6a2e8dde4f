/** Bytes that WebCrypto accepts: never a view of shared memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal digits. They compare as the bytes do. */
export function hex(bytes: Uint8Array): string {
  let digits = "";
  for (const byte of bytes) digits += DIGITS[byte];
  return digits;
}

/** The bytes of hexadecimal digits. Throws a `RangeError` for other text. */
export function unhex(digits: string): Bytes {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw new RangeError("not hexadecimal");
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = 16 * digit(digits.charCodeAt(2 * at)) + digit(digits.charCodeAt(2 * at + 1));
  return bytes;
}

/** The value of an ASCII digit; letters have bit 6 set. */
const digit = (code: number): number => (code & 0x0f) + 9 * (code >> 6);

/** Whether two byte strings are equal. The time depends on the lengths only. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= (one[at] ?? 0) ^ (other[at] ?? 0);
  return difference === 0;
}

export function view(bytes: Bytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** UTF-8, which compares differently from JavaScript's strings. */
export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

export const randomBytes = (count: number): Bytes => crypto.getRandomValues(new Uint8Array(count));

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
