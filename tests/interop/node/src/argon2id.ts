import { argon2idAsync } from "@noble/hashes/argon2.js";
import { argon2id as argon2idInWasm } from "hash-wasm";
import type { Derive } from "./kdf.js";

/** Argon2id in WebAssembly, in this thread. Its memory is free for others afterwards. */
export const argon2id: Derive = async (password, salt, { memoryKib, passes, lanes }) => {
  if (password.length === 0) {
    // hash-wasm refuses an empty password, which opening must accept. This is plain JavaScript, and three times slower.
    return new Uint8Array(await argon2idAsync(password, salt, { m: memoryKib, t: passes, p: lanes, dkLen: 32, version: 0x13 }));
  }
  const options = { password, salt, memorySize: memoryKib, iterations: passes, parallelism: lanes, hashLength: 32 };
  return new Uint8Array(await argon2idInWasm({ ...options, outputType: "binary" }));
};
