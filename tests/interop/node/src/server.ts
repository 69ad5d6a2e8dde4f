/** The HTTP API of docs/http.md for one user, by `fetch`. */

import { equal, sha256, type Bytes } from "./bytes.js";
import { ServerError } from "./errors.js";
import { MAX_BLOB_BYTES } from "./sealed.js";

/** The blob on the server, and its version, which the next change names. */
export interface FetchedBlob {
  readonly blob: Bytes;
  readonly version: number;
}

/** Time-outs and retries. Waits double from the first one, and are shortened by a random factor of 0.5 to 1. */
export interface RetryPolicy {
  /** For one request, to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
}

export interface ServerOptions {
  readonly fetch?: typeof globalThis.fetch;
  readonly sleep?: (milliseconds: number) => Promise<void>;
  readonly maxBlobBytes?: number;
  readonly retries?: Partial<RetryPolicy>;
}

const RETRIES: RetryPolicy = { timeoutMs: 60_000, attempts: 4, firstWaitMs: 500, longestWaitMs: 15_000 };
const RETRYABLE = new Set([429, 502, 503, 504]);
/** Answers to a repeated change that also settle what happened to the earlier attempts. */
const SETTLING: Record<string, readonly number[]> = { POST: [200, 409, 413], DELETE: [204, 409] };
const MAX_JSON_BYTES = 64 * 1024;
const PROBLEM = "urn:obscura-backup:problem:";

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Bytes;
  /** The members of a problem document; empty without one. */
  readonly problem: Readonly<Record<string, unknown>>;
}

/** One user's backup on one server. Every method may also throw the errors of a refused or failed request. */
export class BackupServer {
  readonly #url: string;
  readonly #token: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #sleep: (milliseconds: number) => Promise<void>;
  readonly #retries: RetryPolicy;
  readonly #maxBlobBytes: number;

  /** Throws `server-refused` for an address to which a token must not be sent. */
  constructor(server: string, token: string, options: ServerOptions = {}) {
    this.#url = `${serverAddress(server)}/v1/backup`;
    this.#token = token;
    this.#fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
    this.#sleep = options.sleep ?? sleep;
    this.#retries = { ...RETRIES, ...options.retries };
    this.#maxBlobBytes = options.maxBlobBytes ?? MAX_BLOB_BYTES;
  }

  /** The backup; null if there is none. Throws `backup-lost` if the server lost its bytes. */
  async fetch(): Promise<FetchedBlob | null> {
    const answer = await this.#request("GET", {}, null, this.#maxBlobBytes);
    if (isNoBackup(answer)) return null;
    if (answer.status !== 200) throw errorFor(answer);
    const expected = digestIn(answer.headers.get("repr-digest"));
    if (expected && !equal(expected, await sha256(answer.body))) throw unexpected(answer, "its bytes do not match Repr-Digest");
    return { blob: answer.body, version: versionOf(answer) };
  }

  /** Replaces exactly `version` (0: there is no backup). Gives the new version. */
  push(blob: Bytes, version: number): Promise<number> {
    return settled(this.#push(blob, version));
  }

  async #push(blob: Bytes, version: number): Promise<number> {
    const digest = `sha-256=:${btoa(String.fromCharCode(...(await sha256(blob))))}:`;
    const headers = { "Content-Type": "application/octet-stream", "Content-Digest": digest };
    const answer = await this.#request("POST", version ? { ...headers, "If-Match": `"${version}"` } : headers, blob);
    if (answer.status !== 200) throw errorFor(answer);
    return versionOf(answer);
  }

  /** Deletes exactly `version`. */
  delete(version: number): Promise<void> {
    return settled(this.#delete(version));
  }

  async #delete(version: number): Promise<void> {
    const answer = await this.#request("DELETE", { "If-Match": `"${version}"` });
    if (answer.status !== 204) throw errorFor(answer);
  }

  /**
   * Sends until an answer comes that a retry would not change. Repeating is safe: a change names the version that it
   * replaces, and sends the same bytes.
   */
  async #request(method: string, headers: Record<string, string>, body: Bytes | null = null, maxBytes = MAX_JSON_BYTES): Promise<Answer> {
    const changes = method !== "GET";
    const { attempts, firstWaitMs, longestWaitMs } = this.#retries;
    let mayHaveHappened = false;
    for (let attempt = 1; ; attempt++) {
      let failure: ServerError;
      let askedMs = 0;
      try {
        const answer = await this.#send(method, headers, body, maxBytes);
        if (!RETRYABLE.has(answer.status)) {
          const isSettled = !mayHaveHappened || SETTLING[method]?.includes(answer.status);
          if (changes && (!isSettled || answer.status >= 500)) throw outcomeUnknown(answer.status);
          return answer;
        }
        failure = errorFor(answer);
        askedMs = 1000 * retryAfterSeconds(answer);
        mayHaveHappened ||= changes && failure.code === "unavailable";
      } catch (error) {
        if (error instanceof ServerError) throw error;
        failure = unreachable(error);
        mayHaveHappened ||= changes;
      }
      if (attempt >= attempts || askedMs > longestWaitMs) throw mayHaveHappened ? outcomeUnknown(failure.status, failure) : failure;
      const waitMs = Math.min(firstWaitMs * 2 ** (attempt - 1), longestWaitMs) * (0.5 + Math.random() / 2);
      await this.#sleep(Math.min(askedMs + waitMs, longestWaitMs));
    }
  }

  async #send(method: string, headers: Record<string, string>, body: Bytes | null, maxBytes: number): Promise<Answer> {
    const response = await this.#fetch(this.#url, {
      method,
      headers: { ...headers, Authorization: `Bearer ${this.#token}` },
      body,
      // The token goes to this address only, and nothing but this client keeps the answer.
      redirect: "error",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
      signal: AbortSignal.timeout(this.#retries.timeoutMs),
    });
    const bytes = await readAtMost(response, response.ok ? maxBytes : MAX_JSON_BYTES);
    return { status: response.status, headers: response.headers, body: bytes, problem: response.ok ? {} : problemIn(bytes) };
  }
}

