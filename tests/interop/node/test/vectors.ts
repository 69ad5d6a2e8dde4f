/** The published vectors, tests/vectors, in Node and in browsers. */

import { concat, equal, hex, sha256, unhex, type Bytes } from "../src/bytes.js";
import type { Backup } from "../src/content.js";
import { nextStamp, putContact, removeContact, setProfile } from "../src/edits.js";
import { argon2id } from "../src/argon2id.js";
import { isSealable, opening } from "../src/kdf.js";
import { merge, mergeBackups } from "../src/merge.js";
import { pad, padme, plaintextBytes } from "../src/padding.js";
import { normalize, requireSettable } from "../src/passwords.js";
import { decode, encode, requireSealable } from "../src/payload.js";
import { suspicions } from "../src/rollback.js";
import { expand, HEADER, openPayload, requireFitting, sealPlaintext } from "../src/sealed.js";
import { camelCase, codeOf, same } from "./assertions.js";
import { sequence } from "./sequences.js";

/** A row of a vector file, whose members depend on the list. */
type Row = any;

const read = (payload: string): Backup => decode(unhex(payload));
const text = (units: readonly number[]): string => String.fromCharCode(...units);

async function sealing(row: Row): Promise<void> {
  const password = normalize(row.password);
  same(hex(password), row.passwordNormalized);
  const payload = unhex(row.payload ?? row.payloadRepeatedByte.repeat(row.payloadBytes));
  const [salt, nonce] = [unhex(row.salt), unhex(row.nonce)];
  const key = { memoryKib: row.memoryKib, passes: row.passes, lanes: row.lanes, salt, root: await argon2id(password, salt, row) };
  const { cipherKey, commitment } = await expand(key.root, unhex(row.header).subarray(0, 42));
  same([key.root, cipherKey, commitment].map(hex), [row.root, row.key, row.commitment]);
  const blob = await sealPlaintext(pad(payload, row.plaintextBytes), key, nonce, row.userId);
  same([hex(blob.subarray(0, HEADER)), blob.length, hex(await sha256(blob))], [row.header, row.blobBytes, row.blobSha256]);
  same(hex((await openPayload(blob, row.password, row)).payload), hex(payload));
}

/** Each altered blob with the password, the user, and the error that opening must end with. */
function* openings(all: Row): Generator<Row> {
  const start = unhex(all.blob);
  const row = (name: string, blob: Bytes, error: string, password = all.password, userId = all.userId) => ({ name, blob, error, password, userId });
  for (const each of all.flipped) {
    for (let at = each.first; at <= each.last; at++) {
      yield row(`byte ${at} flipped by ${each.xor}`, start.map((byte, index) => (index === at ? byte ^ each.xor : byte)), each.error);
    }
  }
  for (const each of all.cut) yield row(`cut to ${each.length}`, start.slice(0, each.length), each.error);
  for (const each of all.extended) yield row("extended", concat(start, unhex(each.suffix)), each.error);
  for (const each of all.wrongUser) yield row("another user", start, each.error, all.password, each.userId);
  for (const each of all.wrongPassword) yield row("another password", start, each.error, each.password);
  for (const each of all.magic) yield row(`magic ${each.magic}`, concat(unhex(each.magic), start.subarray(4)), each.error);
  for (const each of all.short) yield row(each.name, unhex(each.blob), each.error);
  for (const each of all.damaged) yield row(each.name, unhex(each.blob), each.error, each.password, each.userId);
}

function counted(row: Row): Bytes {
  const number = (at: number) => at.toString(16).padStart(32, "0");
  return unhex(row.head + Array.from({ length: row.count }, (_, at) => row.before + number(at) + row.after).join(""));
}

/** Checks the error of an action, or its result if it must succeed. */
async function ends<T>(action: () => T | Promise<T>, error: string | null, expected: T): Promise<void> {
  let result: T | undefined;
  same(await codeOf(async () => (result = await action())), error);
  if (error === null) same(result, expected);
}

function edited(content: Backup, edit: Row, nowMs: number): Backup {
  if (edit.do === "profile") return setProfile(content, edit, nowMs);
  return edit.do === "remove" ? removeContact(content, edit.userId, nowMs) : putContact(content, edit, nowMs);
}

