"""The global options, accepted before and after a command, and the settings from options and environment."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from obscura_backup_client.cli.exits import NoHome, UnreadableFile
from obscura_backup_client.cli.terminal.completion_values import files, folders
from obscura_backup_client.transport.interface import DEFAULT_SERVER

if TYPE_CHECKING:
    from pathlib import Path

F = TypeVar("F", bound=Callable[..., Any])

_META = "obscura_backup_client.settings"

# Several times what either needs. The file may be endless, such as /dev/zero.
MAX_PASSWORD_LINE_BYTES = 8 * 1024
MAX_TOKEN_BYTES = 64 * 1024

# Descriptors that the caller opened. The shell makes such a pipe of `<(pass show backup)`.
_DESCRIPTOR = re.compile(r"/dev/(?:stdin|fd/[0-9]+)|/proc/(?:self|thread-self|[0-9]+)/fd/[0-9]+")
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def _store_option(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Store a global option's value for the command. The last typed value wins; typed values beat the environment."""
    name = parameter.name or ""
    source, settings = context.get_parameter_source(name), context.meta.setdefault(_META, {})
    if source is ParameterSource.COMMANDLINE and value == "":
        # Usually an unset variable in a script. The default would be another state or server.
        raise click.BadParameter("it is empty.")
    if source is ParameterSource.COMMANDLINE or (source is ParameterSource.ENVIRONMENT and name not in settings):
        settings[name] = value


def _option(*names: str, **attributes: Any) -> Callable[[Any], Any]:
    """Make a global option: accepted by every command, and passed to none."""
    return click.option(*names, expose_value=False, callback=_store_option, **attributes)


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _option(
        "--state",
        metavar="DIR",
        shell_complete=folders,
        envvar="OBSCURA_STATE",
        help="Directory of identity and contacts (OBSCURA_STATE; default ~/.local/share/obscura-client).",
    ),
    _option(
        "--server",
        metavar="URL",
        envvar="OBSCURA_SERVER",
        help=f"The server's address (OBSCURA_SERVER; default {DEFAULT_SERVER}).",
    ),
    _option(
        "--token-file",
        metavar="FILE",
        shell_complete=files,
        envvar="OBSCURA_TOKEN_FILE",
        help="File with the bearer token (OBSCURA_TOKEN_FILE; or the token itself in OBSCURA_TOKEN).",
    ),
    _option(
        "--user-claim",
        metavar="NAME",
        envvar="OBSCURA_USER_CLAIM",
        help="Claim of the token that holds the user id (OBSCURA_USER_CLAIM; default sub).",
    ),
    _option(
        "--password-file",
        metavar="FILE",
        shell_complete=files,
        envvar="OBSCURA_PASSWORD_FILE",
        help="File whose first line is the password; `-` for standard input. Default: ask on the terminal.",
    ),
    _option("--json", "as_json", is_flag=True, help="Write results as JSON."),
    _option(
        "--verbose", is_flag=True, help="Say on standard error what is sent and learnt, and name each changed contact."
    ),
    _option("--yes", "assume_yes", is_flag=True, help="Do not ask for confirmation."),
    _option(
        "--allow-insecure-http", is_flag=True, help="Allow sending the token over plain http:// to other machines."
    ),
)


