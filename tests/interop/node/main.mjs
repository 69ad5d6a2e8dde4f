// check FOLDER             every vector; prints how many there are in each file
// open USER, seal USER     in: a password and a blob or payload, each a line of hex; out: the other one
// merge                    in: payloads, one or more a line; out, at once: what they merge to, or the error's code

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { edited, requireFitting, requireSealable, stepped } from "./devices.mjs";
import { merge, mergeKeeping, nextStamp, suspicions } from "./merge.mjs";
import { decode, encode, hex, unhex } from "./payload.mjs";
import * as sealed from "./sealed.mjs";

const LOW_MEMORY = { memory_kib: 65536, passes: 3, lanes: 1 };
const user = (id) => unhex(id.replaceAll("-", ""));
const sha256 = async (bytes) => hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));

/** The code of the error that an action ends with, null where it ends well. */
async function codeOf(action) {
  try {
    await action();
  } catch (error) {
    if (error instanceof sealed.FormatError) return error.code;
    throw error;
  }
  return null;
}

async function sealing(row) {
  const password = sealed.normalize(row.password);
  assert.equal(hex(password), row.password_normalized);
  const payload = row.payload === undefined ? Buffer.alloc(row.payload_bytes, row.payload_repeated_byte, "hex") : unhex(row.payload);
  const [salt, nonce] = [unhex(row.salt), unhex(row.nonce)];
  const root = await sealed.derive(password, salt, row);
  const { key, commitment } = await sealed.expand(root, unhex(row.header).subarray(0, 42));
  assert.deepEqual([root, key, commitment].map(hex), [row.root, row.key, row.commitment]);
  const blob = await sealed.seal(sealed.pad(payload, row.plaintext_bytes), password, row, salt, nonce, user(row.user_id));
  assert.deepEqual([hex(blob.subarray(0, 74)), blob.length, await sha256(blob)], [row.header, row.blob_bytes, row.blob_sha256]);
  assert.equal(hex(await sealed.open(blob, row.password, user(row.user_id))), hex(payload));
}

/** Each blob to open, with password, user and the error that it must end with. */
function* openings(all) {
  const start = unhex(all.blob);
  const row = (name, blob, error, password = all.password, id = all.user_id) => ({ name, blob, error, password, id });
  for (const each of all.flipped)
    for (let at = each.first; at <= each.last; at++)
      yield row(`byte ${at} flipped by ${each.xor}`, start.map((byte, index) => (index === at ? byte ^ each.xor : byte)), each.error);
  for (const each of all.cut) yield row(`cut to ${each.length}`, start.subarray(0, each.length), each.error);
  for (const each of all.extended) yield row("extended", sealed.concat(start, unhex(each.suffix)), each.error);
  for (const each of all.wrong_user) yield row("another user", start, each.error, all.password, each.user_id);
  for (const each of all.wrong_password) yield row("another password", start, each.error, each.password);
  for (const each of all.magic) yield row(`magic ${each.magic}`, sealed.concat(unhex(each.magic), start.subarray(4)), each.error);
  for (const each of all.short) yield row(each.name, unhex(each.blob), each.error);
  for (const each of all.damaged) yield row(each.name, unhex(each.blob), each.error, each.password, each.user_id);
}

function counted(row) {
  const number = (at) => at.toString(16).padStart(32, "0");
  const entries = Array.from({ length: row.count }, (_, at) => row.before + number(at) + row.after);
  return unhex(row.head + entries.join(""));
}

