"""Errors about a backup's content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from uuid import UUID


class NameRefused(ClientError):
    """A contact or device cannot have this name; `reason` does not quote it."""

    code = "name-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid name: {reason}.")
        self.reason = reason


class TooManyContacts(ClientError):
    """More contacts than a backup may hold, not counting removed ones. This device keeps all of them."""

    code = "too-many-contacts"

    def __init__(self, count: int, max_count: int) -> None:
        super().__init__(
            f"Too many contacts: {count}, and a backup holds at most {max_count}. Remove {count - max_count} and try "
            "again. This device keeps all that it has."
        )
        self.count = count
        self.max_count = max_count


class PayloadError(ClientError):
    """The content of a backup breaks a rule of the payload format; `reason` does not quote the content."""

    code = "malformed-payload"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The backup's content is not valid: {reason}.")
        self.reason = reason


class IdentityError(ClientError):
    """The backup holds other identity keys than this device: `local_public_key` and `remote_public_key`."""

    code = "identity"

    def __init__(self, message: str, local_public_key: bytes, remote_public_key: bytes) -> None:
        super().__init__(message)
        self.local_public_key = local_public_key
        self.remote_public_key = remote_public_key


class IdentityConflict(IdentityError):
    """Two identities of the same epoch with different keys. Only the user knows which one to keep."""

    code = "identity-conflict"

    def __init__(self, epoch: int, local_public_key: bytes, remote_public_key: bytes) -> None:
        super().__init__(
            "The backup holds a different identity from this device's, and neither is newer (both have epoch "
            f"{epoch}). Nothing was merged. Choose which one to keep: `mine` (this device's) or `theirs` (the "
            "backup's). The contacts of both are kept.",
            local_public_key,
            remote_public_key,
        )
        self.epoch = epoch


class IdentityReplaced(IdentityError):
    """The backup holds a newer identity than this device, and the person has not confirmed it yet."""

    code = "identity-replaced"

    def __init__(self, local_epoch: int, remote_epoch: int, local_public_key: bytes, remote_public_key: bytes) -> None:
        super().__init__(
            f"The backup holds a newer identity (epoch {remote_epoch}) than this device (epoch {local_epoch}). "
            "Nothing was merged. To take the newer one, restore or keep `theirs`. To replace it with this device's, "
            "keep `mine`.",
            local_public_key,
            remote_public_key,
        )
        self.local_epoch = local_epoch
        self.remote_epoch = remote_epoch


class UnknownContact(ClientError):
    """There is no contact with this user id, or it was removed."""

    code = "unknown-contact"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"There is no contact {user_id}.")
        self.user_id = user_id
