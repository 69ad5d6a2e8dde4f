/** Obscura backups in TypeScript: open, merge, seal, and exchange them with a server. README.md shows how. */

export { argon2id } from "./argon2id.js";
export {
  BackupClient, type ClientOptions, type Decisions, type Preview, type Pulled, type PushOptions, type PushResult, type RestoreOptions,
} from "./client.js";
export { liveContacts, newBackup, type Backup, type Contact, type Identity, type Profile, type Unknown, type Writer } from "./content.js";
export { MemoryStore, type DeviceState, type DeviceStore } from "./device.js";
export { putContact, removeContact, setProfile, type ContactEdit, type ProfileEdit } from "./edits.js";
export {
  BackupError, FormatError, IdentityError, RefusedParameters, RollbackSuspected, ServerError, StateError,
  type FormatErrorCode, type RollbackReason, type ServerErrorCode, type StateErrorCode,
} from "./errors.js";
export { PROFILES, type ConfirmMemory, type Derive, type Parameters } from "./kdf.js";
export { mergeBackups, type Keep } from "./merge.js";
export { openBackup, sealBackup, type OpenedBackup, type SealedBackup, type SealOptions } from "./backup.js";
export { type Remembered, type Vector } from "./rollback.js";
export { type OpenOptions, type SealingKey, type Secret } from "./sealed.js";
export { serverAddress, userIdOf, type RetryPolicy, type ServerOptions } from "./server.js";
