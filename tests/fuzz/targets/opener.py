"""The opener: bytes from anywhere open if and only if they are exactly what was sealed, for the user it was sealed for.

The first byte of an input says what the rest is: a blob as it comes, changes to a sealed one, a header to derive a key
for, or a plaintext to seal. The Argon2id of the third is a cheap one that ends the run when it is called beyond the
limits. What must come out is computed from `docs/format.md` anew, and not from the client's code.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Final
from unittest.mock import patch
from uuid import UUID

from fuzz.choices import Choices
from fuzz.targets import plaintext
from obscura_backup_client.errors import ClientError
from obscura_backup_client.sealing import sealed
from obscura_backup_client.sealing.kdf_parameters import KdfParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obscura_backup_client.sealing.kdf import ConfirmMemory

MAX_BYTES: Final = 2048
HEADER_BYTES, SMALLEST_BYTES = 74, 94
ALICE = UUID("00112233-4455-6677-8899-aabbccddeeff")
BOB = UUID("ffeeddcc-bbaa-9988-7766-554433221100")
PASSWORD = "correct horse battery"
TINY = KdfParameters(memory_kib=8, passes=1, lanes=1)
SALT, NONCE = bytes(range(16)), bytes(range(16, 28))
PAYLOADS = (b"", b"hi", b"\0", b"payload " * 20)

_EDGES = (0, 1, 4, 7, 8, 16, 17, 32, 255, 2**18, 2**18 + 1, 2**19, 2**19 + 1, 2**20, 2**28, 2**31, 2**32 - 1)


def _refusal(memory_kib: int, passes: int, lanes: int) -> str | None:
    fits = 1 <= lanes <= 4 and 1 <= passes <= 16 and 8 * lanes <= memory_kib <= 512 * 1024
    return None if fits and memory_kib * passes <= 4 * 1024 * 1024 else "refused-parameters"


def _cheap_argon2id(password: bytes, salt: bytes, parameters: KdfParameters) -> bytes:
    costs = (parameters.memory_kib, parameters.passes, parameters.lanes)
    assert _refusal(*costs) is None, f"a key is derived beyond the limits: {parameters}"
    return hashlib.sha256(repr((password, salt, costs)).encode()).digest()


KEY = sealed.SealingKey(TINY, SALT, _cheap_argon2id(PASSWORD.encode(), SALT, TINY))


def _sealed(content: bytes, key: sealed.SealingKey = KEY) -> bytes:
    return sealed.seal_plaintext(content, key, ALICE, nonce=NONCE)


SEALED = {_sealed(len(each).to_bytes(4, "big") + each + bytes(7)): each for each in PAYLOADS}
BLOBS = tuple(SEALED)
HEADERS = {blob[:HEADER_BYTES] for blob in BLOBS}


def seeds() -> Iterator[bytes]:
    """Each way of reading an input, with something that opens and something that does not."""
    for blob in BLOBS:
        yield b"\0" + blob
        yield b"\0" + b"OBK2" + blob[4:]
    yield b"\1\0\0"
    yield from (
        bytes([1, 0, 1, operation, 0, place, 1]) for operation in range(4) for place in (0, 4, 13, 14, 31, 43, 80)
    )
    yield b"\2" + bytes(60)
    yield b"\2\0\1" + bytes([1, 4, 1, 1, 1, 1]) + bytes(60)
    yield from (b"\3" + each for each in plaintext.seeds() if len(each) < MAX_BYTES)


def check(data: bytes) -> None:
    """See the module."""
    choices = Choices(data)
    way = choices.below(4)
    if way == 0:
        _check_blob(choices.rest())
    elif way == 1:
        blob = choices.pick(BLOBS)
        for _ in range(choices.below(4)):
            blob = _write(blob, choices)
        _check_blob(blob)
    elif way == 2:
        _check_derivation(choices)
    else:
        _check_plaintext(choices.rest())


def _write(blob: bytes, choices: Choices) -> bytes:
    operation, place = choices.below(4), choices.integer(2) % (len(blob) + 1)
    if operation == 0:
        return blob[:place] + bytes([each ^ choices.integer() for each in blob[place : place + 1]]) + blob[place + 1 :]
    if operation == 1:
        return blob[:place]
    if operation == 2:
        return blob[:place] + choices.take(choices.below(20)) + blob[place:]
    other = choices.pick(BLOBS)
    return blob[:place] + other[place:]


def _check_blob(blob: bytes) -> None:
    expected = _expected(blob)
    assert _outcome(blob, KEY) == expected
    if isinstance(expected, bytes):
        assert _outcome(blob, KEY, BOB) == "damaged", "another user's backup was opened"
    try:
        header = sealed.read_header(blob)
    except ClientError:
        return
    assert header.encoded == blob[:HEADER_BYTES]


def _check_derivation(choices: Choices) -> None:
    """The password instead of a kept key, for an invented header."""
    memory_kib, passes, lanes = (choices.pick(_EDGES) if choices.flag() else choices.integer(4) for _ in range(3))
    agrees, lanes = choices.flag(), lanes & 0xFF
    asked = []
    head = struct.pack(">4sBIIB", b"OBK1", 1, memory_kib, passes, lanes)
    blob = head + choices.rest().ljust(80, b"\0")
    refused = _refusal(memory_kib, passes, lanes)
    if refused is None:
        parameters = KdfParameters(memory_kib, passes, lanes)
        key = sealed.SealingKey(parameters, SALT, _cheap_argon2id(PASSWORD.encode(), SALT, parameters))
        blob = _sealed(b"\0\0\0\2hi", key)

    def confirm(parameters: KdfParameters) -> bool:
        asked.append(parameters)
        return agrees

    with patch.object(sealed, "argon2id", _cheap_argon2id):
        outcome = _outcome(blob, PASSWORD, confirm=confirm)
    asks = refused is None and memory_kib > 256 * 1024
    assert len(asked) == asks, "asked without need, or not at all"
    assert outcome == (refused or ("refused-parameters" if asks and not agrees else b"hi"))


def _check_plaintext(content: bytes) -> None:
    """What authenticates is not believed to be well laid out."""
    expected = plaintext._specified(content)
    assert _outcome(_sealed(content), KEY) == ("damaged" if expected is None else expected)


def _outcome(
    blob: bytes,
    secret: str | sealed.SealingKey,
    user_id: UUID = ALICE,
    *,
    confirm: ConfirmMemory = lambda _: False,
) -> bytes | str:
    try:
        return sealed.open_sealed(blob, secret, user_id, confirm=confirm).payload
    except ClientError as error:
        return error.code


def _expected(blob: bytes) -> bytes | str:
    """What opening with the kept key comes to, by "Reading" in `docs/format.md`."""
    if blob[:4] != b"OBK1":
        newer = blob[:3] == b"OBK" and blob[3:4] in [b"%d" % digit for digit in range(10)]
        return "newer-format" if newer else "not-a-backup"
    if len(blob) < SMALLEST_BYTES:
        return "damaged"
    kdf, memory_kib, passes, lanes = struct.unpack(">BIIB", blob[4:14])
    refused = "refused-parameters" if kdf != 1 else _refusal(memory_kib, passes, lanes)
    if refused is not None:
        return refused
    if (memory_kib, passes, lanes, blob[14:30]) != (8, 1, 1, SALT):
        return "different-key"
    if blob[:HEADER_BYTES] not in HEADERS:
        return "wrong-password"
    return SEALED.get(blob, "damaged")
