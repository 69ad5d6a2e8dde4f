/** Noticing that the server returns an older backup than the one that this device saw. */

import { type Backup, type Writer } from "./content.js";
import type { RollbackReason } from "./errors.js";
import { FORMAT } from "./sealed.js";

/** For each device that sealed a backup, the number of its latest sealing that is merged in. */
export type Vector = Readonly<Record<string, number>>;

/** The facts by which two sealed backups are compared. */
export interface Seen {
  readonly vector: Vector;
  /** Of the blob, in hex. */
  readonly sha256: string;
  readonly keyEpoch: number;
  readonly format: number;
}

/** What a device remembers of the latest backup that it stored, or fetched and merged. */
export interface Remembered extends Seen {
  /** This device has requested a deletion, so that a missing backup is no alarm. */
  readonly mayBeGone: boolean;
}

export const vectorOf = (writers: readonly Writer[]): Vector => Object.fromEntries(writers.map((each) => [each.deviceId, each.seq]));

export function seen(content: Backup, sha256: string): Seen {
  return { vector: vectorOf(content.writers), sha256, keyEpoch: content.keyEpoch, format: FORMAT };
}

/** Whether a vector is at or above the other one in every component. */
export function covers(vector: Vector, other: Vector): boolean {
  return Object.entries(other).every(([deviceId, seq]) => (vector[deviceId] ?? 0) >= seq);
}

/** Why `fetched` (null: there is no backup) cannot be the latest backup. */
export function suspicions(remembered: Remembered | null, fetched: Seen | null): readonly RollbackReason[] {
  if (remembered === null) return [];
  if (fetched === null) return remembered.mayBeGone ? [] : ["gone"];
  const isAbove = covers(fetched.vector, remembered.vector);
  const isEqual = isAbove && covers(remembered.vector, fetched.vector);
  const reasons: [RollbackReason, boolean][] = [
    ["older-writers", !isAbove],
    ["same-writers-other-bytes", isEqual && fetched.sha256 !== remembered.sha256],
    ["older-password", fetched.keyEpoch < remembered.keyEpoch],
    ["older-format", fetched.format < remembered.format],
  ];
  return reasons.filter(([, applies]) => applies).map(([reason]) => reason);
}
