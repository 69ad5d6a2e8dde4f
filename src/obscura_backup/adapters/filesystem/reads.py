"""Opens and reads a file, on request only as far as the kernel has it in memory.

The event loop may do the latter itself, which costs a fifth of a switch to another thread and back. Whatever is not in
memory fails with an `OSError` at once, and so does everything on a system that cannot tell (before Linux 5.12).
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_OPENAT2 = 437  # number of the system call
_AT_FDCWD = -100
_RESOLVE_CACHED = 0x20


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_CACHED = _OpenHow(_FLAGS, 0, _RESOLVE_CACHED)
_syscall = ctypes.CDLL(None, use_errno=True).syscall if sys.platform == "linux" else None


def open_file(path: str, *, wait: bool) -> int:
    """The descriptor of a file to read.

    Args:
        path: of the file.
        wait: whether to wait for the disk if a directory or the file is not in memory.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be opened; or not without waiting.
    """
    if wait:
        return os.open(path, _FLAGS)
    if _syscall is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    file: int = _syscall(_OPENAT2, _AT_FDCWD, os.fsencode(path), ctypes.byref(_CACHED), ctypes.sizeof(_CACHED))
    if file < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return file


def read_file(file: int, length: int, offset: int, *, wait: bool) -> bytes | bytearray:
    """`length` bytes from `offset`; with `wait` fewer if the file ends before.

    Raises:
        OSError: they cannot be read; or not without waiting.
    """
    if wait:
        return os.pread(file, length, offset)
    buffer = bytearray(length)
    if os.preadv(file, [buffer], offset, os.RWF_NOWAIT) < length:
        raise BlockingIOError
    return buffer
