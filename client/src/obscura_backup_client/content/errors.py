"""Errors about a backup's content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from uuid import UUID


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


class UnknownContact(ClientError):
    """There is no contact with this user id to remove."""

    code = "unknown-contact"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"There is no contact {user_id}.")
        self.user_id = user_id
