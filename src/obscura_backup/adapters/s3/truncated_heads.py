"""Answers whose head was cut off are no answers.

Python's HTTP client takes the end of a connection for the end of a head. What is cut behind `x-amz-meta-version: 1` of
a version 12 would be version 1, with the right tag to overwrite it by; what is cut earlier would be an object that is
not one of ours.
"""

from __future__ import annotations

from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection  # type: ignore[import-untyped]  # no types

if TYPE_CHECKING:
    from io import BufferedReader


class WholeHead(HTTPResponse):
    """Reads a head to the empty line that ends it.

    Raises:
        IncompleteRead: the connection ended before that (from `begin`).
    """

    def begin(self) -> None:
        """See the base class."""
        lines = _Lines(self.fp)
        self.fp = lines  # type: ignore[assignment]  # all that the base class asks of it here is a line
        try:
            super().begin()
        finally:
            self.fp = lines.file
        if lines.last == b"":
            raise IncompleteRead(b"")


class _Lines:
    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.last: bytes | None = None

    def readline(self, limit: int = -1) -> bytes:
        line = self.file.readline(limit)
        self.last = line
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def demand_whole_heads() -> None:
    """Let all of botocore's connections do so, also by proxies and under TLS: its pools offer no place to say it."""
    for connection in (AWSHTTPConnection, AWSHTTPSConnection):
        connection.response_class = WholeHead
