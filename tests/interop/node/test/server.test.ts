import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ServerError } from "../src/errors.js";
import { BackupServer, serverAddress, userIdOf, type ServerOptions } from "../src/server.js";
import { codeOf } from "./assertions.js";
import { problem, tokenOf, USER } from "./scripted-server.js";

const BLOB = new Uint8Array([1, 2, 3]);
const stored = (version = 1) => new Response("{}", { headers: { ETag: `"${version}"` } });
const busy = (members = {}, headers = {}) => problem(503, "blob-store-unavailable", members, headers);
const lost = new TypeError("fetch failed");

/** A server that gives these answers in turn, and what it was asked. */
function answering(answers: (Response | Error)[], options: ServerOptions = {}) {
  const requests: RequestInit[] = [];
  const waits: number[] = [];
  const fetch: typeof globalThis.fetch = async (_url, request = {}) => {
    requests.push(request);
    const answer = answers.shift();
    if (answer instanceof Response) return answer;
    throw answer ?? new Error("one request too many");
  };
  const sleep = async (milliseconds: number) => void waits.push(milliseconds);
  return { server: new BackupServer("https://backup.example/", "token", { fetch, sleep, ...options }), requests, waits };
}

test("an upload names the version that it replaces, and the digest of its bytes", async () => {
  const { server, requests } = answering([stored(1), stored(8)]);
  assert.equal(await server.push(BLOB, 0), 1);
  assert.equal(await server.push(BLOB, 7), 8);
  const [first, second] = requests.map(({ headers }) => new Headers(headers));
  assert.equal(first?.get("If-Match"), null);
  assert.equal(second?.get("If-Match"), '"7"');
  assert.equal(first?.get("Content-Digest"), `sha-256=:${createHash("sha256").update(BLOB).digest("base64")}:`);
  assert.equal(first?.get("Authorization"), "Bearer token");
});

test("the token never follows a redirect, and no cache keeps an answer", async () => {
  const { server, requests } = answering([problem(404, "backup-not-found")]);
  assert.equal(await server.fetch(), null);
  assert.deepEqual([requests[0]?.redirect, requests[0]?.credentials, requests[0]?.cache], ["error", "omit", "no-store"]);
});

test("an upload is repeated after a lost answer, and after a refusal for now", async () => {
  const { server, requests, waits } = answering([lost, busy(), stored(3)]);
  assert.equal(await server.push(BLOB, 2), 3);
  assert.equal(requests.length, 3);
  assert.equal(waits.length, 2);
});

test("Retry-After is added to the wait, and ends the call if it is too long", async () => {
  const patient = answering([busy({}, { "Retry-After": "2" }), stored()]);
  await patient.server.push(BLOB, 0);
  assert.ok((patient.waits[0] ?? 0) >= 2000);
  const impatient = answering([busy({ outcome: "not-stored" }, { "Retry-After": "3600" })]);
  assert.equal(await codeOf(() => impatient.server.push(BLOB, 0)), "not-stored");
});

const OUTCOMES: [name: string, answers: (Response | Error)[], code: string][] = [
  ["no answer", [lost], "outcome-unknown"],
  ["a 503 that does not say", [busy()], "outcome-unknown"],
  ["a 503 that says that nothing was stored", [busy({ outcome: "not-stored" })], "not-stored"],
  ["a rate limit", [problem(429, "too-many-requests")], "rate-limited"],
  ["a rate limit after a lost answer", [lost, problem(429, "too-many-requests")], "outcome-unknown"],
  ["a conflict after a lost answer", [lost, problem(409, "version-mismatch")], "version-mismatch"],
  ["a 401 after a lost answer", [lost, problem(401, "unauthenticated")], "outcome-unknown"],
  ["a success without a version", [new Response("<html>")], "outcome-unknown"],
  ["a bug of the server", [problem(500, "internal-error")], "outcome-unknown"],
  ["a page of a proxy with a 413", [new Response("<html>", { status: 413 })], "unexpected-answer"],
  ["a blob that is too large", [problem(413, "blob-too-large")], "too-large"],
];
for (const [name, answers, code] of OUTCOMES) {
  test(`what an upload ends with: ${name}`, async () => {
    const { server } = answering(answers, { retries: { attempts: answers.length } });
    assert.equal(await codeOf(() => server.push(BLOB, 1)), code);
  });
}

const DOWNLOADS: [name: string, answer: Response | Error, code: string][] = [
  ["no answer", lost, "unavailable"],
  ["a token that is not accepted", problem(401, "unauthenticated"), "unauthorized"],
  ["a 404 of a proxy", new Response("<html>", { status: 404 }), "unexpected-answer"],
  ["a backup that the server lost", problem(500, "backup-lost"), "backup-lost"],
  ["bytes that do not match their digest", new Response(BLOB, { headers: { ETag: '"1"', "Repr-Digest": `sha-256=:${"A".repeat(43)}=:` } }), "unexpected-answer"],
  ["no version", new Response(BLOB), "unexpected-answer"],
  ["a version that is no number", new Response(BLOB, { headers: { ETag: '"abc"' } }), "unexpected-answer"],
  ["too many bytes", new Response(new Uint8Array(11), { headers: { ETag: '"1"' } }), "unexpected-answer"],
];
for (const [name, answer, code] of DOWNLOADS) {
  test(`what a download ends with: ${name}`, async () => {
    const { server } = answering([answer], { retries: { attempts: 1 }, maxBlobBytes: 10 });
    assert.equal(await codeOf(() => server.fetch()), code);
  });
}

test("a download that does not end is stopped at the limit", async () => {
  let pulled = 0;
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1000 * (pulled += 1))) });
  const { server } = answering([new Response(endless, { headers: { ETag: '"1"' } })], { maxBlobBytes: 10_000 });
  assert.equal(await codeOf(() => server.fetch()), "unexpected-answer");
  assert.ok(pulled < 10);
});

test("an address has one spelling, and a token goes over https or to this machine", () => {
  assert.equal(serverAddress("https://Backup.example:443/some/path/"), "https://backup.example/some/path");
  for (const local of ["http://localhost:8400", "http://127.1.2.3:1", "http://[::1]:1"]) assert.equal(serverAddress(local), local);
  const refused = ["http://backup.example", "http://127.0.0.1.example", "ftp://127.0.0.1", "https://user:secret@backup.example", "https://backup.example?x", "backup.example"];
  for (const address of refused) assert.throws(() => serverAddress(address), { code: "server-refused" }, address);
  assert.throws(() => serverAddress("https://user:secret@backup.example"), (error) => error instanceof ServerError && !error.message.includes("secret"));
});

test("the user id comes from the token", () => {
  assert.equal(userIdOf(tokenOf(USER.toUpperCase())), USER);
  for (const token of ["", "a.b", "a.e30.c", tokenOf("alice"), "a.bnVsbA.c"]) assert.throws(() => userIdOf(token), { code: "token-unusable" }, token);
});
