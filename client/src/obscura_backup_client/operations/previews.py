"""What the previews of a restore and of a deletion have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Operation(StrEnum):
    """What a confirmation is asked for."""

    RESTORE = "restore"
    DELETE = "delete"


class Preview(Protocol):
    """The server's backup, as a confirmation shows it. One `confirm` function can serve a restore and a deletion.

    A deletion opens nothing. It knows the time, device and contacts only of a backup that this device saw before; these
    three are None otherwise.
    """

    @property
    def operation(self) -> Operation:
        """What is about to happen."""
        ...

    @property
    def version(self) -> int:
        """The backup's version on the server."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """The size of the sealed backup; None if the server does not say."""
        ...

    @property
    def sealed_at_ms(self) -> int | None:
        """When it was sealed, milliseconds since 1970."""
        ...

    @property
    def device_name(self) -> str | None:
        """The device that sealed it; may be empty."""
        ...

    @property
    def contact_count(self) -> int | None:
        """Contacts in it."""
        ...

    @property
    def local_contact_count(self) -> int | None:
        """Contacts on this device; None if it has no identity."""
        ...
