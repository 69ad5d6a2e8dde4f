"""Cuts received bytes at the ends of heads and bodies, so that each request line is seen as it was sent.

The parser takes a read of any shape, with several requests in it, and does not say where one begins. It also skips
blanks in a request line, where another program may take `GET  /a HTTP/1.1` for a request for the empty path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECES_MAX = 64
"""Pieces per read. Random bytes need hardly any; a chunked body of empty lines would need thousands."""

_END = b"\r\n\r\n"
"""The end of a head; and of a chunked body, at the latest occurrence."""
_OVERLAP = len(_END) - 1
# One space between the parts (RFC 9112, 3). Method and target are checked elsewhere.
_REQUEST_LINE = re.compile(rb"[!-~]+ [!-~]+ HTTP/[0-9]\.[0-9]\r\n")


class MessageSplitter:
    """The position in the stream of one connection; the parser's callbacks report where heads and bodies end.

    Attributes:
        may_miss_start: whether the current piece may hold the start of a message whose line was not seen here.
    """

    def __init__(self) -> None:
        self.may_miss_start = False
        self._in_head = True
        self._line = b""
        self._has_line = False
        self._left_bytes: int | None = None
        self._tail = b""

    @property
    def has_strict_line(self) -> bool:
        """Whether the request line of the current head is method, target and version with one space between each."""
        return self._has_line and _REQUEST_LINE.fullmatch(self._line) is not None

    def pieces(self, data: bytes) -> Iterator[memoryview]:
        """The same bytes in pieces, without a copy. Parse each one before you take the next."""
        begin, view = 0, memoryview(data)
        for _ in range(PIECES_MAX):
            end = self._end_of_piece(data, begin)
            piece = view[begin:end]
            if self._in_head and not self._has_line:
                self._read_line(piece)
            yield piece
            begin = end
            if begin == len(data):
                return
        self.may_miss_start = True
        yield view[begin:]
        self.may_miss_start = False

    def begin_body(self, length_bytes: int | None) -> None:
        """The head is complete. None if its body is chunked."""
        self._in_head = False
        self._left_bytes = length_bytes
        self._tail = b""

    def begin_head(self) -> None:
        """The message is complete."""
        self._in_head, self._has_line, self._line = True, False, b""
        self._left_bytes = None
        self._tail = b""

    def _end_of_piece(self, data: bytes, begin: int) -> int:
        if self._left_bytes:
            end = min(begin + self._left_bytes, len(data))
            self._left_bytes -= end - begin
            return end
        # The end may have begun in an earlier piece.
        near = (self._tail + data[begin : begin + _OVERLAP]).find(_END)
        found = begin - len(self._tail) + near if near >= 0 else data.find(_END, begin)
        if near < 0 and found < 0:
            self._tail = (self._tail + data[max(begin, len(data) - _OVERLAP) :])[-_OVERLAP:]
            return len(data)
        self._tail = b""
        return found + len(_END)

    def _read_line(self, piece: memoryview) -> None:
        # Empty lines before a request are skipped, as in the parser (RFC 9112, 2.2).
        line, newline, _ = (self._line + piece).lstrip(b"\r\n").partition(b"\n")
        self._line, self._has_line = line + newline, bool(newline)
