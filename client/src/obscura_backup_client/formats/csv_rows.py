"""Reads CSV row by row, each with its line: RFC 4180, and the variants that spreadsheets and people write.

Blanks around a quoted cell are accepted. The standard library's reader accepts them only before the opening quote.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from obscura_backup_client.formats.errors import ContactFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE_BREAK: Final = re.compile(r"\r\n|\n|\r")


def csv_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the number of its first line. Blanks around a quoted cell are dropped.

    Raises:
        ContactFileError: a quoted cell has no end, or text follows its end.
    """
    cells, begin, line = _Cells(text, delimiter), 0, 1
    while begin < len(text):
        found = _LINE_BREAK.search(text, begin)
        end = found.start() if found else len(text)
        first = line
        if text.find('"', begin, end) < 0:
            row = text[begin:end].split(delimiter)
        else:
            row, end, line = cells.row(begin, line)
            found = _LINE_BREAK.match(text, end)
        yield first, row
        begin, line = found.end() if found else len(text), line + 1


class _Cells:
    """The cells of one text with one delimiter."""

    def __init__(self, text: str, delimiter: str) -> None:
        blanks = " *+" if delimiter == "\t" else "[ \t]*+"
        end = rf"(?={re.escape(delimiter)}|[\r\n]|\Z)"
        self._text = text
        self._delimiter = delimiter
        self._quoted = re.compile(rf'{blanks}"([^"]*+(?:""[^"]*+)*+)("?){blanks}({end})?')
        self._bare = re.compile(rf"[^{re.escape(delimiter)}\r\n]*+")

    def row(self, begin: int, line: int) -> tuple[list[str], int, int]:
        """Read the row that begins there. Returns its cells, the position of its end, and the line of its end."""
        row: list[str] = []
        while True:
            cell, begin = self._cell(begin, line)
            row.append(cell)
            line += len(_LINE_BREAK.findall(cell))
            if not self._text.startswith(self._delimiter, begin):
                return row, begin, line
            begin += 1

    def _cell(self, begin: int, line: int) -> tuple[str, int]:
        found = self._quoted.match(self._text, begin)
        if found is None:
            end = found.end() if (found := self._bare.match(self._text, begin)) else begin
            return self._text[begin:end], end
        if not found[2]:
            raise ContactFileError("not valid CSV (the quoted cell that begins here has no end)", line)
        if found[3] is None:
            line += len(_LINE_BREAK.findall(found[1]))
            raise ContactFileError("not valid CSV (text follows the end of a quoted cell)", line)
        return found[1].replace('""', '"'), found.end()
