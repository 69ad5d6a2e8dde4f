"""Bugs to plant in a copy of the client, one at a time: the silence of a fuzzer that misses them proves nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obscura_backup_client
from fuzz import session

if TYPE_CHECKING:
    from fuzz.session import Outcome

CLIENT: Final = Path(obscura_backup_client.__file__).parent


@dataclass(frozen=True)
class Mutant:
    """One bug: what to replace in which module, and the target that has to notice."""

    name: str
    target: str
    module: str
    correct: str
    wrong: str

    def plant(self, folder: Path) -> None:
        """Write a copy of the client with this bug into the folder.

        Raises:
            ValueError: the code that it changes is not there, or more than once: the mutant has to follow the code.
        """
        copy = folder / CLIENT.name
        shutil.copytree(CLIENT, copy, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / self.module
        source = path.read_text(encoding="utf-8")
        if source.count(self.correct) != 1:
            raise ValueError(f"mutant {self.name}: its code is {source.count(self.correct)} times in {self.module}")
        path.write_text(source.replace(self.correct, self.wrong), encoding="utf-8")


MUTANTS: Final = (
    Mutant(
        "groups as deep as they like", "payload", "content/protobuf_wire.py",
        "if depth > MAX_GROUP_DEPTH:", "if depth > 10_000:",
    ),
    Mutant(
        "a contact twice", "payload", "content/rules.py",
        "map(operator.lt, ids, ids[1:])", "map(operator.le, ids, ids[1:])",
    ),
    Mutant(
        "unknown fields of an entry dropped", "payload", "content/codec.py",
        "unknown=unknown_fields(rest, _CONTACT)", "unknown=()",
    ),
    Mutant(
        "a length of three bytes", "plaintext", "sealing/padding.py",
        "int.from_bytes(plaintext[:LENGTH_BYTES]", "int.from_bytes(plaintext[1:LENGTH_BYTES]",
    ),
    Mutant(
        "padding that is not zero", "opener", "sealing/padding.py",
        "if plaintext.count(0, end) != len(plaintext) - end:", "if False:",
    ),
    Mutant(
        "no look at the commitment", "opener", "sealing/sealed.py",
        "if not hmac.compare_digest(commitment, header.commitment):", "if False:",
    ),
    Mutant(
        "more work than the limit", "opener", "sealing/kdf.py",
        "if parameters.memory_kib * parameters.passes > OPENING_MAX_MEMORY_KIB_PASSES:",
        "if parameters.memory_kib * parameters.passes > 2 * OPENING_MAX_MEMORY_KIB_PASSES:",
    ),
    Mutant(
        "a memory limit that comes too late", "opener", "sealing/kdf.py",
        "if parameters.memory_kib > OPENING_MAX_MEMORY_KIB:", "if parameters.memory_kib > 2 * OPENING_MAX_MEMORY_KIB:",
    ),
    Mutant(
        "the first of two equal stamps wins", "merge", "content/merge.py",
        "return entry.stamp_ms, not entry.removed, encode_contact(entry)",
        "return entry.stamp_ms, not entry.removed, b''",
    ),
    Mutant(
        "a tombstone beats what is as new", "merge", "content/merge.py",
        "return entry.stamp_ms, not entry.removed,", "return entry.stamp_ms, entry.removed,",
    ),
    Mutant(
        "a count of true", "answers", "strict_json.py",
        "isinstance(value, int) and not isinstance(value, bool) and", "isinstance(value, int) and",
    ),
    Mutant(
        "credentials in an address", "answers", "transport/address.py",
        "if parts.username is not None or parts.password is not None:", "if parts.password:",
    ),
    Mutant(
        "a count beyond all counts", "state", "strict_json.py",
        "and 0 <= value <= MAX_INTEGER", "and 0 <= value",
    ),
    Mutant(
        "a profile without a time is dated", "exported", "formats/export_reading.py",
        'found.base64("decryption_key"),\n        _stamp(found, "edited_at_ms", now_ms, default=0)',
        'found.base64("decryption_key"),\n        _stamp(found, "edited_at_ms", now_ms, default=1)',
    ),
    Mutant(
        "an error of another kind for nesting", "contacts", "formats/contact_entries.py",
        "except (ValueError, RecursionError):", "except ValueError:",
    ),
)  # fmt: skip


def hunt(mutant: Mutant, folder: Path, *, seconds: int, seed: int) -> tuple[Outcome, float]:
    """Fuzz the client with this bug in it; the outcome, and how many seconds that took from start to end."""
    with tempfile.TemporaryDirectory(prefix="obscura-mutant-") as client:
        mutant.plant(Path(client))
        started = time.monotonic()
        outcome = session.run(
            mutant.target, folder / "mutants" / mutant.name.replace(" ", "-"), seconds=seconds, seed=seed,
            client=Path(client),
        )  # fmt: skip
        return outcome, time.monotonic() - started
