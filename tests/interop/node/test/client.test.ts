import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, sha256, type Bytes } from "../src/bytes.js";
import { openBackup, sealBackup } from "../src/backup.js";
import { BackupClient, type ClientOptions } from "../src/client.js";
import { newBackup } from "../src/content.js";
import { MemoryStore, type DeviceStore } from "../src/device.js";
import { PROFILES, type Derive, type Parameters } from "../src/kdf.js";
import { encode } from "../src/payload.js";
import { newKey, readHeader, sealPlaintext } from "../src/sealed.js";
import { pad } from "../src/padding.js";
import { codeOf } from "./assertions.js";
import { problem, tokenOf, USER } from "./scripted-server.js";

const PASSWORD = "correct horse battery";
const KEYS = { publicKey: "50".repeat(32), privateKey: "53".repeat(32) };
const ALICE = "00000000-0000-0000-0000-000000000001";

/** A server that stores one blob, like the service. `beforePush` runs before each upload. */
class Slot {
  blob: Bytes | null = null;
  version = 0;
  beforePush: () => void = () => undefined;

  readonly fetch: typeof globalThis.fetch = async (_url, { method, body, headers } = {}) => {
    if (method === "GET") return this.blob ? new Response(this.blob, { headers: { ETag: `"${this.version}"` } }) : problem(404, "backup-not-found");
    this.beforePush();
    const named = Number((new Headers(headers).get("If-Match") ?? "0").replaceAll('"', ""));
    if (named !== this.version) return problem(409, "version-mismatch", { current_version: this.version });
    this.blob = method === "POST" && body instanceof Uint8Array ? new Uint8Array(body) : null;
    this.version++;
    return method === "POST" ? new Response("{}", { headers: { ETag: `"${this.version}"` } }) : new Response(null, { status: 204 });
  };
}

/** A derivation that costs nothing, and a count of its calls. */
function cheapDerivation() {
  const asked: Parameters[] = [];
  const derive: Derive = (password, salt, parameters) => {
    asked.push(parameters);
    return sha256(concat(password, salt));
  };
  return { derive, asked };
}

function device(slot: Slot, options: Partial<ClientOptions> = {}): BackupClient {
  const basics = { server: "https://backup.example", token: tokenOf(USER), store: new MemoryStore() };
  return new BackupClient({ ...basics, derive: cheapDerivation().derive, fetch: slot.fetch, sleep: async () => undefined, ...options });
}

async function backedUp(slot: Slot, options: Partial<ClientOptions> = {}): Promise<BackupClient> {
  const client = device(slot, options);
  await client.create(KEYS);
  await client.push(PASSWORD);
  return client;
}

const yes = { confirm: () => true };

test("a backup is sealed and opened without a server", async () => {
  const { derive } = cheapDerivation();
  const content = newBackup(KEYS);
  const { blob, key } = await sealBackup(content, PASSWORD, { userId: USER, derive });
  assert.equal(blob.length, 74 + 16384 + 16);
  for (const secret of [PASSWORD, key]) assert.deepEqual((await openBackup(blob, secret, { userId: USER, derive })).content, content);
});

test("sealing refuses weak parameters and weak passwords", async () => {
  const seal = (password: string, parameters: Parameters) => codeOf(() => sealBackup(newBackup(KEYS), password, { userId: USER, parameters }));
  assert.equal(await seal(PASSWORD, { memoryKib: 65535, passes: 3, lanes: 1 }), "refused-parameters");
  assert.equal(await seal("too short", PROFILES.default), "password-too-short");
});

test("one push derives one key", async () => {
  const slot = new Slot();
  const { derive, asked } = cheapDerivation();
  const client = await backedUp(slot, { derive });
  assert.equal(asked.length, 1);
  await client.putContact({ userId: ALICE, username: "alice" });
  await client.push(PASSWORD);
  assert.equal(asked.length, 2);
});

test("a push without a change uploads nothing", async () => {
  const slot = new Slot();
  const client = await backedUp(slot);
  assert.equal((await client.push(PASSWORD)).uploaded, false);
  assert.equal(slot.version, 1);
});

test("a push meets another one, and merges both", async () => {
  const slot = new Slot();
  const [one, other] = [await backedUp(slot), device(slot)];
  await other.restore(PASSWORD, yes);
  await one.putContact({ userId: ALICE, username: "alice" });
  await other.putContact({ userId: ALICE.replace(/1$/, "2"), username: "bob" });
  const early = { ...slot, blob: slot.blob };
  await one.push(PASSWORD);
  const late = { blob: slot.blob, version: slot.version };
  Object.assign(slot, { blob: early.blob, version: early.version });
  slot.beforePush = () => {
    if (slot.version < late.version) Object.assign(slot, late);
  };
  const { content, version } = await other.push(PASSWORD);
  assert.deepEqual([content.contacts.map((each) => each.username), version], [["alice", "bob"], 3]);
});

test("a push that always meets another one gives up", async () => {
  const slot = new Slot();
  const client = await backedUp(slot);
  await client.putContact({ userId: ALICE, username: "alice" });
  let pushes = 0;
  slot.beforePush = () => void (slot.version += 1, pushes++);
  assert.equal(await codeOf(() => client.push(PASSWORD)), "push-contended");
  assert.equal(pushes, 5);
});

