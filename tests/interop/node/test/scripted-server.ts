/** A server for one step: what it holds, and how it answers a change. */

import type { Bytes } from "../src/bytes.js";

export const USER = "99999999-8888-4777-8666-555555555555";

export const tokenOf = (userId: string): string => `e30.${btoa(JSON.stringify({ sub: userId }))}.signature`;

/** An answer with a problem document of the service. */
export function problem(status: number, code: string, members: object = {}, headers: Record<string, string> = {}): Response {
  const document = { type: `urn:obscura-backup:problem:${code}`, title: code, status, detail: code, ...members };
  return new Response(JSON.stringify(document), { status, headers: { "Content-Type": "application/problem+json", ...headers } });
}

export class ScriptedServer {
  /** The uploaded blob. */
  received: Bytes | null = null;
  readonly requests: string[] = [];

  constructor(
    readonly blob: Bytes | null,
    /** To an upload or deletion. */
    readonly answer: "stored" | "refused" | "lost",
  ) {}

  readonly fetch: typeof globalThis.fetch = async (_url, { method, body } = {}) => {
    this.requests.push(method ?? "");
    if (method === "GET") {
      return this.blob ? new Response(this.blob, { headers: { ETag: '"7"' } }) : problem(404, "backup-not-found");
    }
    if (body instanceof Uint8Array) this.received = new Uint8Array(body);
    if (this.answer === "refused") return problem(503, "metadata-unavailable", { outcome: "not-stored" });
    if (this.answer === "lost") throw new TypeError("fetch failed");
    return method === "POST" ? new Response("{}", { headers: { ETag: '"8"' } }) : new Response(null, { status: 204 });
  };
}
