"""Exported content: any bytes are an export or refused as none, and each content goes out and comes back as it was."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

from fuzz.choices import Choices
from fuzz.contents import content
from fuzz.json_documents import changed, changes
from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.formats.errors import ExportRefused
from obscura_backup_client.formats.export_reading import decode_payload
from obscura_backup_client.formats.export_writing import encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 4096
_FULL = random.Random(1).randbytes(120)
_DOCUMENT: dict[str, Any] = json.loads(encode_payload(content(Choices(_FULL))))


def seeds() -> Iterator[bytes]:
    """An export, as it is and with a value in each place; contents to go out; no exports."""
    yield b"\1" + json.dumps(_DOCUMENT).encode()
    yield from (b"\1" + each for each in (b"", b"{}", b"[" * 2000, b'{"format":"obscura-backup-payload","version":1}'))
    yield from (b"\2" + random.Random(size).randbytes(size) for size in (0, 20, 60, 120))
    yield from (b"\0" + each for each in changes(60))


def check(data: bytes) -> None:
    """See the module."""
    choices = Choices(data)
    way = choices.below(3)
    if way == 2:
        original = content(choices)
        back = decode_payload(encode_payload(original))
        assert back.dated == original, "going out and coming back changes the content"
        assert (back.has_identity, back.undated_contacts, back.undated_profile) == (True, (), None)
        return
    try:
        found = decode_payload(choices.rest() if way else changed(_DOCUMENT, choices))
    except ExportRefused as refused:
        assert refused.__cause__ is None, "a refusal may quote the content"
        str(refused).encode()
        return
    assert decode(encode(found.dated)) == found.dated, "what was taken cannot be sealed"
    assert decode_payload(encode_payload(found.dated)).dated == found.dated
    assert all(each.stamp_ms == 0 for each in found.undated_contacts)
    assert found.undated_profile is None or (found.undated_profile.stamp_ms, found.dated.profile) == (0, None)
