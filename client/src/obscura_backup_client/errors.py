"""The root of all errors of this package. Each error has a stable `code` and its facts as attributes."""

from __future__ import annotations

from typing import ClassVar


class ClientError(Exception):
    """The root. `str()` gives a sentence for a person, which never contains a secret."""

    code: ClassVar[str] = "error"
