"""Zero knowledge as a property of the import graph: the server has nothing to look into a backup with."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import obscura_backup

FORBIDDEN = ("argon2", "cryptography", "Crypto", "google.protobuf", "minio", "nacl", "obscura_backup_client")
ROOT = Path(__file__).parents[3]
MODULES = sorted(Path(obscura_backup.__file__).parent.rglob("*.py"))


def imported(module: Path) -> set[str]:
    """What a module imports, or nothing where no forbidden name is in its text."""
    names: set[str] = set()
    text = module.read_text(encoding="utf-8")
    if not any(name.rpartition(".")[2] in text for name in FORBIDDEN):
        return names  # parsing all modules would take half a second
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_no_module_of_the_server_imports_a_cipher_a_kdf_or_the_payload() -> None:
    assert len(MODULES) > 20
    for module in MODULES:
        for name in imported(module):
            if module.name != "minio_users.py" or not name.startswith("minio"):
                assert not name.startswith(FORBIDDEN), f"{module.name} imports {name}"


def locked(name: str) -> set[str]:
    """The names of the packages in a lock."""
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


def test_lock_of_the_server_holds_no_kdf_and_no_cipher_but_for_verifying_tokens() -> None:
    packages = locked("server.txt")
    assert {"litestar", "pyjwt", "cryptography"} <= packages
    unwanted = ("argon2", "minio", "obscura", "protobuf", "pycrypto", "pynacl", "scrypt", "zxcvbn")
    assert [name for name in packages if name.startswith(unwanted)] == []


def test_lock_of_the_extra_is_made_from_the_extra() -> None:
    (extra,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["minio"]
    assert extra in (ROOT / "requirements" / "minio.in").read_text().splitlines()
    assert {"minio", "argon2-cffi", "pycryptodome"} <= locked("minio.txt")
    assert locked("minio.txt") <= locked("run.txt"), "`make serve` installs it, too"


def test_lock_of_traces_is_made_from_the_extra_and_is_not_part_of_the_server() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["otel"]
    assert set(extra) <= set((ROOT / "requirements" / "otel.in").read_text().splitlines())
    assert "opentelemetry-sdk" in locked("otel.txt")
    assert [name for name in locked("server.txt") if name.startswith("opentelemetry")] == []


def test_the_distribution_does_not_depend_on_any_of_them_by_name() -> None:
    from importlib.metadata import requires  # noqa: PLC0415  # read here alone

    wanted = " ".join(requires("obscura-backup") or []).lower()
    for name in ("argon2", "protobuf", "zxcvbn", "obscura-backup-client"):
        assert name not in wanted


def test_the_client_does_not_depend_on_the_server() -> None:
    from importlib.metadata import requires  # noqa: PLC0415  # read here alone

    wanted = " ".join(requires("obscura-backup-client") or []).lower()
    for name in ("litestar", "msgspec", "uvicorn", "boto3", "psycopg", "obscura-backup>"):
        assert name not in wanted