/** After an answer to a change that makes no sense, the outcome is unknown. A 4xx says by itself that nothing changed. */
async function settled<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (!(error instanceof ServerError) || error.code !== "unexpected-answer") throw error;
    const isRefusal = error.status >= 400 && error.status < 500 && error.status !== 409;
    throw isRefusal ? error : outcomeUnknown(error.status, error);
  }
}

/**
 * The server's address in one spelling, without a slash at its end. Throws `server-refused`. Plain http is accepted for this
 * machine only: others on the network could read the token.
 */
export function serverAddress(server: string): string {
  const refuse = (reason: string) => new ServerError("server-refused", `The server's address is refused: ${reason}.`);
  if (!URL.canParse(server)) throw refuse("it is not a URL");
  const url = new URL(server);
  const isLoopback = url.hostname === "localhost" || url.hostname === "[::1]" || /^127(\.\d+){3}$/.test(url.hostname);
  if (url.username || url.password) throw refuse("it contains a user name or a password");
  if (url.search || url.hash) throw refuse("an address has no query and no fragment");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback)) {
    throw refuse("use https://; http:// would expose the token on the network");
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** The user id in a token's claim; the seal is bound to it. The server verifies the token. */
export function userIdOf(token: string, claim = "sub"): string {
  const claims = parseJson(decodeBase64(token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? ""));
  const user = claims[claim];
  if (typeof user !== "string" || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(user)) {
    throw new ServerError("token-unusable", `The token cannot be used: it is not a JWT whose claim ${claim} is a UUID.`);
  }
  return user.toLowerCase();
}

/** Reads a body, and stops at the first byte too many. */
async function readAtMost(response: Response, maxBytes: number): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    length += read.value.length;
    parts.push(read.value);
    if (length > maxBytes) {
      await reader?.cancel();
      throw new ServerError("unexpected-answer", `The server's answer is longer than ${maxBytes} bytes.`, response.status);
    }
  }
  const body = new Uint8Array(length);
  parts.reduce((at, part) => (body.set(part, at), at + part.length), 0);
  return body;
}

function decodeBase64(text: string): Bytes {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

function parseJson(bytes: Bytes): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof document === "object" && document !== null ? { ...document } : {};
  } catch {
    return {};
  }
}

/** The members of the service's own problem document. A proxy's answer has none. */
function problemIn(body: Bytes): Readonly<Record<string, unknown>> {
  const document = parseJson(body);
  return typeof document["type"] === "string" && document["type"].startsWith(PROBLEM) ? document : {};
}

const problemCode = ({ problem }: Answer): string => String(problem["type"] ?? "").slice(PROBLEM.length);

const isNoBackup = (answer: Answer): boolean => answer.status === 404 && problemCode(answer) === "backup-not-found";

function versionOf(answer: Answer): number {
  const found = /^(?:W\/)?"([1-9][0-9]{0,15})"$/.exec(answer.headers.get("etag") ?? "");
  if (!found || !Number.isSafeInteger(Number(found[1]))) throw unexpected(answer, "it has no version");
  return Number(found[1]);
}

function digestIn(header: string | null): Bytes | null {
  const found = /sha-256=:([A-Za-z0-9+/]{43}=):/.exec(header ?? "");
  return found ? decodeBase64(found[1] ?? "") : null;
}

/** 0 if the answer does not say. */
function retryAfterSeconds({ headers }: Answer): number {
  const value = headers.get("retry-after") ?? "";
  return /^[0-9]{1,9}$/.test(value) ? Number(value) : 0;
}

function errorFor(answer: Answer): ServerError {
  const { status, problem } = answer;
  const error = (code: ServerError["code"], message: string) => new ServerError(code, message, status);
  const code = problemCode(answer);
  if (status === 401) return error("unauthorized", "The server does not accept the token. It may be expired, or for another server.");
  if (isNoBackup(answer)) return error("not-found", "There is no backup on the server.");
  if (status === 409 && code === "version-mismatch") return error("version-mismatch", "Another device has replaced the backup.");
  if (status === 413 && code === "blob-too-large") return error("too-large", "The backup is too large for the server.");
  if (status === 429) return error("rate-limited", "There are too many requests; try again later.");
  if (code === "backup-lost") return error("backup-lost", "The server does not find the bytes of this backup. Try again in a minute. If that does not help, tell its operator.");
  if (RETRYABLE.has(status)) {
    const isUnchanged = status === 503 && problem["outcome"] === "not-stored";
    return isUnchanged
      ? error("not-stored", "The server cannot store backups now. Nothing was changed; try again later.")
      : error("unavailable", "The server is not available; try again later.");
  }
  return unexpected(answer, `status ${status}`);
}

function unexpected({ status }: Answer, reason: string): ServerError {
  return new ServerError("unexpected-answer", `Unexpected answer from the server (${reason}). Is this the address of the service?`, status);
}

/** Browsers do not say why a request failed. */
function unreachable(cause: unknown): ServerError {
  const message = "The server did not answer, or it does not allow this page's origin.";
  return new ServerError("unavailable", message, 0, { cause });
}

function outcomeUnknown(status: number, cause?: unknown): ServerError {
  const message = "No valid answer from the server: the change may or may not have happened. It is safe to try again.";
  return new ServerError("outcome-unknown", message, status, { cause });
}
