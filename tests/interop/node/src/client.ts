/** One device's client for one user: fetch, open, check, merge, seal, upload, remember. */

import { hex, randomBytes, sha256, type Bytes } from "./bytes.js";
import { liveContacts, newBackup, type Backup, type Identity } from "./content.js";
import {
  identified, includes, merged, newDevice, remembering, requireLatest, toSeal, type DeviceState, type DeviceStore, type Fetched,
} from "./device.js";
import { putContact, removeContact, setProfile, type ContactEdit, type ProfileEdit } from "./edits.js";
import { ServerError, StateError } from "./errors.js";
import { isWeak, sameParameters, type ConfirmMemory, type Derive, type Parameters } from "./kdf.js";
import { Keyring } from "./keyring.js";
import type { Keep } from "./merge.js";
import { decode, encode, requireSealable } from "./payload.js";
import { MAX_BLOB_BYTES, sealPayload, type SealingKey, type Secret } from "./sealed.js";
import { BackupServer, userIdOf, type ServerOptions } from "./server.js";

export interface ClientOptions extends ServerOptions {
  /** The service's address, as `https://backup.example`. */
  readonly server: string;
  /** A bearer token of the service. */
  readonly token: string;
  readonly store: DeviceStore;
  /** The claim of the token with the user's UUID; `sub` without it. */
  readonly userClaim?: string;
  /** The name under which other devices show what this one sealed. */
  readonly deviceName?: string;
  /** Argon2id. The default runs in this thread, which freezes a page for a second. */
  readonly derive?: Derive;
  readonly confirmMemory?: ConfirmMemory;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly random?: typeof randomBytes;
}

export interface Decisions {
  /** Which identity stays if the backup holds another one. */
  readonly keep?: Keep | null;
  /** The user knows why the server's backup is older than expected, or gone. */
  readonly acceptRollback?: boolean;
}

/** What a new device shows before it restores: it has nothing to compare the backup with. */
export interface Preview {
  readonly sealedAtMs: number;
  readonly deviceName: string;
  readonly contacts: number;
  /** Whether this device has seen a backup before, and this one is not older. */
  readonly isLatest: boolean;
}

export interface RestoreOptions extends Decisions {
  /** Nothing changes unless it gives true. */
  readonly confirm: (preview: Preview) => boolean | Promise<boolean>;
}

export interface PushOptions extends Decisions {
  readonly newPassword?: string;
  /** Seal with these, even if nothing else changed. */
  readonly parameters?: Parameters;
}

/** The server's backup, opened and checked. */
export interface Pulled extends Fetched {
  readonly version: number;
  /** May be kept in place of the password, and is as sensitive. */
  readonly key: SealingKey;
  /** False if a suspected rollback was accepted. */
  readonly isLatest: boolean;
}

export interface PushResult {
  /** False if the server had everything. */
  readonly uploaded: boolean;
  readonly version: number;
  readonly content: Backup;
  readonly key: SealingKey;
}

/** More conflicts than this mean that something pushes in a loop. */
const PUSH_ATTEMPTS = 5;
const FIRST_WAIT_MS = 100;
const DEVICE_ID_BYTES = 16;

export class BackupClient {
  readonly userId: string;
  readonly #options: ClientOptions;
  readonly #server: BackupServer;
  readonly #random: typeof randomBytes;

  /** Throws `server-refused` or `token-unusable`. */
  constructor(options: ClientOptions) {
    this.userId = userIdOf(options.token, options.userClaim);
    this.#options = options;
    this.#server = new BackupServer(options.server, options.token, options);
    this.#random = options.random ?? randomBytes;
  }

