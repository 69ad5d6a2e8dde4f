"""Writing to streams that may be closed, full or gone: a result that is lost is an error, a remark that is lost is not.

Loaded before everything else, so that it loads next to nothing itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Final, TextIO

import click

_COLOURS: Final = {"Error": "red", "Warning": "yellow"}

# What writing to a stream fails with, as far as it is about where the stream leads.
_LOST_OUTPUT: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def open_closed_descriptors() -> None:
    """Put /dev/null where standard input, output or error is closed.

    Else the next file to be opened, which may be the state, takes its number, and whatever any library writes to
    "standard error" ends up in it. Python has looked already: to it the stream stays closed.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is what the system gives.
            os.open(os.devnull, os.O_RDWR)


def write_stderr(text: str) -> None:
    """Write to standard error, if anybody is there; the word that it begins with in colour, if they may see any."""
    word, colon, rest = text.partition(":")
    if colon and word in _COLOURS and may_style(sys.stderr):
        text = click.style(word + colon, fg=_COLOURS[word], bold=True) + rest
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def may_style(stream: TextIO | None) -> bool:
    """Whether escape sequences may be written there: for colours, or to write a line anew.

    Only to a terminal that knows them, and never where `NO_COLOR` is set and not empty (no-color.org).
    """
    try:
        is_terminal = stream is not None and stream.isatty()
    except ValueError:  # it was closed
        return False
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")


def encodable(text: str, stream: TextIO | None) -> str:
    """The text, in which what the stream's character encoding lacks is written as Python escapes it in a string."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def is_lost_output(error: OSError) -> bool:
    """Whether the error comes from writing to a stream. Those from files have a name, and are caught elsewhere."""
    return error.filename is None and error.errno in _LOST_OUTPUT


def flush_streams(code: int, *, otherwise: int) -> int:
    """Write out what is still buffered; the exit code, or `otherwise` where it was 0 and a result was lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # The interpreter would try again when it ends, fail, and have the last word about it.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or (otherwise if stream is sys.stdout else 0)
    return code
