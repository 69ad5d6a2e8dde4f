"""The process that fuzzes: one target, until the fuzzer is told to stop or something is found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from collections.abc import Callable

# Only what is ours is measured: coverage of the libraries would reward inputs for exploring them.
with atheris.instrument_imports(include=["obscura_backup_client"]):
    from fuzz import targets

    TARGET = targets.load(sys.argv[1])


def main() -> None:
    """Fuzz. The arguments after the target's name are the fuzzer's own."""
    mutate: Callable[[bytes, int, int, Callable[[bytes, int], bytes]], bytes] | None = getattr(TARGET, "mutate", None)
    arguments = [sys.argv[0], f"-max_len={TARGET.MAX_BYTES}", *sys.argv[2:]]
    if mutate is None:
        atheris.Setup(arguments, TARGET.check)
    else:
        changed = mutate
        atheris.Setup(
            arguments,
            TARGET.check,
            custom_mutator=lambda data, most_bytes, seed: changed(data, most_bytes, seed, atheris.Mutate),
        )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