  /** What this device holds; null before the first restore. */
  async content(): Promise<Backup | null> {
    return (await this.#device()).content;
  }

  /** Starts a first backup with an identity, which the messenger makes. Push uploads it. */
  create(keys: Pick<Identity, "publicKey" | "privateKey">): Promise<Backup> {
    return this.#change((content) => {
      if (content) throw new StateError("content-exists", "This device holds a backup already.");
      return newBackup(keys);
    });
  }

  putContact(edit: ContactEdit): Promise<Backup> {
    return this.#change((content) => putContact(held(content), { ...edit, userId: edit.userId.toLowerCase() }, this.#now()));
  }

  removeContact(userId: string): Promise<Backup> {
    return this.#change((content) => removeContact(held(content), userId.toLowerCase(), this.#now()));
  }

  setProfile(edit: ProfileEdit): Promise<Backup> {
    return this.#change((content) => setProfile(held(content), edit, this.#now()));
  }

  /** Fetches, opens and checks the backup, and changes nothing. Null if there is none and none was expected. */
  async pull(secret: Secret, { acceptRollback = false }: Decisions = {}): Promise<Pulled | null> {
    return this.#pull(await this.#device(), this.#keyring(secret, {}), acceptRollback);
  }

  /** Merges the server's backup into this device. */
  restore(secret: Secret, { confirm, keep = null, acceptRollback = false }: RestoreOptions): Promise<Pulled> {
    return this.#options.store.exclusively(async () => {
      const device = await this.#device();
      const remote = await this.#pull(device, this.#keyring(secret, {}), acceptRollback);
      if (!remote) throw new ServerError("not-found", "There is no backup on the server.", 404);
      const next = remembering(merged(device, remote.content, keep, this.#draw), remote);
      const { sealedAtMs, deviceName } = remote.content;
      const isLatest = device.remembered !== null && remote.isLatest;
      const isConfirmed = await confirm({ sealedAtMs, deviceName, contacts: liveContacts(remote.content).length, isLatest });
      if (!isConfirmed) throw new StateError("not-confirmed", "Nothing was restored.");
      await this.#options.store.write(next);
      return remote;
    });
  }

  /** Merges the server's backup into this device, and uploads what the server lacks. */
  push(secret: Secret, options: PushOptions = {}): Promise<PushResult> {
    return this.#options.store.exclusively(async () => {
      const keyring = this.#keyring(secret, options);
      for (let attempt = 0; attempt < PUSH_ATTEMPTS; attempt++) {
        try {
          return await this.#pushOnce(keyring, options);
        } catch (error) {
          if (!(error instanceof ServerError) || error.code !== "version-mismatch") throw error;
        }
        await this.#sleep(FIRST_WAIT_MS * 2 ** attempt * (0.5 + Math.random()));
      }
      throw new ServerError("push-contended", `Other devices pushed at the same time, ${PUSH_ATTEMPTS} times. Try again.`, 409);
    });
  }

  /** Deletes the server's backup. This device keeps its content. */
  delete(): Promise<void> {
    return this.#options.store.exclusively(async () => {
      const fetched = await this.#server.fetch();
      if (!fetched) throw new ServerError("not-found", "There is no backup on the server.", 404);
      const device = await this.#device();
      const { remembered } = device;
      // Noted before the request, whose answer may be lost.
      if (remembered) await this.#options.store.write({ ...device, remembered: { ...remembered, mayBeGone: true } });
      try {
        await this.#server.delete(fetched.version);
      } catch (error) {
        const mayBeGone = !(error instanceof ServerError) || ["not-found", "outcome-unknown"].includes(error.code);
        if (!mayBeGone) await this.#options.store.write(device);
        throw error;
      }
    });
  }

  async #pushOnce(keyring: Keyring, { newPassword, parameters, keep = null, acceptRollback = false }: PushOptions): Promise<PushResult> {
    const { store } = this.#options;
    let device = await this.#device();
    const remote = await this.#pull(device, keyring, acceptRollback);
    let setsPassword = true;
    if (remote) {
      setsPassword = keyring.changesPasswordOf(remote.key);
      device = merged(device, remote.content, keep, this.#draw);
      // An accepted older backup is not remembered before it was replaced.
      if (remote.isLatest) await store.write((device = remembering(device, remote)));
      const staysSealed = !isWeak(remote.key) && (!parameters || sameParameters(parameters, remote.key));
      if (remote.isLatest && !setsPassword && staysSealed && includes(remote.content, held(device.content))) {
        return { uploaded: false, version: remote.version, content: held(device.content), key: remote.key };
      }
      // An older password that comes back is a new one.
      setsPassword ||= remote.content.keyEpoch < held(device.content).keyEpoch;
    } else if (newPassword !== undefined) {
      throw new ServerError("not-found", "There is no backup whose password could be changed.", 404);
    }
    const merge = held(device.content);
    requireSealable(merge);
    const key = await keyring.sealingKey(remote?.key ?? null);
    // Stored before anything is sent: a number that others may have seen is never used for other bytes.
    const owner = identified(device, this.#draw);
    const reserved = { ...owner, seq: owner.seq + 1 };
    await store.write(reserved);
    const content = toSeal(reserved, merge, setsPassword, this.#now());
    const blob = await sealPayload(encode(content), key, this.userId, this.#options.maxBlobBytes ?? MAX_BLOB_BYTES, this.#random);
    const version = await this.#server.push(blob, remote?.version ?? 0);
    await store.write(remembering({ ...reserved, content }, { content, sha256: await digest(blob) }));
    return { uploaded: true, version, content, key };
  }

  async #pull(device: DeviceState, keyring: Keyring, acceptRollback: boolean): Promise<Pulled | null> {
    const fetched = await this.#server.fetch();
    if (!fetched) {
      requireLatest(device, null, acceptRollback);
      return null;
    }
    const { payload, key } = await keyring.open(fetched.blob);
    const opened = { content: decode(payload), sha256: await digest(fetched.blob) };
    const isLatest = requireLatest(device, opened, acceptRollback);
    return { ...opened, version: fetched.version, key, isLatest };
  }

  #change(edit: (content: Backup | null) => Backup): Promise<Backup> {
    return this.#options.store.exclusively(async () => {
      const device = await this.#device();
      const content = edit(device.content);
      await this.#options.store.write({ ...device, content });
      return content;
    });
  }

  async #device(): Promise<DeviceState> {
    return (await this.#options.store.read()) ?? newDevice(this.#options.deviceName ?? "");
  }

  #keyring(secret: Secret, { newPassword, parameters }: PushOptions): Keyring {
    const { derive, confirmMemory } = this.#options;
    return new Keyring(secret, { userId: this.userId, derive, confirmMemory, newPassword, parameters, random: this.#random });
  }

  readonly #draw = (): string => hex(this.#random(DEVICE_ID_BYTES));

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #sleep(milliseconds: number): Promise<void> {
    return this.#options.sleep?.(milliseconds) ?? new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}

function held(content: Backup | null): Backup {
  if (!content) throw new StateError("nothing-to-push", "This device holds no backup yet. Restore or create one first.");
  return content;
}

const digest = async (blob: Bytes): Promise<string> => hex(await sha256(blob));
