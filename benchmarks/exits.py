"""The exit codes of the commands that measure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.cases import NoSuchCase
from benchmarks.generator import BuildFailed
from benchmarks.testbeds import prepare_to_be_ended

if TYPE_CHECKING:
    from collections.abc import Callable

INVALID, USAGE, IMPOSSIBLE, INTERRUPTED = 1, 2, 3, 130


def exit_code(measure: Callable[[], int]) -> int:
    """The code of a command that may be ended at any time; the reason of a failure goes to standard error."""
    prepare_to_be_ended()
    try:
        return measure()
    except (NoSuchCase, BuildFailed) as error:
        sys.stderr.write(f"bench: {error}\n")
        return USAGE
    except pytest.skip.Exception as missing:
        sys.stderr.write(f"bench: not possible here. {missing}\n")
        return IMPOSSIBLE
    except KeyboardInterrupt:
        return INTERRUPTED
