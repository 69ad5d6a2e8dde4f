/** From a password to bytes. */

import { utf8, type Bytes } from "./bytes.js";
import { FormatError } from "./errors.js";

const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu;
const SHORTEST = 13;
const MOST_BYTES = 1024;

const mapped = (password: string): string => password.replace(SPACES, " ").normalize("NFC");

/** The bytes to derive from. Throws `password-character-refused` for a lone surrogate. */
export function normalize(password: string): Bytes {
  const text = mapped(password);
  if (!text.isWellFormed()) throw new FormatError("password-character-refused");
  return utf8(text);
}

/** Applies the rules for a new password. Throws the error of the first rule that fails. */
export function requireSettable(password: string): void {
  const text = mapped(password);
  if (/[\p{Cc}\p{Cs}\p{Cn}]/u.test(text)) throw new FormatError("password-character-refused");
  if ([...text].length < SHORTEST) throw new FormatError("password-too-short");
  if (utf8(text).length > MOST_BYTES) throw new FormatError("password-too-long");
}
