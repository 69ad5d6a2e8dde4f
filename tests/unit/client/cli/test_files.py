"""Token and password files: the accepted kinds of files, and the errors for others."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from obscura_backup_client.cli.exits import ExitCode
from support.client.contents import ALICE
from support.client.terminal import PASSWORD, Terminal, token
from support.table import table

OPTIONS = ["--token-file", "--password-file", "--new-password-file"]


@contextmanager
def pipe_of(content: bytes) -> Iterator[int]:
    """The reading end of a pipe, as the shell's `<(…)` makes it."""
    readable, encodable = os.pipe()
    try:
        os.write(encodable, content)
        os.close(encodable)
        yield readable
    finally:
        os.close(readable)


def using(pushed: Terminal, option: str, name: str, password_file: str) -> tuple[int, str]:
    command = "passwd" if option == "--new-password-file" else "verify"
    known = () if option == "--password-file" else ("--password-file", password_file)
    ended = pushed.run(command, *known, option, name)
    return ended.exit_code, ended.stderr


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/dev/zero", "a device"),
        ("/dev/null", "a device"),
        ("link to /dev/zero", "a device"),
        ("pipe", "a named pipe"),
        ("folder", "a directory"),
        ("socket", "a socket"),
        ("nowhere", "No such file"),
    ],
)
def test_a_file_that_is_not_regular_is_refused_without_waiting(
    pushed: Terminal, password_file: str, tmp_path: Path, option: str, name: str, says: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link to /dev/zero".replace("/", "-")).symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        path = str(tmp_path / name.replace("/", "-")) if not name.startswith("/") else name
        code, stderr = using(pushed, option, path, password_file)
    assert (code, f"{path} cannot be read" in stderr, says in stderr) == (ExitCode.USAGE, True, True)


def test_a_file_that_becomes_a_pipe_after_the_check_is_refused_without_waiting(
    pushed: Terminal, password_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = Path(password_file).stat()
    real = os.stat
    path = str(tmp_path / "pipe")
    monkeypatch.setattr(
        os, "stat", lambda name, *rest, **named: before if str(name) == path else real(name, *rest, **named)
    )
    code, stderr = using(pushed, "--token-file", path, password_file)
    assert (code, "a named pipe" in stderr) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}", "/dev/./fd/{}"])
def test_the_token_is_read_from_a_descriptor(created: Terminal, form: str) -> None:
    with pipe_of(token(str(ALICE)).encode() + b"\n") as descriptor:
        facts = created.facts("status", "--token-file", form.format(descriptor))
    assert facts["account"]["user_id"] == str(ALICE)


def test_the_token_is_read_from_standard_input(created: Terminal) -> None:
    facts = created.facts("status", "--token-file", "-", stdin=token(str(ALICE)).encode() + b"\n")
    assert facts["account"]["user_id"] == str(ALICE)


def test_a_link_to_a_regular_file_is_followed(created: Terminal, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token(str(ALICE)))
    (tmp_path / "link").symlink_to("token")
    assert created.facts("status", "--token-file", str(tmp_path / "link"))["account"]["user_id"] == str(ALICE)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--token-file", "it has more than 65536 bytes"),
        ("--password-file", "its first line has more than 8192 bytes"),
        ("--new-password-file", "its first line has more than 8192 bytes"),
    ],
)
def test_a_descriptor_without_an_end_is_read_up_to_a_limit(
    pushed: Terminal, password_file: str, option: str, says: str
) -> None:
    descriptor = os.open("/dev/zero", os.O_RDONLY)
    try:
        code, stderr = using(pushed, option, f"/dev/fd/{descriptor}", password_file)
    finally:
        os.close(descriptor)
    assert (code, says in stderr) == (ExitCode.USAGE, True)


@table(("size", "code"), [(65536, ExitCode.TOKEN), (65537, ExitCode.USAGE)])
def test_a_token_file_of_the_maximum_length_is_read(
    created: Terminal, tmp_path: Path, size: int, code: ExitCode
) -> None:
    (tmp_path / "token").write_bytes(b"x" * size)
    assert created.run("status", "--token-file", str(tmp_path / "token")).exit_code == code


@pytest.mark.parametrize(("size", "code"), [(8192, ExitCode.PASSWORD), (8193, ExitCode.USAGE)])
def test_a_password_line_of_the_maximum_length_is_read(
    pushed: Terminal, password_file: str, tmp_path: Path, size: int, code: ExitCode
) -> None:
    (tmp_path / "long").write_bytes(b"x" * size)
    assert using(pushed, "--new-password-file", str(tmp_path / "long"), password_file)[0] == code


@table(
    ("content", "says"),
    [
        (b"\xef\xbb\xbfx.y.z", "byte order mark"),
        (b'"x.y.z"', "in quotes"),
        (b"Bearer x.y.z", "begins with `Bearer`"),
        (b"", "it is empty"),
        (b"a.b.c\na.b.c\n", "several lines"),
        (b"a.b.c\0", "NUL"),
    ],
)
def test_a_token_file_without_a_token_is_named_with_the_reason(
    created: Terminal, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    ended = created.run("status", "--token-file", str(path))
    assert (ended.exit_code, says in ended.stderr, f"(read from {path})" in ended.stderr) == (
        ExitCode.TOKEN,
        True,
        True,
    )


def test_a_variable_without_a_token_is_named_with_the_reason(created: Terminal) -> None:
    ended = created.run("status", OBSCURA_TOKEN=f"Bearer {token()}")
    assert (ended.exit_code, "(read from OBSCURA_TOKEN)" in ended.stderr) == (ExitCode.TOKEN, True)


# --- the claim that holds the user ---


def token_with(name: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({name: str(ALICE)}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def test_user_claim_is_an_option_and_a_variable(created: Terminal) -> None:
    bearer = token_with("uid")
    assert created.run("status", OBSCURA_TOKEN=bearer).exit_code == ExitCode.TOKEN
    for arguments, environment in (
        (("status", "--user-claim", "uid"), {}),
        (("--user-claim", "uid", "status"), {}),
        (("status",), {"OBSCURA_USER_CLAIM": "uid"}),
        (("status", "--user-claim", "uid"), {"OBSCURA_USER_CLAIM": "other"}),
    ):
        facts = created.facts(*arguments, OBSCURA_TOKEN=bearer, **environment)
        assert facts["account"]["user_id"] == str(ALICE)


def test_a_missing_user_claim_is_named(created: Terminal) -> None:
    ended = created.run("status", "--user-claim", "uid")
    assert (ended.exit_code, "it has no claim `uid`" in ended.stderr) == (ExitCode.TOKEN, True)


def test_an_empty_variable_means_the_default_claim(created: Terminal) -> None:
    created.ok("status", OBSCURA_USER_CLAIM="")


def test_the_password_is_read_from_a_descriptor(pushed: Terminal) -> None:
    with pipe_of(PASSWORD.encode() + b"\nand more") as descriptor:
        assert pushed.facts("verify", "--password-file", f"/dev/fd/{descriptor}")["well"]
