/** Does what a test says, in Node and in browsers. */

import { hex, unhex } from "../src/bytes.js";
import {
  BackupClient, BackupError, liveContacts, MemoryStore, PROFILES, RollbackSuspected, type Backup, type ClientOptions, type PushOptions,
} from "../src/index.js";
import { merge } from "../src/merge.js";
import { decode, encode } from "../src/payload.js";
import { newKey, openPayload, sealPayload } from "../src/sealed.js";

type Command =
  | { do: "open"; userId: string; password: string; blob: string }
  | { do: "seal"; userId: string; password: string; payload: string }
  | { do: "merge"; payloads: string[] }
  | { do: "connect"; options: Omit<ClientOptions, "store"> }
  | { do: "create"; publicKey: string; privateKey: string }
  | { do: "restore"; password: string; options?: { acceptRollback?: boolean } }
  | { do: "put"; userId: string; username: string }
  | { do: "push"; password: string; options?: PushOptions };

/** The result of a command, or its error. */
type Answer = { result: unknown } | { error: string; reasons: readonly string[]; message: string };

const shown = (content: Backup) => ({
  identity: content.identity.publicKey,
  contacts: Object.fromEntries(liveContacts(content).map((each) => [each.userId, each.username])),
});

export class Actor {
  #client: BackupClient | null = null;

  async act(command: Command): Promise<Answer> {
    try {
      return { result: await this.#result(command) };
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      const reasons = error instanceof RollbackSuspected ? error.reasons : [];
      return { error: error.code, reasons, message: error.message };
    }
  }

  async #result(command: Command): Promise<unknown> {
    switch (command.do) {
      case "open":
        return hex((await openPayload(unhex(command.blob), command.password, command)).payload);
      case "seal": {
        const key = await newKey(command.password, PROFILES["low-memory"]);
        return hex(await sealPayload(unhex(command.payload), key, command.userId));
      }
      case "merge":
        return hex(encode(command.payloads.map((payload) => decode(unhex(payload))).reduce(merge)));
      case "connect":
        this.#client = new BackupClient({ ...command.options, store: new MemoryStore() });
        return this.#client.userId;
    }
    if (!this.#client) throw new Error("connect first");
    switch (command.do) {
      case "create":
        return shown(await this.#client.create(command));
      case "restore":
        return shown((await this.#client.restore(command.password, { ...command.options, confirm: () => true })).content);
      case "put":
        return shown(await this.#client.putContact(command));
      case "push": {
        const { uploaded, version, content } = await this.#client.push(command.password, command.options);
        return { uploaded, version, ...shown(content) };
      }
    }
  }
}
