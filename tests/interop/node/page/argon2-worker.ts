/** Argon2id in a thread of its own: the page stays responsive, and the memory is free again when the worker ends. */

import { argon2id, type Parameters } from "../src/index.js";

export interface Request {
  readonly password: Uint8Array<ArrayBuffer>;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly parameters: Parameters;
}

self.addEventListener("message", ({ data }: MessageEvent<Request>) => {
  // A rejection reaches the page as the worker's error event only if it is thrown outside of the promise.
  argon2id(data.password, data.salt, data.parameters).then(
    (root) => self.postMessage(root),
    (error: unknown) => reportError(error),
  );
});
