import type { Derive } from "../src/index.js";
import type { Request } from "./argon2-worker.js";

/** Derives in a worker, which ends with the derivation. */
export const deriveInWorker: Derive = (password, salt, parameters) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("argon2-worker.js", import.meta.url), { type: "module" });
    const finish = (settle: () => void) => {
      worker.terminate();
      settle();
    };
    worker.addEventListener("message", ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => finish(() => resolve(data)));
    worker.addEventListener("error", ({ message }) => finish(() => reject(new Error(message || "the worker cannot be loaded"))));
    worker.postMessage({ password, salt, parameters } satisfies Request);
  });
