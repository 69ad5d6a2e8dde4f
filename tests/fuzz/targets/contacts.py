"""Contact files: whatever is in one, either all of its contacts are valid ones, or a `ContactFileError` says where not.

The first byte of an input says which format the reader is told to expect.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Final

from obscura_backup_client.content.names import username_problem
from obscura_backup_client.formats.contacts import FileFormat, ImportedContact, read_contacts
from obscura_backup_client.formats.errors import ContactFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 4096
_FORMATS: Final[tuple[FileFormat | None, ...]] = (None, "csv", "json", "vcard")
_ID, _OTHER = "0b0b0b0b-0000-4000-8000-000000000b0b", "6ba7b8109dad11d180b400c04fd430c8"
_KEY = "S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s="
_FILES = (
    f"user_id,name\n{_ID},Bob\n",
    f'sep=;\r\nFirst Name;Last Name;uid;key\r\nBob;"B; ""b""";urn:uuid:{_ID};{_KEY}\r\n;;;\r\n',
    f"{_ID}\tBob\t{'4b' * 32}\n{_OTHER}\tEve\t\n",
    f'[{{"user_id":"{_ID}","displayName":"Bob","identity_key":"{_KEY}"}},{{"id":"{_OTHER}","name":"Eve"}}]',
    f'{{"contacts":{{"{_ID}":"Bob","{_OTHER}":{{"name":"\\ud83e\\uddd1"}}}}}}',
    f'{{"contacts":[{{"uuid":"{_ID}","username":null,"firstName":"B","surname":"b"}}]}}',
    (
        f"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:{_ID}\r\nFN:Bob\\, B\r\nKEY:data:application/octet-stream;"
        f"base64,\r\n {_KEY}\r\nEND:VCARD\r\n"
    ),
    (
        f"BEGIN:VCARD\nVERSION:2.1\nUID:{_OTHER}\nN;CHARSET=iso-8859-1;ENCODING=QUOTED-PRINTABLE:B=F6b;=\n=41\nKEY;B:{_KEY}\n"
        f"x\nEND:VCARD\n"
    ),
    (
        f'BEGIN:VCARD\nitem1.UID:{_ID}\nNICKNAME;TYPE="a;b:c":,Bob\nKEY;PGP:x\nKIND:individual\nEND:VCARD\n'
        f"BEGIN:VCARD\nKIND:group\nEND:VCARD\n"
    ),
    (
        f"BEGIN:VCARD\nVERSION:3.0\nUID:{_ID}\nFN:Bob\nNOTE:a\nb\nX_Y Z:c\nEND:VCARDBEGIN:VCARD\nVERSION:2.1\n"
        f"UID:{_OTHER}\nFN;CHARSET=GB2312;ENCODING=QUOTED-PRINTABLE:=C4=E3=\n  =BA=C3\n"
        f"AGENT:\nBEGIN:VCARD\nFN:x\nEND:VCARD\n\ufeff\nEND:VCARD\n\ufeffBEGIN:VCARD\n\n"
    ),
    f' "uuid" , "name"\n{_ID}, "B, ""b"" " \n',
)


def seeds() -> Iterator[bytes]:
    """Files of each format, in more than one encoding."""
    for text in _FILES:
        yield b"\0" + text.encode()
    yield b"\0" + _FILES[0].encode("utf-16")
    yield b"\0" + _FILES[6].encode("utf-16-be")
    yield b"\3" + f"BEGIN:VCARD\nUID:{_ID}\nFN;CHARSET=windows-1251:\u0411\nEND:VCARD\n".encode("cp1251")
    yield b"\0\xef\xbb\xbf" + _FILES[3].encode()
    yield b"\0\xff"
    yield b"\2" + b"[" * 2000
    yield b"\2" + b'{"a":' + b"9" * 4000
    yield b"\1" + f'user_id,name\n{_ID},"B\nb"\n'.encode()


def check(data: bytes) -> None:
    """See the module."""
    content = data[1:]
    try:
        contacts = read_contacts(content, file_format=_FORMATS[data[0] % 4] if data else None)
    except ContactFileError as refused:
        assert refused.line is None or refused.line >= 1
        str(refused).encode()
        return
    assert contacts, "a file without contacts was taken"
    assert len({each.user_id for each in contacts}) == len(contacts), "a user is in it twice"
    for each in contacts:
        assert username_problem(each.username) is None
        assert each.username == each.username.strip()
        assert len(each.identity_key) == 0 or 16 <= len(each.identity_key) <= 4096
    assert read_contacts(_as_csv(contacts), file_format="csv") == contacts, "written as CSV it reads as something else"
    assert read_contacts(_as_json(contacts), file_format="json") == contacts
    written = _as_vcards(contacts)
    assert read_contacts(written.encode(), file_format="vcard") == contacts
    # Whatever is done to a file on its way, as long as nothing of it is lost.
    for damaged in (written.replace("\n", "\n\n"), written.replace("END:VCARD\n", "END:VCARD"), "\ufeff" + written):
        assert read_contacts(damaged.encode(), file_format="vcard") == contacts
    assert read_contacts(written.encode("utf-16"), file_format="vcard") == contacts


def _as_csv(contacts: list[ImportedContact]) -> bytes:
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(["user_id", "username", "identity_key"])
    table.writerows([each.user_id, each.username, each.identity_key.hex()] for each in contacts)
    return written.getvalue().encode()


def _as_vcards(contacts: list[ImportedContact]) -> str:
    def escaped(name: str) -> str:
        return re.sub(r"([\\,;])", r"\\\1", name)

    return "".join(
        f"BEGIN:VCARD\nVERSION:3.0\nUID:{each.user_id}\nFN;CHARSET=windows-1252:{escaped(each.username)}\nNOTE:a\nb\n"
        f"KEY:{each.identity_key.hex()}\nEND:VCARD\n"
        for each in contacts
    )


def _as_json(contacts: list[ImportedContact]) -> bytes:
    members = [
        {"user_id": each.user_id.hex, "username": each.username, "identity_key": each.identity_key.hex()}
        for each in contacts
    ]
    return json.dumps(members).encode()
