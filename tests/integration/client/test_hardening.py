"""The protection of the command's own process."""

from __future__ import annotations

import subprocess
import sys


def test_a_process_leaves_no_core_dump_and_its_memory_is_private() -> None:
    code = (
        "import ctypes, resource, sys\nfrom obscura_backup_client.cli.terminal.hardening import harden\nharden()\n"
        "dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == 'linux' else 0\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), dumpable)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "(0, 0) 0\n"
