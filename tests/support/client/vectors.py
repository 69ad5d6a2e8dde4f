"""The published vectors, `tests/vectors/*.json`, and the content that their JSON stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from obscura_backup_client.content.model import Backup, Contact, Identity, Profile, Writer

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "vectors"


def vectors(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return document


def named(rows: list[dict[str, Any]]) -> list[Any]:
    """Parameters of a test, each with its name as id."""
    return [pytest.param(row, id=row["name"]) for row in rows]


def counted(row: dict[str, Any]) -> bytes:
    """The long payload whose parts are in a row."""
    before, after = bytes.fromhex(row["before"]), bytes.fromhex(row["after"])
    entries = (before + number.to_bytes(16, "big") + after for number in range(row["count"]))
    return bytes.fromhex(row["head"]) + b"".join(entries)


def content_of(document: dict[str, Any]) -> Backup:
    """The content that a vector file has as JSON."""
    identity, profile = document["identity"], document["profile"]
    return Backup(
        identity=Identity(
            _hex(identity, "public_key"), _hex(identity, "private_key"), identity["epoch"], _unknown(identity)
        ),
        contacts=tuple(
            Contact(
                UUID(each["user_id"]),
                each["username"],
                _hex(each, "identity_key"),
                each["stamp_ms"],
                each["removed"],
                _unknown(each),
            )
            for each in document["contacts"]
        ),
        profile=None
        if profile is None
        else Profile(profile["attachment_id"], _hex(profile, "decryption_key"), profile["stamp_ms"], _unknown(profile)),
        writers=tuple(Writer(_hex(each, "device_id"), each["seq"], _unknown(each)) for each in document["writers"]),
        key_epoch=document["key_epoch"],
        sealed_at_ms=document["sealed_at_ms"],
        device_name=document["device_name"],
        unknown=_unknown(document),
    )


def _hex(entry: dict[str, Any], member: str) -> bytes:
    return bytes.fromhex(entry[member])


def _unknown(entry: dict[str, Any]) -> tuple[tuple[int, bytes], ...]:
    return tuple((number, bytes.fromhex(encoded)) for number, encoded in entry["unknown"])
