"""Contact files of one or two contacts, and what the client reads from them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import pytest

from obscura_backup_client.formats.contacts import FileFormat, ImportedContact, read_contacts
from obscura_backup_client.formats.errors import ContactFileError

ALICE: Final = UUID("00112233-4455-6677-8899-aabbccddeeff")
BOB: Final = UUID("ffeeddcc-bbaa-9988-7766-554433221100")
KEY: Final = bytes(range(32))
KEY_BASE64: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def any_card(*lines: str) -> str:
    """A card of version 4 with only these lines, with the line ends of the standard."""
    return "\r\n".join(["BEGIN:VCARD", "VERSION:4.0", *lines, "END:VCARD", ""])


def card(*lines: str, version: str = "3.0") -> str:
    """A card with ALICE's user id and these lines."""
    return "\n".join(["BEGIN:VCARD", f"VERSION:{version}", f"UID:{ALICE}", *lines, "END:VCARD", ""])


def only(text: str | bytes) -> ImportedContact:
    """The only contact of a file."""
    [contact] = read_contacts(text.encode() if isinstance(text, str) else text)
    return contact


def name(*lines: str, version: str = "3.0") -> str:
    """The username in a card with these lines."""
    return only(card(*lines, version=version)).username


def refusal(text: str | bytes, file_format: FileFormat | None = None) -> ContactFileError:
    """The error for which a file is refused."""
    with pytest.raises(ContactFileError) as refused:
        read_contacts(text.encode() if isinstance(text, str) else text, file_format=file_format)
    return refused.value


def refused_line(text: str | bytes) -> int | None:
    """The line for which a file is refused."""
    return refusal(text).line
