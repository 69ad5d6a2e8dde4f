"""The steps of `devices.json`: what a device does, what it seals and remembers, and how the file writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from format_vectors.contents import BOB, LAPTOP, NOW_MS, PHONE, backup, contact
from obscura_backup_client.content.codec import encode
from obscura_backup_client.content.model import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obscura_backup_client.content.model import Backup

NEW: Final = b"\x33" * 16
ALICE_HERE: Final = contact()
BOB_HERE: Final = contact(BOB, "bob", NOW_MS + 1)


@dataclass(frozen=True)
class Held:
    """A sealed backup: its content, and a name that stands for its bytes."""

    bytes: str
    content: Backup


@dataclass(frozen=True)
class Step:
    """What a device does with what the server holds, and what comes of it.

    `seq` and `remembers` are those of the device afterwards; `sealed` is what it uploads, None where it uploads
    nothing.
    """

    do: str
    seq: int
    remembers: Held | None
    server: Held | None = None
    sealed: Held | None = None
    answer: str = "stored"
    error: str | None = None
    reasons: tuple[str, ...] = ()
    accept: bool = False
    keep: str | None = None
    new_password: bool = False
    now_ms: int = NOW_MS
    may_be_gone: bool = False
    device_id: bytes | None = PHONE


@dataclass(frozen=True)
class Sequence:
    """A device as it is at first, which remembers nothing, and its steps. None: it is new."""

    name: str
    content: Backup | None
    steps: tuple[Step, ...]
    seq: int = 0


def held(name: str, *contacts: Any, vector: Mapping[bytes, int], by: str = "phone", **others: Any) -> Held:
    """Give a backup that some device sealed."""
    writers = tuple(Writer(device, seq) for device, seq in sorted(vector.items()))
    facts = {"writers": writers, "key_epoch": 1, "sealed_at_ms": NOW_MS, "device_name": by, **others}
    return Held(name, backup(*(contacts or (ALICE_HERE,)), **facts))


def put(seq: int, remembers: Held) -> Step:
    """Give the edit that adds Bob."""
    return Step("put", seq, remembers)


START: Final = backup(ALICE_HERE)
ONE: Final = held("phone 1", vector={PHONE: 1})
FIRST: Final = Step("push", 1, ONE, None, ONE)
TWO: Final = held("phone 2", ALICE_HERE, BOB_HERE, vector={PHONE: 2})
SECOND: Final = (put(1, ONE), Step("push", 2, TWO, ONE, TWO))
THEIRS: Final = held("laptop 1", vector={LAPTOP: 1}, by="laptop")
SUSPECTED: Final = "rollback-suspected"
OLDER: Final = ("older-writers",)
GONE: Final = ("gone",)


def shown(step: Step) -> dict[str, Any]:
    """Give a step as the file writes it."""
    after = {
        "device_id": None if step.device_id is None else step.device_id.hex(),
        "seq": step.seq,
        "remembered": None if step.remembers is None else last_seen(step.remembers, may_be_gone=step.may_be_gone),
    }
    if step.do == "put":
        edit = {"user_id": str(BOB), "username": "bob", "identity_key": BOB_HERE.identity_key.hex()}
        return {"do": step.do, "now_ms": NOW_MS, "edit": {"do": step.do, **edit}, "after": after}
    return {
        "do": step.do,
        "now_ms": step.now_ms,
        "server": None if step.server is None else sealed(step.server),
        "accept": step.accept,
        "keep": step.keep,
        "new_password": step.new_password,
        "answer": step.answer,
        "error": step.error,
        "reasons": list(step.reasons),
        "sealed": None if step.sealed is None else sealed(step.sealed),
        "after": after,
    }


def sealed(backup_: Held) -> dict[str, str]:
    """Give a sealed backup: what stands for its bytes, and its payload."""
    return {"bytes": backup_.bytes, "payload": encode(backup_.content).hex()}


def last_seen(backup_: Held, *, may_be_gone: bool) -> dict[str, Any]:
    """Give what a device keeps of a sealed backup."""
    content = backup_.content
    return {
        "vector": {device_id.hex(): seq for device_id, seq in sorted(content.vector.items())},
        "bytes": backup_.bytes,
        "key_epoch": content.key_epoch,
        "format": 1,
        "may_be_gone": may_be_gone,
    }