test("a backup that was sealed too weakly is sealed again, with a fresh salt", async () => {
  const slot = new Slot();
  const { derive } = cheapDerivation();
  const strong = await newKey(PASSWORD, PROFILES.default, derive);
  const weak = { ...strong, memoryKib: 64, passes: 1 };
  slot.blob = await sealPlaintext(pad(encode({ ...newBackup(KEYS), keyEpoch: 1 })), weak, new Uint8Array(12), USER);
  slot.version = 1;
  const client = device(slot, { derive });
  await client.restore(PASSWORD, yes);
  assert.equal((await client.push(PASSWORD)).uploaded, true);
  const header = readHeader(slot.blob);
  assert.equal(header.memoryKib, PROFILES.default.memoryKib);
  assert.notDeepEqual(header.salt, weak.salt);
});

test("a change of the password can be repeated after its answer was lost", async () => {
  const slot = new Slot();
  const client = await backedUp(slot);
  const other = device(slot);
  await other.restore(PASSWORD, yes);
  const change = () => client.push(PASSWORD, { newPassword: `${PASSWORD} 2` });
  assert.equal((await change()).content.keyEpoch, 2);
  assert.equal((await change()).uploaded, false);
  assert.equal(await codeOf(() => other.push(PASSWORD)), "wrong-password");
});

test("a kept key opens and seals in place of the password, until the password changes", async () => {
  const slot = new Slot();
  const client = await backedUp(slot);
  const { key } = await client.push(PASSWORD);
  await client.putContact({ userId: ALICE, username: "alice" });
  assert.equal((await client.push(key)).uploaded, true);
  await client.push(PASSWORD, { newPassword: `${PASSWORD} 2` });
  assert.equal(await codeOf(() => client.push(key)), "different-key");
});

test("nothing is restored unless the user agrees", async () => {
  const slot = new Slot();
  await backedUp(slot, { deviceName: "phone" });
  const client = device(slot);
  const seen: unknown[] = [];
  const confirm = (preview: unknown) => (seen.push(preview), false);
  assert.equal(await codeOf(() => client.restore(PASSWORD, { confirm })), "not-confirmed");
  assert.equal(await client.content(), null);
  const { sealedAtMs, ...preview } = seen[0] as { sealedAtMs: number };
  assert.deepEqual(preview, { deviceName: "phone", contacts: 0, isLatest: false });
  assert.ok(Math.abs(Date.now() - sealedAtMs) < 60_000);
});

test("without content there is nothing to push, and a device starts only one backup", async () => {
  const slot = new Slot();
  const client = device(slot);
  assert.equal(await codeOf(() => client.push(PASSWORD)), "nothing-to-push");
  assert.equal(await codeOf(() => client.restore(PASSWORD, yes)), "not-found");
  await client.create(KEYS);
  assert.equal(await codeOf(() => client.create(KEYS)), "content-exists");
});

test("a number is stored before it is sent, and never used again", async () => {
  const slot = new Slot();
  const store = new MemoryStore();
  const client = await backedUp(slot, { store });
  await client.putContact({ userId: ALICE, username: "alice" });
  const seqs: (number | undefined)[] = [];
  slot.beforePush = () => {
    void store.read().then((state) => seqs.push(state?.seq));
    throw new TypeError("fetch failed");
  };
  for (let count = 0; count < 2; count++) assert.equal(await codeOf(() => client.push(PASSWORD)), "outcome-unknown");
  assert.deepEqual([...new Set(seqs)], [2, 3]);
});

/** Like a web page: it forgets the content when it is closed. */
class ForgetfulStore extends MemoryStore implements DeviceStore {
  override async read() {
    const state = await super.read();
    return state && { ...state, content: null };
  }
}

test("a device that forgot its content still notices an older backup, and still ends above it", async () => {
  const slot = new Slot();
  const phone = await backedUp(slot);
  const older = slot.blob;
  await phone.putContact({ userId: ALICE, username: "alice" });
  await phone.push(PASSWORD);
  const page = device(slot, { store: new ForgetfulStore() });
  await page.restore(PASSWORD, yes);
  slot.blob = older;
  assert.equal(await codeOf(() => page.restore(PASSWORD, yes)), "rollback-suspected");
  const { content } = await page.push(PASSWORD, { acceptRollback: true });
  const seqs = content.writers.map((each) => each.seq).sort();
  assert.deepEqual(seqs, [1, 2], "the phone's second sealing stays in the vector");
  assert.equal((await phone.push(PASSWORD)).content.contacts.length, 1, "the phone raises no alarm");
});

test("actions on one state take turns", async () => {
  const store = new MemoryStore();
  const order: string[] = [];
  const slow = store.exclusively(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push("slow");
    throw new Error("it failed");
  });
  const quick = store.exclusively(async () => order.push("quick"));
  await assert.rejects(slow);
  await quick;
  assert.deepEqual(order, ["slow", "quick"]);
});

test("ids and keys are checked before they are stored", async () => {
  const client = await backedUp(new Slot());
  const put = (edit: { userId: string; username: string; identityKey?: string }) => codeOf(() => client.putContact(edit));
  assert.equal(await put({ userId: "alice", username: "alice" }), "malformed-payload");
  assert.equal(await put({ userId: ALICE, username: "alice", identityKey: "xyz" }), "malformed-payload");
  assert.equal(await put({ userId: ALICE.toUpperCase(), username: "" }), "malformed-payload");
  assert.deepEqual((await client.content())?.contacts, []);
});
