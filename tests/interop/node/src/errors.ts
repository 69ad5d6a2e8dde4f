import type { Parameters } from "./kdf.js";

/** What docs/format.md calls the errors of reading and writing a backup. */
export type FormatErrorCode =
  | "password-character-refused"
  | "password-too-short"
  | "password-too-long"
  | "not-a-backup"
  | "newer-format"
  | "damaged"
  | "refused-parameters"
  | "different-key"
  | "wrong-password"
  | "malformed-payload"
  | "rollback-suspected"
  | "identity-conflict"
  | "identity-replaced"
  | "too-many-contacts"
  | "payload-too-large"
  | "unknown-contact";

/** Why a fetched backup cannot be the latest one. */
export type RollbackReason =
  | "gone"
  | "older-writers"
  | "same-writers-other-bytes"
  | "older-password"
  | "older-format";

/** What can go wrong between this device and the server. */
export type ServerErrorCode =
  | "server-refused"
  | "token-unusable"
  | "unauthorized"
  | "not-found"
  | "backup-lost"
  | "version-mismatch"
  | "push-contended"
  | "too-large"
  | "rate-limited"
  | "unavailable"
  | "not-stored"
  | "outcome-unknown"
  | "unexpected-answer";

/** What stops a call on this device. */
export type StateErrorCode = "not-confirmed" | "nothing-to-push" | "content-exists" | "password-needed" | "key-derivation-failed";

/** The root of all errors that this package throws on purpose. `code` is stable; the message is for a person. */
export abstract class BackupError extends Error {
  abstract readonly code: FormatErrorCode | ServerErrorCode | StateErrorCode;
  override get name(): string {
    return this.constructor.name;
  }
}

const MESSAGES: Record<FormatErrorCode, string> = {
  "password-character-refused": "The password contains a character that cannot be typed on every device.",
  "password-too-short": "The password is too short: at least 13 characters are required.",
  "password-too-long": "The password is too long: at most 1024 bytes are allowed.",
  "not-a-backup": "The server's file is not a backup.",
  "newer-format": "A newer version of the app sealed this backup. Update this one.",
  damaged: "The backup is damaged, or it belongs to another user.",
  "refused-parameters": "The backup requests a key derivation outside the limits. It was not started.",
  "different-key": "The kept key does not fit this backup. Use the password.",
  "wrong-password": "The password is wrong, or the backup's header was changed.",
  "malformed-payload": "The app that sealed this backup has a bug. Nothing was changed.",
  "rollback-suspected": "The server's backup is older than the one that this device saw before, or it is gone.",
  "identity-conflict": "The backup and this device hold different identity keys.",
  "identity-replaced": "Another device has replaced the identity keys.",
  "too-many-contacts": "A backup holds at most 20,000 contacts.",
  "payload-too-large": "The backup is too large for the server.",
  "unknown-contact": "There is no such contact.",
};

/** A backup cannot be opened, read, merged or sealed. */
export class FormatError extends BackupError {
  constructor(
    readonly code: FormatErrorCode,
    /** For developers: which check failed. It quotes no content. */
    readonly detail = "",
    options?: ErrorOptions,
  ) {
    super(MESSAGES[code], options);
  }
}

/** A KDF bomb, or a derivation that the user refused. No memory was taken. */
export class RefusedParameters extends FormatError {
  constructor(readonly parameters: Parameters) {
    super("refused-parameters");
  }
}

/** The server's backup is not the latest one that this device knows. Nothing was merged. */
export class RollbackSuspected extends FormatError {
  constructor(readonly reasons: readonly RollbackReason[]) {
    super("rollback-suspected", reasons.join(", "));
  }
}

/** Two identities, given by their public keys in hex. The user has to choose. Nothing was merged. */
export class IdentityError extends FormatError {
  constructor(
    code: "identity-conflict" | "identity-replaced",
    readonly mine: string,
    readonly theirs: string,
  ) {
    super(code);
  }
}

/** The server refused a request, or did not answer. */
export class ServerError extends BackupError {
  constructor(
    readonly code: ServerErrorCode,
    message: string,
    /** Of the answer; 0 without one. */
    readonly status = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** This device lacks what the call needs, or the user said no. */
export class StateError extends BackupError {
  constructor(
    readonly code: StateErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
