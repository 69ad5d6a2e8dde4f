"""Every error that this package raises on purpose: one root, a stable `code` each, the facts as attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from uuid import UUID

    from obscura_backup_client.parameters import KdfParameters
    from obscura_backup_client.rollback import Sighting


class ClientError(Exception):
    """The root. `str()` of it is a sentence for a person and never holds a secret."""

    code: ClassVar[str] = "error"


class NotABackup(ClientError):
    """The bytes do not begin as a sealed backup does."""

    code = "not-a-backup"

    def __init__(self) -> None:
        super().__init__("This is not a backup.")


class NewerFormat(ClientError):
    """The bytes are a sealed backup of a format that this version does not know; `digit` is its number."""

    code = "newer-format"

    def __init__(self, digit: str) -> None:
        super().__init__(f"This backup has format {digit}, which this version cannot read: update the app.")
        self.digit = digit


class RefusedParameters(ClientError):
    """Key derivation costs outside the limits, to seal with or to open; `parameters` is None for an unknown KDF."""

    code = "refused-parameters"

    def __init__(self, reason: str, parameters: KdfParameters | None = None) -> None:
        shown = "" if parameters is None else f" ({parameters})"
        super().__init__(f"These key derivation parameters are refused: {reason}{shown}.")
        self.reason = reason
        self.parameters = parameters


class KeyDerivationFailed(ClientError):
    """Argon2id itself gave up, as a rule because the device could not give it the memory it needs."""

    code = "key-derivation-failed"

    def __init__(self, reason: str, parameters: KdfParameters) -> None:
        super().__init__(f"The key could not be derived on this device: {reason} ({parameters}).")
        self.reason = reason
        self.parameters = parameters


class WrongPassword(ClientError):
    """The key commitment does not match: another password, or somebody altered the header."""

    code = "wrong-password"

    def __init__(self) -> None:
        super().__init__("The password is wrong (or the backup's header was altered).")


class DifferentKey(ClientError):
    """A kept key was offered for a backup that was sealed with another salt or other parameters."""

    code = "different-key"

    def __init__(self) -> None:
        super().__init__("This backup was not sealed with the key kept on this device: its password is needed.")


class WeakKey(DifferentKey):
    """A kept key opens the backup, and nothing may be sealed under it: another program chose its parameters."""

    code = "weak-key"

    def __init__(self, reason: str) -> None:
        ClientError.__init__(
            self,
            f"This backup is sealed with parameters that no new backup may have ({reason}): "
            "its password is needed to seal it anew.",
        )
        self.reason = reason


class Damaged(ClientError):
    """The bytes are cut off or altered, or the backup is another user's."""

    code = "damaged"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The backup is damaged or belongs to another user: {reason}.")
        self.reason = reason


class PayloadTooLarge(ClientError):
    """The payload, once sealed, would be longer than the server takes; sizes are in bytes."""

    code = "payload-too-large"

    def __init__(self, payload_bytes: int, max_payload_bytes: int) -> None:
        super().__init__(f"The backup's content has {payload_bytes} bytes; {max_payload_bytes} is the most that fits.")
        self.payload_bytes = payload_bytes
        self.max_payload_bytes = max_payload_bytes


class PasswordRefused(ClientError):
    """A password that cannot be set. No error of this family says what the password is."""

    code = "password-refused"


class PasswordTooShort(PasswordRefused):
    """Fewer code points than a new password needs."""

    code = "password-too-short"

    def __init__(self, code_points: int, min_code_points: int) -> None:
        super().__init__(f"The password has {code_points} characters; at least {min_code_points} are needed.")
        self.code_points = code_points
        self.min_code_points = min_code_points


class PasswordTooLong(PasswordRefused):
    """More bytes than a new password may have."""

    code = "password-too-long"

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(f"The password takes {size_bytes} bytes in UTF-8; at most {max_bytes} are allowed.")
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class PasswordCharacterRefused(PasswordRefused):
    """A code point that another device might not be able to repeat; `kind` is control, surrogate or unassigned."""

    code = "password-character-refused"

    def __init__(self, kind: str, position: int) -> None:
        article = "a" if kind != "unassigned" else "an"
        super().__init__(f"Character {position} of the password is {article} {kind} code point, which is not allowed.")
        self.kind = kind
        self.position = position


class PasswordGuessable(PasswordRefused):
    """A new password that a guesser would find; `score` is zxcvbn's, 0 to 4, and `min_score` what is asked for."""

    code = "password-guessable"

    def __init__(self, score: int, min_score: int) -> None:
        super().__init__(
            f"The password is too easy to guess ({score} of 4; at least {min_score} is wanted). Whoever gets hold of "
            "the backup can try passwords for as long as they like."
        )
        self.score = score
        self.min_score = min_score


