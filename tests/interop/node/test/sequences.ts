/** The sequences of devices.json: the whole client against a scripted server, with a cheap key derivation. */

import { concat, hex, sha256, unhex, type Bytes } from "../src/bytes.js";
import { BackupClient } from "../src/client.js";
import { MemoryStore } from "../src/device.js";
import { RollbackSuspected, ServerError } from "../src/errors.js";
import { PROFILES, type Derive } from "../src/kdf.js";
import { decode } from "../src/payload.js";
import { newKey, openPayload, sealPayload } from "../src/sealed.js";
import { codeOf, same } from "./assertions.js";
import { ScriptedServer, USER, tokenOf } from "./scripted-server.js";

type Step = any;

const PASSWORDS = ["correct horse battery", "another horse battery"];
const derive: Derive = (password, salt) => sha256(concat(password, salt));

/** The blobs of one sequence, by the names that they have in the vectors. */
class Blobs {
  readonly #blobs = new Map<string, { blob: Bytes; password: string }>();
  readonly #names = new Map<string, string>();

  async add(name: string, blob: Bytes, password: string): Promise<void> {
    this.#blobs.set(name, { blob, password });
    this.#names.set(hex(await sha256(blob)), name);
  }

  async of({ bytes: name, payload }: { bytes: string; payload: string }): Promise<{ blob: Bytes; password: string }> {
    const password = PASSWORDS[0] ?? "";
    if (!this.#blobs.has(name)) {
      const key = await newKey(password, PROFILES.default, derive);
      await this.add(name, await sealPayload(unhex(payload), key, USER), password);
    }
    return this.#blobs.get(name) ?? { blob: new Uint8Array(), password };
  }

  nameOf(digest: string): string | undefined {
    return this.#names.get(digest);
  }
}

/** Does one step. Gives what the server received. */
async function act(client: BackupClient, step: Step, password: string): Promise<void> {
  const decisions = { keep: step.keep, acceptRollback: step.accept };
  const newPassword = PASSWORDS.find((each) => each !== password) ?? "";
  if (step.do === "restore") await client.restore(password, { ...decisions, confirm: () => true });
  else if (step.do === "delete") await client.delete();
  else if (step.do === "push") await client.push(password, step.newPassword ? { ...decisions, newPassword } : decisions);
  else if (step.edit.do === "put") await client.putContact(step.edit);
  else if (step.edit.do === "remove") await client.removeContact(step.edit.userId);
  else await client.setProfile(step.edit);
}

export async function sequence({ payload, steps, drawn, deviceId, deviceName, seq }: Step): Promise<void> {
  const store = new MemoryStore();
  await store.write({ deviceId, deviceName, seq, content: payload && decode(unhex(payload)), remembered: null });
  const blobs = new Blobs();
  for (const [at, step] of steps.entries()) {
    const held = step.server ? await blobs.of(step.server) : null;
    const server = new ScriptedServer(held?.blob ?? null, step.answer);
    const client = new BackupClient({
      server: "https://backup.example",
      token: tokenOf(USER),
      store,
      derive,
      fetch: server.fetch,
      retries: { attempts: 1 },
      now: () => step.nowMs,
      random: (count) => (count === 16 ? unhex(drawn) : crypto.getRandomValues(new Uint8Array(count))),
    });
    let reasons: readonly string[] = [];
    const error = await codeOf(() =>
      act(client, step, held?.password ?? PASSWORDS[0] ?? "").catch((failure: unknown) => {
        if (failure instanceof RollbackSuspected) reasons = failure.reasons;
        // The vectors have no error for a refused or a lost answer.
        if (!(failure instanceof ServerError && step.answer !== "stored")) throw failure;
      }),
    );
    if (server.received && step.sealed) await record(blobs, server.received, step.sealed);
    same({ error, reasons, isUploaded: server.received !== null }, { error: step.error ?? null, reasons: step.reasons ?? [], isUploaded: Boolean(step.sealed) });
    const state = await store.read();
    const { sha256: digest = "", ...remembered } = state?.remembered ?? {};
    const after = { deviceId: state?.deviceId, seq: state?.seq, remembered: state?.remembered ? { ...remembered, bytes: blobs.nameOf(digest) } : null };
    same([at, after], [at, step.after]);
  }
}

/** Checks the payload of an upload, and gives the blob its name. */
async function record(blobs: Blobs, blob: Bytes, sealed: { bytes: string; payload: string }): Promise<void> {
  for (const password of PASSWORDS) {
    const options = { userId: USER, derive };
    if ((await codeOf(() => openPayload(blob, password, options))) !== null) continue;
    same(hex((await openPayload(blob, password, options)).payload), sealed.payload);
    return blobs.add(sealed.bytes, blob, password);
  }
  throw new Error("no password opens the upload");
}