def global_options(command: F) -> F:
    """Add the global options to a command or group. Their values go to `Settings`, not to the function."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Settings:
    """The settings of one command. Options take precedence over the environment."""

    def __init__(self, context: click.Context) -> None:
        self._values: dict[str, Any] = context.meta.setdefault(_META, {})

    @property
    def state(self) -> Path:
        """The state directory. By default below the XDG data directory: the state cannot be recreated like a cache.

        Raises:
            NoHome: the default needs a home directory, and there is none.
        """
        from pathlib import Path  # loads slowly

        given = self._values.get("state")
        data = os.environ.get("XDG_DATA_HOME", "")
        try:
            if given:
                # A shell expands `--state ~/x` but not `--state=~/x`.
                return Path(given).expanduser()
            # The XDG specification says to ignore relative paths.
            home = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
        except RuntimeError:
            raise NoHome from None
        return home / "obscura-client"

    @property
    def server(self) -> str:
        """The server's address, not normalized."""
        return str(self._values.get("server") or DEFAULT_SERVER)

    @property
    def token(self) -> str | None:
        """The token from the token file, else from OBSCURA_TOKEN, else None.

        Raises:
            UnreadableFile: the token file cannot be read.
            TokenUnusable: the content is not a token; the message says why.
        """
        from obscura_backup_client.transport.bearer_token import parse_token_file
        from obscura_backup_client.transport.errors import TokenUnusable

        name = self._values.get("token_file")
        if name:
            found = read_file(name, max_bytes=MAX_TOKEN_BYTES + 1, regular=True)
            if len(found) > MAX_TOKEN_BYTES:
                raise UnreadableFile(
                    display_name(name), f"it has more than {MAX_TOKEN_BYTES} bytes, which is too long for a token"
                )
        else:
            found = os.environb.get(b"OBSCURA_TOKEN", b"")
            if not found.strip():
                return None
        try:
            return parse_token_file(found)
        except TokenUnusable as error:
            where = display_name(name) if name else "OBSCURA_TOKEN"
            raise TokenUnusable(f"{error.reason} (read from {where})") from None

    @property
    def user_claim(self) -> str:
        """The claim of the token that holds the user id."""
        from obscura_backup_client.transport.bearer_token import DEFAULT_USER_CLAIM

        return str(self._values.get("user_claim") or DEFAULT_USER_CLAIM)

    @property
    def password_file(self) -> str | None:
        """The password file; None to ask on the terminal."""
        return self._values.get("password_file") or None

    @property
    def as_json(self) -> bool:
        """Whether results are written as JSON."""
        return bool(self._values.get("as_json"))

    @property
    def verbose(self) -> bool:
        """Whether to say what is sent and learnt."""
        return bool(self._values.get("verbose"))

    @property
    def assume_yes(self) -> bool:
        """Whether confirmations are given in advance."""
        return bool(self._values.get("assume_yes"))

    @property
    def allow_insecure_http(self) -> bool:
        """Whether the token may be sent over plain http to another machine."""
        return bool(self._values.get("allow_insecure_http"))


def read_file(name: str, *, max_bytes: int, regular: bool = False) -> bytes:
    """The first `max_bytes` bytes of a file, or of standard input for `-`.

    Raises:
        UnreadableFile: as `opened_file`.
    """
    with opened_file(name, regular=regular) as stream:
        return stream.read(max_bytes)


def read_password_line(name: str) -> bytes:
    """The first line of a file, or of standard input for `-`, without its line end. Reads nothing beyond it.

    Raises:
        UnreadableFile: as `opened_file`, or the line has more than 8 KiB.
    """
    with opened_file(name, regular=True) as stream:
        line = stream.readline(MAX_PASSWORD_LINE_BYTES + 1)
    if len(line) > MAX_PASSWORD_LINE_BYTES:
        raise UnreadableFile(display_name(name), f"its first line has more than {MAX_PASSWORD_LINE_BYTES} bytes")
    return line.removesuffix(b"\n").removesuffix(b"\r")


@contextlib.contextmanager
def opened_file(name: str, *, regular: bool = False) -> Iterator[IO[bytes]]:
    """Open a file for reading, or standard input for `-`.

    Args:
        name: of the file.
        regular: refuse pipes and devices, unless the name is that of a descriptor, such as /dev/fd/3.

    Raises:
        UnreadableFile: with the system's reason; also for errors within the block.
    """
    shown = display_name(name)
    try:
        with contextlib.ExitStack() as opened:
            if name != "-":
                only_regular = regular and not _DESCRIPTOR.fullmatch(os.path.normpath(name))
                yield opened.enter_context(open(name, "rb", opener=_open_regular if only_regular else None))
            elif is_closed(sys.stdin):
                raise UnreadableFile(shown, "it is closed")
            else:
                yield sys.stdin.buffer
    except (OSError, ValueError) as error:  # ValueError: the name contains a zero byte
        reason = error.strerror if isinstance(error, OSError) else None
        raise UnreadableFile(shown, reason or type(error).__name__) from error


def _open_regular(name: str, flags: int) -> int:
    # Checked before it is opened, because opening a device can have effects; and again afterwards, because the name may
    # refer to another file by then. Without O_NONBLOCK, opening a pipe would wait for its writer.
    _require_regular(os.stat(name))  # noqa: PTH116 - `pathlib` loads slowly
    descriptor = os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _require_regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(described: os.stat_result) -> None:
    if not stat.S_ISREG(described.st_mode):
        kind = _KINDS.get(stat.S_IFMT(described.st_mode), "not a regular file")
        raise OSError(errno.EINVAL, f"it is {kind}; give a regular file, or - for standard input")


def display_name(name: str) -> str:
    """The file's name for a message."""
    return "standard input" if name == "-" else name


def is_closed(stream: object) -> bool:
    """Whether the program was started without this stream; its type does not allow for that."""
    return stream is None
