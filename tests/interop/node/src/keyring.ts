/** The keys of one operation, with as few key derivations as possible. */

import type { Bytes, randomBytes } from "./bytes.js";
import { equal } from "./bytes.js";
import { FormatError, StateError } from "./errors.js";
import { isSealable, PROFILES, sameParameters, type Parameters } from "./kdf.js";
import { newKey, openPayload, readHeader, type OpenOptions, type SealingKey, type Secret } from "./sealed.js";

export interface KeyringOptions extends OpenOptions {
  readonly newPassword?: string | undefined;
  /** Of keys that this operation derives for sealing. */
  readonly parameters?: Parameters | undefined;
  readonly random: typeof randomBytes;
}

export class Keyring {
  readonly #secret: Secret;
  readonly #options: KeyringOptions;
  readonly #known: SealingKey[] = [];
  #new: SealingKey | null = null;

  constructor(secret: Secret, options: KeyringOptions) {
    this.#secret = secret;
    this.#options = options;
    if (typeof secret !== "string") this.#known.push(secret);
  }

  /** Opens a blob, with a known key if one fits. */
  async open(blob: Bytes): Promise<{ payload: Bytes; key: SealingKey }> {
    const header = readHeader(blob);
    const known = this.#known.find((key) => equal(key.salt, header.salt) && sameParameters(key, header));
    const opened = known ? await openPayload(blob, known, this.#options) : await this.#openByPassword(blob);
    if (!known) this.#known.push(opened.key);
    return opened;
  }

  /** Whether a backup under this key is not sealed under the new password yet. */
  changesPasswordOf(key: SealingKey): boolean {
    return this.#options.newPassword !== undefined && key !== this.#new;
  }

  /**
   * The key to seal with. The one that opened the backup is used again if it is strong enough: opening proved that an
   * honest device chose its salt, and not the server.
   */
  async sealingKey(openedBy: SealingKey | null): Promise<SealingKey> {
    const { newPassword, parameters = PROFILES.default, derive, random } = this.#options;
    if (newPassword !== undefined) return (this.#new ??= await newKey(newPassword, parameters, derive, random));
    const isWanted = (key: SealingKey) => !this.#options.parameters || sameParameters(key, this.#options.parameters);
    const kept = this.#known.find((key) => (openedBy === null || key === openedBy) && isSealable(key) && isWanted(key));
    if (kept) return kept;
    if (typeof this.#secret !== "string") throw new StateError("password-needed", "Sealing needs the password; the kept key does not fit.");
    const derived = await newKey(this.#secret, parameters, derive, random);
    this.#known.push(derived);
    return derived;
  }

  async #openByPassword(blob: Bytes): Promise<{ payload: Bytes; key: SealingKey }> {
    try {
      return await openPayload(blob, this.#secret, this.#options);
    } catch (error) {
      const { newPassword } = this.#options;
      if (newPassword === undefined || !(error instanceof FormatError) || error.code !== "wrong-password") throw error;
      // The answer to an earlier change may have been lost: repeating the change must not fail for ever.
      const opened = await openPayload(blob, newPassword, this.#options);
      this.#new = opened.key;
      return opened;
    }
  }
}
