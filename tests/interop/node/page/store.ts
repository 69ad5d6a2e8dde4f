import type { Backup, DeviceState, DeviceStore } from "../src/index.js";

/**
 * Keeps in the browser's local storage what notices a rollback: the device's id and number, and what it remembers. Contacts
 * and keys stay in memory; the next restore brings them back.
 */
export class PageStore implements DeviceStore {
  readonly #name: string;
  #content: Backup | null = null;

  constructor(server: string, userId: string) {
    this.#name = `obscura-backup ${server} ${userId}`;
  }

  async read(): Promise<DeviceState | null> {
    const stored = localStorage.getItem(this.#name);
    return stored === null ? null : { ...JSON.parse(stored), content: this.#content };
  }

  async write({ content, ...lasting }: DeviceState): Promise<void> {
    localStorage.setItem(this.#name, JSON.stringify(lasting));
    this.#content = content;
  }

  /** The lock covers all tabs of this page. */
  exclusively<T>(action: () => Promise<T>): Promise<T> {
    return navigator.locks.request(this.#name, action) as Promise<T>;
  }
}
