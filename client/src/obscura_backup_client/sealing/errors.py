"""Errors of sealing and opening, and of the choice of a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


class NotABackup(ClientError):
    """The bytes do not begin like a sealed backup."""

    code = "not-a-backup"

    def __init__(self) -> None:
        super().__init__("This is not a backup.")


class NewerFormat(ClientError):
    """A sealed backup of a format that this version does not know; `digit` is its number."""

    code = "newer-format"

    def __init__(self, digit: str) -> None:
        super().__init__(f"This backup has format {digit}, which this version cannot read. Update the app.")
        self.digit = digit


class RefusedParameters(ClientError):
    """Key derivation parameters outside the limits of sealing or opening; None for an unknown algorithm."""

    code = "refused-parameters"

    def __init__(self, reason: str, parameters: KdfParameters | None = None) -> None:
        shown = "" if parameters is None else f" ({parameters})"
        super().__init__(f"Key derivation parameters refused: {reason}{shown}.")
        self.reason = reason
        self.parameters = parameters


class KeyDerivationFailed(ClientError):
    """Argon2id failed, usually because the device could not allocate the memory."""

    code = "key-derivation-failed"

    def __init__(self, reason: str, parameters: KdfParameters) -> None:
        super().__init__(f"The key could not be derived on this device: {reason} ({parameters}).")
        self.reason = reason
        self.parameters = parameters


class WrongPassword(ClientError):
    """The key commitment does not match: the password is wrong, or the header was altered.

    Nothing resets a forgotten password. A device that has the identity can delete the backup and push it again under a
    new one.
    """

    code = "wrong-password"

    def __init__(self) -> None:
        super().__init__("The password is wrong (or the backup's header was altered).")


class DifferentKey(ClientError):
    """The kept key does not fit: the backup was sealed with another salt or other parameters."""

    code = "different-key"

    def __init__(self) -> None:
        super().__init__("This backup was not sealed with the key kept on this device. Its password is needed.")


class WeakKey(DifferentKey):
    """The kept key opens the backup but may not seal: another program chose parameters that are too weak."""

    code = "weak-key"

    def __init__(self, reason: str) -> None:
        ClientError.__init__(
            self,
            f"This backup is sealed with parameters that no new backup may have ({reason}). "
            "Its password is needed to seal it again.",
        )
        self.reason = reason


class Damaged(ClientError):
    """The backup is truncated or altered, or belongs to another user."""

    code = "damaged"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The backup is damaged or belongs to another user: {reason}.")
        self.reason = reason


class PayloadTooLarge(ClientError):
    """The sealed payload would be longer than the server accepts; sizes are in bytes."""

    code = "payload-too-large"

    def __init__(self, payload_bytes: int, max_payload_bytes: int) -> None:
        super().__init__(f"The backup's content has {payload_bytes} bytes; at most {max_payload_bytes} fit.")
        self.payload_bytes = payload_bytes
        self.max_payload_bytes = max_payload_bytes


class PasswordRefused(ClientError):
    """The password cannot be set. No error of this family contains the password."""

    code = "password-refused"


class PasswordTooShort(PasswordRefused):
    """A new password has too few code points."""

    code = "password-too-short"

    def __init__(self, code_points: int, min_code_points: int) -> None:
        super().__init__(f"The password has {code_points} characters; at least {min_code_points} are needed.")
        self.code_points = code_points
        self.min_code_points = min_code_points


class PasswordTooLong(PasswordRefused):
    """A new password has too many bytes."""

    code = "password-too-long"

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(f"The password takes {size_bytes} bytes in UTF-8; at most {max_bytes} are allowed.")
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class PasswordCharacterRefused(PasswordRefused):
    """A code point that other devices may not be able to enter; `kind` is control, surrogate or unassigned."""

    code = "password-character-refused"

    def __init__(self, kind: str, position: int) -> None:
        article = "a" if kind != "unassigned" else "an"
        super().__init__(f"Character {position} of the password is {article} {kind} code point, which is not allowed.")
        self.kind = kind
        self.position = position


class PasswordGuessable(PasswordRefused):
    """A new password is easy to guess; `score` is zxcvbn's, 0 to 4, and `min_score` the least that is accepted."""

    code = "password-guessable"

    def __init__(self, score: int, min_score: int) -> None:
        super().__init__(
            f"The password is too easy to guess (strength {score} of 4; at least {min_score} is required). A thief of "
            "the backup has unlimited time to try passwords."
        )
        self.score = score
        self.min_score = min_score


class PasswordUnchanged(PasswordRefused):
    """The new password is the same as the current one."""

    code = "password-unchanged"

    def __init__(self) -> None:
        super().__init__("The new password is the same as the current one.")
