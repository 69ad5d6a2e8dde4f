/** What a device holds, and how fetched backups and its own uploads change it. Pure functions. */

import { hex } from "./bytes.js";
import type { Backup } from "./content.js";
import { RollbackSuspected } from "./errors.js";
import { mergeBackups, mergeWriters, type Keep } from "./merge.js";
import { encode } from "./payload.js";
import { covers, seen, suspicions, vectorOf, type Remembered } from "./rollback.js";

/** The state of one device for one user on one server: plain JSON. It holds no password and no key of the seal. */
export interface DeviceState {
  /** Drawn at the first restore or push; null before. */
  readonly deviceId: string | null;
  readonly deviceName: string;
  /** The highest number that this device reserved for a sealing, sent or not. */
  readonly seq: number;
  /** With the private identity key. Null before the first restore. */
  readonly content: Backup | null;
  readonly remembered: Remembered | null;
}

/**
 * Where a device keeps its state.
 *
 * `write` returns once the state is durable. A store may drop `content`, which the next restore brings back, but nothing
 * else: a number that was used twice, or a forgotten backup, hides a rollback.
 */
export interface DeviceStore {
  read(): Promise<DeviceState | null>;
  write(state: DeviceState): Promise<void>;
  /** Runs an action while no other tab or process uses this state. */
  exclusively<T>(action: () => Promise<T>): Promise<T>;
}

export function newDevice(deviceName: string): DeviceState {
  return { deviceId: null, deviceName, seq: 0, content: null, remembered: null };
}

/** A store that lasts as long as the object. */
export class MemoryStore implements DeviceStore {
  #state: DeviceState | null = null;
  #last: Promise<unknown> = Promise.resolve();

  async read(): Promise<DeviceState | null> {
    return this.#state;
  }

  async write(state: DeviceState): Promise<void> {
    this.#state = state;
  }

  exclusively<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action, action);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** A fetched backup, opened. */
export interface Fetched {
  readonly content: Backup;
  /** Of the blob, in hex. */
  readonly sha256: string;
}

/**
 * Whether what the server holds (null: nothing) is the latest backup. It is not if a rollback is suspected and the user
 * accepted it. Otherwise throws `RollbackSuspected`.
 */
export function requireLatest(device: DeviceState, fetched: Fetched | null, accept: boolean): boolean {
  const reasons = suspicions(device.remembered, fetched && seen(fetched.content, fetched.sha256));
  if (reasons.length > 0 && !accept) throw new RollbackSuspected(reasons);
  return reasons.length === 0;
}

/** The device with a fetched content merged in, and with an id. `draw` gives a new one. */
export function merged(device: DeviceState, remote: Backup, keep: Keep | null, draw: () => string): DeviceState {
  const content = device.content ? mergeBackups(device.content, remote, keep) : withSeen(remote, device.remembered);
  const isCopy = device.deviceId !== null && (vectorOf(remote.writers)[device.deviceId] ?? 0) > device.seq;
  return identified(isCopy ? { ...device, content, deviceId: null } : { ...device, content }, draw);
}

/** What a device without content has seen stays in its vector, so that its next upload is above that. */
function withSeen(remote: Backup, remembered: Remembered | null): Backup {
  const known = Object.entries(remembered?.vector ?? {}).map(([deviceId, seq]) => ({ deviceId, seq, unknown: [] }));
  const vector = vectorOf(remote.writers);
  const higher = known.filter(({ deviceId, seq }) => seq > (vector[deviceId] ?? 0));
  return { ...remote, writers: mergeWriters(remote.writers, higher) };
}

export function identified(device: DeviceState, draw: () => string): DeviceState & { readonly deviceId: string } {
  const { deviceId, seq } = device;
  return deviceId === null || seq >= Number.MAX_SAFE_INTEGER ? { ...device, deviceId: draw(), seq: 0 } : { ...device, deviceId };
}

export function remembering(device: DeviceState, { content, sha256 }: Fetched): DeviceState {
  return { ...device, remembered: { ...seen(content, sha256), mayBeGone: false } };
}

/** Whether a server that holds `remote` has all that the device has. */
export function includes(remote: Backup, own: Backup): boolean {
  const lasting = (each: Backup) => hex(encode({ ...each, writers: [], sealedAtMs: 0, deviceName: "" }));
  return covers(vectorOf(remote.writers), vectorOf(own.writers)) && lasting(remote) === lasting(own);
}

/** The content to seal, under the device's present `seq`. */
export function toSeal(device: DeviceState & { readonly deviceId: string }, content: Backup, setsPassword: boolean, nowMs: number): Backup {
  const { deviceId, deviceName, seq } = device;
  const others = content.writers.filter((each) => each.deviceId !== deviceId);
  return {
    ...content,
    writers: mergeWriters(others, [{ deviceId, seq, unknown: [] }]),
    keyEpoch: content.keyEpoch + Number(setsPassword),
    sealedAtMs: Math.min(Math.max(nowMs, 0), Number.MAX_SAFE_INTEGER),
    deviceName,
  };
}
