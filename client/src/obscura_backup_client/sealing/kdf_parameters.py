"""Argon2id's parameters and the named profiles."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class KdfParameters:
    """The three costs of Argon2id (RFC 9106): memory in KiB, passes over it, and lanes computed side by side."""

    memory_kib: int
    passes: int
    lanes: int

    def __str__(self) -> str:
        return f"Argon2id, memory {self.memory_kib} KiB, passes {self.passes}, lanes {self.lanes}"


PROFILES: Final[Mapping[str, KdfParameters]] = MappingProxyType(
    {
        "default": KdfParameters(memory_kib=128 * 1024, passes=3, lanes=1),
        "low-memory": KdfParameters(memory_kib=64 * 1024, passes=3, lanes=1),
        "desktop": KdfParameters(memory_kib=256 * 1024, passes=3, lanes=1),
    }
)


DEFAULT_PROFILE: Final = PROFILES["default"]
