"""Programs that the tests start get the default signal actions, whatever started the tests.

`nohup` ignores SIGHUP, a shell ignores SIGINT and SIGQUIT for what it runs in the background, and a supervisor may
ignore or block others. A child inherits ignored and blocked signals through fork and exec.
"""

from __future__ import annotations

import signal

# Python itself ignores these two, and `subprocess` gives its children the defaults.
_IGNORED_BY_PYTHON = frozenset(
    getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ") if hasattr(signal, name)
)


def give_children_default_signals() -> None:
    """Replace each ignored signal by a handler that does nothing, and unblock all signals; main thread only.

    This process goes on as before: a signal that it ignored still does nothing. In its children, exec resets a handled
    signal to its default, which it does not do for an ignored one. SIGCHLD gets its default here too: where it is
    ignored, the exit codes of children are lost.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - _IGNORED_BY_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL if number is signal.SIGCHLD else _pass_over)


def _pass_over(_number: int, _frame: object) -> None:
    pass
