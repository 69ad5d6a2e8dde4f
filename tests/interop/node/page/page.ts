import {
  BackupClient, BackupError, IdentityError, liveContacts, RollbackSuspected, serverAddress, userIdOf,
  type Backup, type Decisions, type Parameters, type Preview,
} from "../src/index.js";
import { deriveInWorker } from "./derive.js";
import { PageStore } from "./store.js";

const element = <T extends HTMLElement = HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
};
const input = (id: string): HTMLInputElement => element<HTMLInputElement>(id);
const show = (id: string, text: string): void => void (element(id).textContent = text);

function report(text: string, isError = false): void {
  show("status", text);
  element("status").classList.toggle("error", isError);
}

/** Asks a question in a dialog. Escape is a no. */
function ask(title: string, text: string, yes: string): Promise<boolean> {
  const dialog = element<HTMLDialogElement>("question");
  show("question-title", title);
  show("question-text", text);
  show("yes", yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

const counted = (contacts: number): string => (contacts === 1 ? "1 contact" : `${contacts} contacts`);
const when = (milliseconds: number): string => new Date(milliseconds).toLocaleString();

/** A browser that never saw this backup cannot notice an older one, so the user checks the date. */
async function isExpected({ sealedAtMs, deviceName, contacts, isLatest }: Preview): Promise<boolean> {
  if (isLatest) return true;
  const device = deviceName ? ` on the device “${deviceName}”` : "";
  const facts = `It was sealed on ${when(sealedAtMs)}${device} and holds ${counted(contacts)}.`;
  return ask("Is this your latest backup?", `${facts} This browser has not seen it before and cannot check this by itself.`, "Yes, restore it");
}

/** Runs an action, and asks the user to decide what the client must not decide alone. */
async function decided<T>(action: (decisions: Decisions) => Promise<T>, decisions: Decisions = {}): Promise<T> {
  try {
    return await action(decisions);
  } catch (error) {
    if (error instanceof RollbackSuspected && !decisions.acceptRollback) {
      const text = `${error.message} The server may have been restored from an old copy, or it may be dishonest. Reasons: ${error.reasons.join(", ")}.`;
      if (await ask("This is an older backup", text, "Use it anyway")) return decided(action, { ...decisions, acceptRollback: true });
    }
    if (error instanceof IdentityError && !decisions.keep) {
      const text = `${error.message} Here: ${error.mine}. In the backup: ${error.theirs}.`;
      if (await ask("The identity has changed", text, "Take the backup’s identity")) return decided(action, { ...decisions, keep: "theirs" });
    }
    throw error;
  }
}

function showBackup(content: Backup): void {
  const contacts = [...liveContacts(content)].sort((one, other) => one.username.localeCompare(other.username));
  show("sealed", `${when(content.sealedAtMs)}${content.deviceName ? `, on “${content.deviceName}”` : ""}`);
  show("identity", content.identity.publicKey);
  show("count", counted(contacts.length));
  const rows = contacts.map(({ username, userId }) => {
    const row = document.createElement("tr");
    for (const text of [username, userId]) row.insertCell().textContent = text;
    return row;
  });
  element("contacts").replaceChildren(...rows);
  element("backup").hidden = false;
}

/** Runs what a form does while its buttons are off, and shows an error. */
function onSubmit(form: string, waiting: string, action: () => Promise<string>): void {
  element(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = document.querySelectorAll<HTMLButtonElement>("main > form button, section button");
    buttons.forEach((button) => (button.disabled = true));
    report(waiting);
    try {
      report(await action());
    } catch (error) {
      report(error instanceof BackupError ? error.message : `This page failed: ${String(error)}`, true);
    } finally {
      buttons.forEach((button) => (button.disabled = false));
    }
  });
}

const password = (): string => input("password").value;

const confirmMemory = ({ memoryKib }: Parameters): Promise<boolean> =>
  ask("Much memory is needed", `Opening this backup takes ${Math.round(memoryKib / 1024)} MiB of memory.`, "Open it");

let client: BackupClient | null = null;

onSubmit("restore", "Fetching and opening the backup …", async () => {
  element("backup").hidden = true;
  const [server, token] = [serverAddress(input("server").value.trim()), input("token").value.trim()];
  const store = new PageStore(server, userIdOf(token));
  const opened = new BackupClient({ server, token, store, deviceName: "browser", derive: deriveInWorker, confirmMemory });
  const { content } = await decided((decisions) =>
    opened.restore(password(), { ...decisions, confirm: (preview) => decisions.acceptRollback || isExpected(preview) }),
  );
  client = opened;
  showBackup(content);
  return "The backup is restored.";
});

onSubmit("add", "Merging and uploading …", async () => {
  const opened = client;
  if (!opened) return "Restore the backup first.";
  await opened.putContact({ userId: input("user").value.trim(), username: input("name").value });
  const { content } = await decided((decisions) => opened.push(password(), decisions));
  showBackup(content);
  element<HTMLFormElement>("add").reset();
  return "The contact is in the backup.";
});
