"""One contact that differs between two contents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from obscura_backup_client.content.model import Contact


@dataclass(frozen=True, slots=True)
class ContactChange:
    """What became of one contact.

    Attributes:
        user_id: of the contact.
        before: the contact before; None if it was added.
        after: the contact afterwards; None if it was removed.
    """

    user_id: UUID
    before: Contact | None
    after: Contact | None
