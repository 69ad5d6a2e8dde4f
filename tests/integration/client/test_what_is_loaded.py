"""The modules that a fresh process loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import UUID

from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.sealed import SealingKey, seal
from support.client.terminal import HEAVY

BLOB = seal(b"x" * 30_000, SealingKey(KdfParameters(131072, 3, 1), b"s" * 16, b"r" * 32), UUID(int=1))


def test_importing_the_package_loads_its_version_alone() -> None:
    code = (
        "import sys, obscura_backup_client\nprint(*(n for n in sys.modules if n.startswith('obscura_backup_client')))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert sorted(shown.split()) == ["obscura_backup_client", "obscura_backup_client.version"]


def test_help_loads_nothing_heavy_and_no_command() -> None:
    code = (
        "import sys\nsys.argv = ['obscura-client', '--help']\nfrom obscura_backup_client.cli import main\n"
        "assert main() == 0\nprint(*sys.modules, file=sys.stderr)"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()
    )
    assert "click" in loaded
    assert loaded & HEAVY == set()
    assert [name for name in loaded if name.startswith("obscura_backup_client.cli.commands")] == []


def test_importing_loads_no_native_library() -> None:
    """The command line imports these modules for every command, also for those that derive nothing."""
    program = (
        "import sys, obscura_backup_client.sealing.sealed, obscura_backup_client.formats.contacts\n"
        "print([name for name in ('argon2', 'cryptography', 'zxcvbn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_inspect_loads_neither_ciphers_nor_the_network(tmp_path: Path) -> None:
    (tmp_path / "backup.obk").write_bytes(BLOB)
    code = (
        "import sys\nsys.argv = ['obscura-client', 'inspect', sys.argv[1]]\n"
        "from obscura_backup_client.cli import main\ncode = main()\n"
        f"loaded = {HEAVY!r} & set(sys.modules)\nsys.exit(str(loaded) if loaded else code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "backup.obk")], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_hidden_progress_line_loads_nothing() -> None:
    code = (
        "import sys\nfrom obscura_backup_client.cli.terminal.progress import ProgressLine\n"
        "from obscura_backup_client.operations.results import Step\n"
        "ProgressLine(shown=False).on_step(Step.DERIVING)\nassert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
