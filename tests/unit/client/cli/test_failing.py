from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from obscura_backup_client import errors
from obscura_backup_client.cli.exits import ExitCode, exit_code
from obscura_backup_client.client import BackupClient
from obscura_backup_client.device import errors as device_errors
from obscura_backup_client.errors import ClientError
from obscura_backup_client.formats import errors as format_errors
from obscura_backup_client.transport import errors as transport_errors

if TYPE_CHECKING:
    from support.client.terminal import Terminal


def breaking(terminal: Terminal, error: BaseException) -> Terminal:
    def connect(*_arguments: Any) -> Any:
        raise error

    return replace(terminal, environment=replace(terminal.environment, connect=connect))


def test_a_bug_is_one_line_and_not_a_traceback(terminal: Terminal) -> None:
    result = breaking(terminal, ZeroDivisionError("secret detail")).run("status")
    assert result.exit_code == ExitCode.UNEXPECTED
    assert "ZeroDivisionError" in result.stderr
    assert "secret detail" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bug_shows_its_traceback_in_debug_mode(terminal: Terminal) -> None:
    result = breaking(terminal, ZeroDivisionError()).run("status", OBSCURA_DEBUG="1")
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interruption_has_exit_code_130(terminal: Terminal) -> None:
    assert breaking(terminal, KeyboardInterrupt()).run("status").exit_code == 130


def all_errors(root: type[ClientError]) -> list[type[ClientError]]:
    return [each for kind in root.__subclasses__() for each in (kind, *all_errors(kind))]


def test_every_error_has_an_exit_code_and_a_unique_code() -> None:
    modules = {each.__name__ for each in (errors, format_errors, device_errors, device_errors, transport_errors)}
    public = [each for each in all_errors(ClientError) if each.__module__ in modules]
    codes = [each.code for each in public]
    assert len(codes) == len(set(codes))
    unmapped = [each.__name__ for each in public if exit_code(each.__new__(each)) is ExitCode.UNEXPECTED]
    assert unmapped == []


def test_the_command_and_the_api_share_a_state(pushed: Terminal) -> None:
    assert [each.username for each in BackupClient.open(pushed.home / "phone").contacts()] == ["alice"]
