"""`padding.json`, `parameters.json` and `passwords.json`: sizes, costs and passwords, each limit and one beyond."""

from __future__ import annotations

from typing import Any, Final

from format_vectors.examples import USER, code_of
from obscura_backup_client.sealing.kdf import require_openable, require_sealable
from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
from obscura_backup_client.sealing.padding import padded_bytes, padme
from obscura_backup_client.sealing.passwords import normalize, require_settable
from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES, SealingKey, seal

PARAMETERS: Final = [
    *((memory_kib, 1, 1) for memory_kib in (7, 8)),
    *((memory_kib, 1, 4) for memory_kib in (31, 32)),
    *((64, passes, 1) for passes in (0, 1, 16, 17)),
    *((64, 1, lanes) for lanes in (0, 1, 4, 5)),
    *((memory_kib, 3, 1) for memory_kib in (65535, 65536, 262144, 262145, 524288, 524289)),
    *((65536, passes, 1) for passes in (2, 3, 16, 17)),
    *((65536, 3, lanes) for lanes in (1, 2)),
    (262144, 16, 1),
    (262145, 16, 1),
    (524288, 8, 1),
    (524288, 9, 1),
    (2**32 - 1, 2**32 - 1, 255),
]

# (code points, how often)
SETTABLE: Final = [
    ("a", 12),
    ("a", 13),
    ("e\u0301", 12),
    ("e\u0301", 13),
    ("\u00e9", 512),
    ("\u00e9", 513),
    # As many bytes as these once they are put together, and half as many again before.
    ("e\u0301", 512),
    ("e\u0301", 513),
    ("\u00a0", 13),
    ("\U0001f467", 12),
    ("\U0001f467", 13),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467", 3),
    ("correct horse\n", 1),
    ("correct horse\u0085", 1),
    ("correct horse\ufdd0", 1),
    ("correct horse\u0378", 1),
    ("\ue000", 13),
    # Two rules are broken: the character is told.
    ("\n", 1),
    ("\n", 1025),
]

# Every space that is mapped, with a neighbour of each range that is not; what NFC joins; what must stay as it is.
NORMALIZED: Final = [
    "".join(map(chr, [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000])),
    "\u1fff\u200b\u200c\u200d\u2028\u2060\ufeff",
    " cafe\u0301 ",
    "caf\u00e9",
    "\u1100\u1161\u11a8",
    "\u212b\u2126",
    "\u0041\u0323\u0307 \u0041\u0307\u0323",
    "\ufb01 \uff21 \u00b2",
    "Straße ISTANBUL",
    "\U0001f9d1\u200d\U0001f680",
    "",
]
# UTF-16 code units: what no UTF-8 can hold, and not every JSON parser lets through.
UNWRITABLE: Final = [[0x61, 0xD800], [0xDC00, 0x61], [0xDE80, 0xD83D]]

PADDED_LENGTHS: Final = (0, 1, 8, 9, 1024, 1025, 1088, 16384, 16385, 17408, 1048576, 1048577, 2064384, 2064385)
PAYLOAD_LENGTHS: Final = (0, 1, 16380, 16381, 17404, 17405, 1048572, 1048573, 2064380)
# (bytes of the payload, bytes of a blob that the server takes)
FITTING: Final = [
    (0, 16473),
    (16380, 16474),
    (16381, 17497),
    (16381, 17498),
    (2064380, DEFAULT_MAX_BLOB_BYTES),
    (2064381, DEFAULT_MAX_BLOB_BYTES),
]
_KEY: Final = SealingKey(PROFILES["default"], bytes(16), bytes(32))


def padding() -> dict[str, Any]:
    """Work `padding.json` out."""
    return {
        "padme": [{"length": length, "padded": padme(length)} for length in PADDED_LENGTHS],
        "plaintexts": [{"payload_bytes": size, "plaintext_bytes": padded_bytes(size)} for size in PAYLOAD_LENGTHS],
        "fitting": [
            {
                "payload_bytes": size,
                "max_blob_bytes": most,
                "error": code_of(lambda size=size, most=most: seal(bytes(size), _KEY, USER, max_blob_bytes=most)),
            }
            for size, most in FITTING
        ],
    }


def parameters() -> dict[str, Any]:
    """Work `parameters.json` out."""
    return {
        "parameters": [
            {
                "memory_kib": each.memory_kib,
                "passes": each.passes,
                "lanes": each.lanes,
                "open": opening(each),
                "seal": code_of(lambda each=each: require_sealable(each)) is None,
            }
            for each in (KdfParameters(*costs) for costs in dict.fromkeys(PARAMETERS))
        ]
    }


def passwords() -> dict[str, Any]:
    """Work `passwords.json` out."""
    return {
        "normalized": [
            {"password": text, "utf8": text.encode().hex(), "normalized": normalize(text).hex()} for text in NORMALIZED
        ],
        "unwritable": [
            {"utf16": units, "error": code_of(lambda units=units: normalize("".join(map(chr, units))))}
            for units in UNWRITABLE
        ],
        "settable": [
            {
                "text": text,
                "times": times,
                "error": code_of(lambda password=text * times: require_settable(password)),
            }
            for text, times in SETTABLE
        ],
    }


def opening(parameters: KdfParameters) -> str:
    """Say what a reader does with these parameters: opens, asks or refuses."""
    for answer, verdict in ((False, "opens"), (True, "asks")):
        if code_of(lambda answer=answer: require_openable(parameters, confirm=lambda _: answer)) is None:
            return verdict
    return "refuses"
