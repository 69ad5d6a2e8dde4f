"""Where settings are written: environment variables and a TOML file."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any

from obscura_backup.adapters.regular_file import read_regular_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX = "OBSCURA_BACKUP_"
CONFIG_VARIABLE = "OBSCURA_BACKUP_CONFIG"
CONFIG_MAX_BYTES = 1024 * 1024

# Kubernetes sets these in every pod if a Service is called `obscura-backup`. They are no settings.
_SERVICE_LINK = re.compile(PREFIX + r"(SERVICE_HOST|SERVICE_PORT.*|PORT_[0-9]+_(TCP|UDP).*)")
_SERVICE_PORT = re.compile(r"(tcp|udp)://")
_LISTS = frozenset({"cors_origins", "trusted_proxies", "user_hash_prefixes"})


class InvalidSettings(Exception):
    """A setting is unknown, malformed, or contradicts another one. The message names it and never quotes a secret."""


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The values of the variables with our prefix, by the name of the setting."""
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and variable != CONFIG_VARIABLE and value != "":
            if _SERVICE_LINK.fullmatch(variable) or (variable == f"{PREFIX}PORT" and _SERVICE_PORT.match(value)):
                continue
            name = variable.removeprefix(PREFIX).lower()
            values[name] = [item.strip() for item in value.split(",")] if name in _LISTS else value
    return values


def read_toml(path: Path) -> dict[str, Any]:
    """The values in a TOML file.

    Raises:
        InvalidSettings: it cannot be read.
    """
    try:
        return tomllib.loads(read_regular_file(path, CONFIG_MAX_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError:
        # The error text would quote the byte, which may be part of a secret.
        raise InvalidSettings(f"The configuration file {path} cannot be read: it is not UTF-8 text.") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"The configuration file {path} cannot be read: {error}.") from error


def require_known(values: dict[str, Any], known: set[str], where: str, prefix: str = "") -> dict[str, Any]:
    """The values, if all their names are known.

    Args:
        values: by the name of the setting.
        known: the names of all settings.
        where: the values come from, for the message.
        prefix: of the names there.

    Raises:
        InvalidSettings: a name is unknown. The message has the nearest known one.
    """
    for name in values:
        if name not in known:
            # Names are compared without the prefix, which would make all of them similar.
            near = difflib.get_close_matches(name.lower(), known, n=1)
            advice = f"Did you mean {_spelt(near[0], prefix)}?" if near else "`obscura-backup settings` lists all."
            raise InvalidSettings(f"There is no setting {_spelt(name, prefix)} ({where}). {advice}")
    return values


def _spelt(name: str, prefix: str) -> str:
    return prefix + name.upper() if prefix else name
