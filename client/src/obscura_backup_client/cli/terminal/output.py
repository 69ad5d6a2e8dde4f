"""Writing to streams that may be closed or full. A lost result is an error; a lost message is not.

This module is loaded first, so it imports very little.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Final, TextIO

import click

_COLOURS: Final = {"Error": "red", "Warning": "yellow"}

# Errors of writing that concern the stream's target.
_LOST_OUTPUT: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def open_closed_descriptors() -> None:
    """Open /dev/null for each of standard input, output and error that is closed.

    Otherwise the next opened file, perhaps the state, gets that number, and a library that writes to "standard error"
    writes into it. Python has already checked the streams and still treats them as closed.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The system uses the lowest free number.
            os.open(os.devnull, os.O_RDWR)


def write_stderr(text: str) -> None:
    """Write a line to standard error, and ignore failures. A leading "Error" or "Warning" is coloured on a terminal."""
    word, colon, rest = text.partition(":")
    if colon and word in _COLOURS and may_style(sys.stderr):
        text = click.style(word + colon, fg=_COLOURS[word], bold=True) + rest
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def may_style(stream: TextIO | None) -> bool:
    """Whether the stream accepts escape sequences, for colours or to rewrite a line.

    Only a terminal that supports them does, and none if `NO_COLOR` is set and not empty (no-color.org).
    """
    try:
        is_terminal = stream is not None and stream.isatty()
    except ValueError:  # it was closed
        return False
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")


def encodable(text: str, stream: TextIO | None) -> str:
    """The text, with Python escapes for characters that the stream's encoding cannot represent."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def is_lost_output(error: OSError) -> bool:
    """Whether the error comes from writing to a stream. Errors of files have a file name and are handled elsewhere."""
    return error.filename is None and error.errno in _LOST_OUTPUT


def flush_streams(code: int, *, otherwise: int) -> int:
    """Flush the streams. Returns the exit code, or `otherwise` if it was 0 and a result was lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # Otherwise the interpreter flushes again at its end, fails, and changes the exit code.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or (otherwise if stream is sys.stdout else 0)
    return code
