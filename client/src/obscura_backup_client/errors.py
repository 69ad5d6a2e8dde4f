"""Every error that this package raises on purpose: one root, a stable `code` each, the facts as attributes."""

from __future__ import annotations

from typing import ClassVar


class ClientError(Exception):
    """The root. `str()` of it is a sentence for a person and never holds a secret."""

    code: ClassVar[str] = "error"