/** For each list in a file what each of its members has to pass. */
const CHECKS = {
  passwords: {
    normalized: (row) => assert.equal(hex(sealed.normalize(row.password)), row.normalized),
    unwritable: async (row) => assert.equal(await codeOf(() => sealed.normalize(String.fromCharCode(...row.utf16))), row.error),
    settable: (row) => assert.equal(sealed.refusal(row.text.repeat(row.times)), row.error),
  },
  parameters: { parameters: (row) => assert.deepEqual([sealed.opening(row), sealed.sealable(row)], [row.open, row.seal]) },
  padding: {
    padme: (row) => assert.equal(sealed.padme(row.length), row.padded),
    plaintexts: (row) => assert.equal(sealed.plaintextBytes(row.payload_bytes), row.plaintext_bytes),
    fitting: async (row) => assert.equal(await codeOf(() => requireFitting(row.payload_bytes, row.max_blob_bytes)), row.error),
  },
  sealing: { sealed: sealing },
  opening: {
    openings: async (row) => assert.equal(await codeOf(() => sealed.open(row.blob, row.password, user(row.id))), row.error),
    asked: async (row, all) => {
      const password = String.fromCharCode(...row.password_utf16);
      assert.equal(await codeOf(() => sealed.open(unhex(row.blob), password, user(all.user_id), () => row.answer)), row.error);
    },
    kept_roots: async (row, all) => {
      const kept = { ...row, root: unhex(row.root), salt: unhex(row.salt) };
      assert.equal(await codeOf(() => sealed.open(unhex(row.blob), kept, user(all.user_id))), row.error);
    },
  },
  payload: {
    canonical: (row) => assert.deepEqual([decode(unhex(row.payload)), hex(encode(row.content))], [row.content, row.payload]),
    accepted: (row) => assert.deepEqual([decode(unhex(row.payload)), hex(encode(decode(unhex(row.payload))))], [row.content, row.rewritten]),
    malformed: async (row) => assert.equal(await codeOf(() => decode(unhex(row.payload))), row.error),
    counted: async (row) => {
      const payload = counted(row);
      assert.equal(await codeOf(() => assert.equal(hex(encode(decode(payload))), hex(payload))), row.error);
      if (row.error === null) assert.equal(await codeOf(() => requireSealable(decode(payload))), row.sealing_error);
    },
  },
  merge: {
    merged: (row) => {
      const [one, other] = [row.one, row.other].map((payload) => decode(unhex(payload)));
      assert.deepEqual([merge(one, other), merge(other, one)].map((each) => hex(encode(each))), [row.merged, row.merged]);
    },
    conflicts: async (row) => assert.equal(await codeOf(() => merge(decode(unhex(row.one)), decode(unhex(row.other)))), row.error),
    beyond: async (row) => {
      const [one, other] = [decode(counted(row.one)), decode(unhex(row.other))];
      assert.deepEqual([await codeOf(() => merge(one, other)), await codeOf(() => merge(other, one))], [row.error, row.error]);
    },
    kept: async (row) => {
      const merged = () => hex(encode(mergeKeeping(decode(unhex(row.local)), decode(unhex(row.remote)), row.keep)));
      assert.equal(await codeOf(merged), row.error);
      if (row.error === null) assert.equal(merged(), row.merged);
    },
  },
  rollback: { rollback: (row) => assert.deepEqual(suspicions(row.remembered, row.fetched), row.reasons) },
  stamps: {
    stamps: async (row) => {
      const stamp = () => nextStamp(decode(unhex(row.payload)), row.now_ms);
      assert.equal(await codeOf(stamp), row.error);
      if (row.error === null) assert.equal(stamp(), row.stamp_ms);
    },
  },
  edits: {
    edits: async (row) => {
      const after = () => hex(encode(edited(decode(unhex(row.payload)), row.edit, row.now_ms)));
      assert.equal(await codeOf(after), row.error);
      if (row.error === null) assert.equal(after(), row.edited);
    },
  },
  devices: { sequences: sequence },
};

function sequence({ payload, steps, drawn, ...start }) {
  let device = { ...start, content: payload && decode(unhex(payload)), remembered: null };
  for (const [at, step] of steps.entries()) {
    const { error = null, reasons = [], sealed: uploaded = null, ...next } = stepped(device, { ...step, drawn });
    device = next.device;
    const { device_id, seq, remembered } = device;
    assert.deepEqual(
      { error, reasons, uploaded, after: { device_id, seq, remembered } },
      { error: step.error ?? null, reasons: step.reasons ?? [], uploaded: step.sealed?.payload ?? null, after: step.after },
      `step ${at + 1}`,
    );
  }
}

async function check(folder) {
  for (const [file, lists] of Object.entries(CHECKS)) {
    const all = JSON.parse(readFileSync(join(folder, `${file}.json`), "utf8"));
    if (file === "opening") all.openings = [...openings(all)];
    for (const [list, passes] of Object.entries(lists)) {
      for (const row of all[list]) {
        try {
          await passes(row, all);
        } catch (error) {
          throw new Error(`${file}.json, ${list}, ${row.name ?? JSON.stringify(row)}: ${error.message}`, { cause: error });
        }
      }
      console.log(file, list, all[list].length);
    }
  }
}

/** @param {string[]} payloads */
function merged(payloads) {
  try {
    return hex(encode(payloads.map((payload) => decode(unhex(payload))).reduce((one, other) => merge(one, other))));
  } catch (error) {
    if (error instanceof sealed.FormatError) return error.code;
    throw error;
  }
}

async function convert(command, id) {
  const [typed, content] = readFileSync(0, "utf8").split("\n").map(unhex);
  const password = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(typed);
  if (command === "open") return sealed.open(content, password, user(id));
  const [salt, nonce] = [16, 12].map((size) => crypto.getRandomValues(new Uint8Array(size)));
  return sealed.seal(sealed.pad(content), sealed.normalize(password), LOW_MEMORY, salt, nonce, user(id));
}

const [command, argument] = process.argv.slice(2);
if (command === "check") await check(argument);
else if (command === "open" || command === "seal") console.log(hex(await convert(command, argument)));
else if (command === "merge") for await (const line of createInterface(process.stdin)) console.log(merged(line.split(" ")));
else throw new Error("usage: check FOLDER | open USER | seal USER | merge");
