from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from obscura_backup_client.cli.commands.inspect import EXAMPLES
from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.sealed import Header, SealingKey, seal
from support.client.terminal import Terminal

BLOB = seal(b"x" * 30_000, SealingKey(KdfParameters(131072, 3, 1), b"s" * 16, b"r" * 32), UUID(int=1))


def inspect(terminal: Terminal, parameters: KdfParameters) -> str:
    blob = Header(parameters, b"s" * 16, b"n" * 12, b"c" * 32).encoded + bytes(20)
    return terminal.ok("inspect", "-", stdin=blob)


def test_inspect_needs_neither_identity_token_nor_password(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "backup.obk").write_bytes(BLOB)
    shown = terminal.ok("inspect", str(tmp_path / "backup.obk"), OBSCURA_TOKEN="", OBSCURA_STATE="/dev/null")
    assert "Argon2id, 128 MiB, 3 passes" in shown
    assert b"s".hex() * 16 in shown
    assert BLOB[42:74].hex() in shown
    assert f"{len(BLOB)} bytes" in shown
    assert "29693 to 30716 bytes, padded to 30720" in shown
    assert "this client opens it" in shown
    assert "about $490: a model" in shown


def test_inspect_as_json_has_every_fact(terminal: Terminal) -> None:
    facts = terminal.facts("inspect", "-", stdin=BLOB)
    assert {name: facts[name] for name in ("memory_kib", "passes", "lanes", "opening", "sealable")} == {
        "memory_kib": 131072,
        "passes": 3,
        "lanes": 1,
        "opening": "opens",
        "sealable": True,
    }
    assert (facts["size_bytes"], facts["size_is_complete"]) == (len(BLOB), True)
    assert (facts["min_payload_bytes"], facts["max_payload_bytes"]) == (29_693, 30_716)
    assert (facts["opening_reason"], facts["sealable_reason"]) == (None, None)
    assert facts["estimated_usd_per_billion_guesses"] == pytest.approx(487, abs=1)


def test_there_is_no_estimate_below_the_range_of_the_model(terminal: Terminal) -> None:
    shown = inspect(terminal, KdfParameters(64, 3, 1))
    assert "$" not in shown
    assert "the model needs at least 64 MiB" in shown
    assert "not allowed for new backups" in shown


def test_parameters_that_need_a_confirmation_are_reported(terminal: Terminal) -> None:
    assert "asks before opening: it needs more than 256 MiB" in inspect(terminal, KdfParameters(400_000, 3, 1))


def test_refused_parameters_are_shown(terminal: Terminal) -> None:
    shown = inspect(terminal, KdfParameters(2**32 - 1, 2**32 - 1, 255))
    assert "refuses to open it" in shown
    assert "4294967295 KiB, 4294967295 passes, 255 lanes" in shown
    assert "$" not in shown


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not-a-backup"),
        (bytes(200), "not-a-backup"),
        (b"OBK9" + BLOB[4:], "newer-format"),
        (BLOB[:93], "damaged"),
        (b"OBK1\x07" + BLOB[5:], "refused-parameters"),
    ],
    ids=["empty", "zeros", "another magic", "cut off", "another KDF"],
)
def test_a_file_that_is_not_a_backup_has_the_exit_code_of_opening_it(
    terminal: Terminal, content: bytes, code: str
) -> None:
    ended = terminal.run("inspect", "-", stdin=content)
    assert (ended.exit_code, ended.stdout) == (ExitCode.UNREADABLE, "")
    assert f"[{code}]" in ended.stderr


@pytest.mark.parametrize("name", ["/", "/nowhere/to/be/found", ""])
def test_a_file_that_cannot_be_read_is_a_usage_error(terminal: Terminal, name: str) -> None:
    ended = terminal.run("inspect", name)
    assert ended.exit_code == ExitCode.USAGE
    assert "[unreadable-file]" in ended.stderr


def test_a_size_that_no_writer_produces_is_reported(terminal: Terminal) -> None:
    shown = terminal.ok("inspect", "-", stdin=BLOB[:2000])
    assert "truncated or modified" in shown
    assert "this client opens it" not in shown


def test_examples_of_passwords_have_the_bits_of_their_kind() -> None:
    bits = {name: round(strength, 2) for strength, name in EXAMPLES}
    assert list(bits.values()) == sorted(bits.values())
    assert bits["a password of 40 random bits"] == 40
    assert bits["four words drawn by dice from 7776"] == 51.7
