"""Errors of sealing and opening, and of the choice of a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


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
