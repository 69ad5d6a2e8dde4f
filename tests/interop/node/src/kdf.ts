/** The parameters of Argon2id, and their limits. */

import type { Bytes } from "./bytes.js";
import { RefusedParameters } from "./errors.js";

/** The cost of a key derivation. */
export interface Parameters {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

export const PROFILES = {
  default: { memoryKib: 131072, passes: 3, lanes: 1 },
  "low-memory": { memoryKib: 65536, passes: 3, lanes: 1 },
  desktop: { memoryKib: 262144, passes: 3, lanes: 1 },
} as const satisfies Record<string, Parameters>;

/** Derives 32 bytes by Argon2id version 0x13. The caller has checked the parameters. */
export type Derive = (password: Bytes, salt: Bytes, parameters: Parameters) => Promise<Bytes>;

/** Asks the user whether a derivation may take more than 256 MiB. */
export type ConfirmMemory = (parameters: Parameters) => boolean | Promise<boolean>;

const SEALING = { lanes: 1, minPasses: 3, minMemoryKib: 65536, maxMemoryKib: 262144 };
const OPENING = { maxLanes: 4, maxPasses: 16, minMemoryKibPerLane: 8, maxMemoryKib: 524288, maxMemoryKibPasses: 4194304 };
const UNASKED_MEMORY_KIB = 262144;

/** What a reader does with these parameters: derives, asks the user first, or refuses. */
export function opening({ memoryKib, passes, lanes }: Parameters): "opens" | "asks" | "refuses" {
  const fits =
    lanes >= 1 && lanes <= OPENING.maxLanes &&
    passes >= 1 && passes <= OPENING.maxPasses &&
    memoryKib >= OPENING.minMemoryKibPerLane * lanes && memoryKib <= OPENING.maxMemoryKib &&
    memoryKib * passes <= OPENING.maxMemoryKibPasses;
  if (!fits) return "refuses";
  return memoryKib > UNASKED_MEMORY_KIB ? "asks" : "opens";
}

/** Whether a backup may be sealed with these parameters. */
export function isSealable(parameters: Parameters): boolean {
  return !isWeak(parameters) && parameters.passes <= OPENING.maxPasses && parameters.memoryKib <= SEALING.maxMemoryKib;
}

/** Whether a backup with these parameters is sealed again at the next push, because guessing is too cheap. */
export function isWeak({ memoryKib, passes, lanes }: Parameters): boolean {
  return lanes !== SEALING.lanes || passes < SEALING.minPasses || memoryKib < SEALING.minMemoryKib;
}

export function requireSealable(parameters: Parameters): void {
  if (!isSealable(parameters)) throw new RefusedParameters(parameters);
}

export function sameParameters(one: Parameters, other: Parameters): boolean {
  return one.memoryKib === other.memoryKib && one.passes === other.passes && one.lanes === other.lanes;
}