class PasswordUnchanged(PasswordRefused):
    """The new password is the one that is in use."""

    code = "password-unchanged"

    def __init__(self) -> None:
        super().__init__("The new password is the one that the backup has already.")


class ContactFileError(ClientError):
    """A contact file that cannot be taken as it is; `line` is the place, counted in `unit`s from 1."""

    code = "contact-file"

    def __init__(self, reason: str, line: int | None = None, *, unit: str = "line") -> None:
        where = reason[:1].upper() + reason[1:] if line is None else f"{unit.capitalize()} {line}: {reason}"
        super().__init__(f"{where}.")
        self.reason = reason
        self.line = line
        self.unit = unit


class NameRefused(ClientError):
    """A name that no contact or device can have; `reason` quotes nothing of it."""

    code = "name-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This name cannot be taken: {reason}.")
        self.reason = reason


class TooManyContacts(ClientError):
    """More contacts, removed ones not counted, than a backup may hold. None is lost: this device keeps them all."""

    code = "too-many-contacts"

    def __init__(self, count: int, max_count: int) -> None:
        super().__init__(
            f"That makes {count} contacts, and a backup holds at most {max_count}. Remove {count - max_count} and try "
            "again; what this device has already is kept."
        )
        self.count = count
        self.max_count = max_count


class PayloadError(ClientError):
    """The content of a backup breaks a rule of the payload format; `reason` quotes nothing of it."""

    code = "malformed-payload"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The backup's content is not valid: {reason}.")
        self.reason = reason


class IdentityError(ClientError):
    """The backup holds other keys than this device; public keys are in `local_public_key` and `remote_public_key`."""

    code = "identity"

    def __init__(self, message: str, local_public_key: bytes, remote_public_key: bytes) -> None:
        super().__init__(message)
        self.local_public_key = local_public_key
        self.remote_public_key = remote_public_key


class IdentityConflict(IdentityError):
    """Two identities of the same epoch with different keys: which one is the user's, only the user knows."""

    code = "identity-conflict"

    def __init__(self, epoch: int, local_public_key: bytes, remote_public_key: bytes) -> None:
        super().__init__(
            f"The backup holds another identity than this device, and neither is newer (both have epoch {epoch}). "
            "Nothing was merged. Say which one to keep: `mine`, which is this device's, or `theirs`, which is the "
            "backup's. The contacts of both are kept.",
            local_public_key,
            remote_public_key,
        )
        self.epoch = epoch


class IdentityReplaced(IdentityError):
    """The backup holds a newer identity than this device, which nobody has confirmed yet."""

    code = "identity-replaced"

    def __init__(self, local_epoch: int, remote_epoch: int, local_public_key: bytes, remote_public_key: bytes) -> None:
        super().__init__(
            f"The backup holds a newer identity (epoch {remote_epoch}) than this device (epoch {local_epoch}). "
            "Nothing was merged. Restore it, or keep `theirs`, to take the newer one over; keep `mine` to put this "
            "device's in its place.",
            local_public_key,
            remote_public_key,
        )
        self.local_epoch = local_epoch
        self.remote_epoch = remote_epoch


class RollbackSuspected(ClientError):
    """The backup is older than what this device saw, or gone; `reasons` are the stable words of `rollback.Reason`.

    `expected` is what this device last saw, `found` what the server handed out instead, None where that is nothing.
    """

    code = "rollback-suspected"

    def __init__(self, reasons: tuple[str, ...], expected: Sighting, found: Sighting | None) -> None:
        super().__init__(
            f"The server does not hand out the backup that this device last saw ({', '.join(reasons)}). Nothing was "
            "merged or sent. If its operator restored an older copy, or you deleted the backup, accept it explicitly."
        )
        self.reasons = reasons
        self.expected = expected
        self.found = found


class NotConfirmed(ClientError):
    """The person was shown what would be restored, and did not say yes. Nothing changed."""

    code = "not-confirmed"

    def __init__(self) -> None:
        super().__init__("Not confirmed; nothing was changed.")


class UnknownContact(ClientError):
    """There is no contact with this user id to remove."""

    code = "unknown-contact"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"There is no contact {user_id}.")
        self.user_id = user_id


class PushContended(ClientError):
    """Other devices kept pushing in between. What they pushed is merged here; a later push sends the rest."""

    code = "push-contended"

    def __init__(self, attempts: int) -> None:
        super().__init__(f"Other devices pushed in between, {attempts} times in a row. Push again in a moment.")
        self.attempts = attempts