/** For each list of each file, the check of one row. */
const CHECKS: Record<string, Record<string, (row: Row, all: Row) => unknown>> = {
  passwords: {
    normalized: (row) => same(hex(normalize(row.password)), row.normalized),
    unwritable: (row) => ends(() => void normalize(text(row.utf16)), row.error, undefined),
    settable: (row) => ends(() => requireSettable(row.text.repeat(row.times)), row.error, undefined),
  },
  parameters: { parameters: (row) => same([opening(row), isSealable(row)], [row.open, row.seal]) },
  padding: {
    padme: (row) => same(padme(row.length), row.padded),
    plaintexts: (row) => same(plaintextBytes(row.payloadBytes), row.plaintextBytes),
    fitting: (row) => ends(() => requireFitting(plaintextBytes(row.payloadBytes), row.maxBlobBytes), row.error, undefined),
  },
  sealing: { sealed: sealing },
  opening: {
    openings: async (row) => same(await codeOf(() => openPayload(row.blob, row.password, row)), row.error),
    asked: async (row, all) => {
      const options = { userId: all.userId, confirmMemory: () => row.answer };
      same(await codeOf(() => openPayload(unhex(row.blob), text(row.passwordUtf16), options)), row.error);
    },
    keptRoots: async (row, all) => {
      const kept = { ...row, root: unhex(row.root), salt: unhex(row.salt) };
      same(await codeOf(() => openPayload(unhex(row.blob), kept, all)), row.error);
    },
  },
  payload: {
    canonical: (row) => same([read(row.payload), hex(encode(row.content))], [row.content, row.payload]),
    accepted: (row) => same([read(row.payload), hex(encode(read(row.payload)))], [row.content, row.rewritten]),
    malformed: (row) => ends(() => read(row.payload), row.error, null),
    counted: async (row) => {
      const payload = counted(row);
      const read: Backup[] = [];
      same(await codeOf(() => read.push(decode(payload))), row.error);
      for (const content of read) {
        same(equal(encode(content), payload), true);
        await ends(() => (requireSealable(content), requireFitting(plaintextBytes(payload.length))), row.sealingError, undefined);
      }
    },
  },
  merge: {
    merged: (row) => {
      const [one, other] = [read(row.one), read(row.other)];
      same([merge(one, other), merge(other, one)].map((each) => hex(encode(each))), [row.merged, row.merged]);
    },
    conflicts: async (row) => same(await codeOf(() => merge(read(row.one), read(row.other))), row.error),
    beyond: async (row) => {
      const [one, other] = [decode(counted(row.one)), read(row.other)];
      same([await codeOf(() => merge(one, other)), await codeOf(() => merge(other, one))], [row.error, row.error]);
    },
    kept: (row) => ends(() => hex(encode(mergeBackups(read(row.local), read(row.remote), row.keep))), row.error, row.merged),
  },
  rollback: { rollback: (row) => same(suspicions(row.remembered, row.fetched), row.reasons) },
  stamps: { stamps: (row) => ends(() => nextStamp(read(row.payload), row.nowMs), row.error, row.stampMs) },
  edits: { edits: (row) => ends(() => hex(encode(edited(read(row.payload), row.edit, row.nowMs))), row.error, row.edited) },
  devices: { sequences: sequence },
};

export const FILES = Object.keys(CHECKS);

/** Checks every row of one file. Gives the number of rows of each list that was checked. */
export async function checkFile(file: string, json: string): Promise<Record<string, number>> {
  const all = camelCase(JSON.parse(json));
  if (file === "opening") all.openings = [...openings(all)];
  const passed: Record<string, number> = {};
  for (const [list, check] of Object.entries(CHECKS[file] ?? {})) {
    for (const row of all[list]) {
      try {
        await check(row, all);
      } catch (error) {
        throw new Error(`${file}.json, ${list}, ${row.name ?? JSON.stringify(row)}: ${String(error)}`, { cause: error });
      }
    }
    passed[list.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = all[list].length;
  }
  return passed;
}
