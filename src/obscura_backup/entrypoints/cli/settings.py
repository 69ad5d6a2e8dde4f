"""`settings`: print every setting, its source and its meaning. Secrets are masked."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.setting_descriptions import SECTIONS, described

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from obscura_backup.entrypoints.setting_descriptions import Description
    from obscura_backup.entrypoints.settings import Settings

MASK = "***"
_WIDTH = 100
_PASSWORD = re.compile(r"^([a-z0-9+]+://[^:]*):.*@", re.DOTALL)
"""Up to the last `@`: a password may hold anything."""
_WEB_CREDENTIALS = re.compile(r"^(https?://)[^/?#]*@")
_WEB_PARAMETER = re.compile(r"([?&][^=&]*=)[^&#]+")
_SECRET_PARAMETER = re.compile(r"([?&\s][^=&\s]*(?:pass|secret|key|token)[^=&\s]*=)[^&#\s]+", re.IGNORECASE)


@click.command("settings")
@click.option("--toml", is_flag=True, help="Print a commented TOML file for --config. Put masked secrets in yourself.")
@options.settings_options
def settings_command(*, toml: bool, config: Path | None, **flags: Any) -> int:
    """Print each setting with its value, its source and its meaning. Secrets are masked.

    The sources are flags, OBSCURA_BACKUP_… variables, the TOML file and the defaults, in this order. The flags are
    those of `serve`.
    """
    settings, origins = options.settings_and_origins(flags, config)
    for line in _as_toml(settings, origins) if toml else _as_text(settings, origins):
        click.echo(line)
    return 0


def _as_text(settings: Settings, origins: dict[str, str]) -> Iterator[str]:
    for section in SECTIONS:
        yield section.title
        for setting in section.settings:
            yield f"\n  {setting.name} = {_shown(setting, settings)}  [{origins.get(setting.name, 'default')}]"
            yield _filled(setting, " " * 6)
        yield ""


def _as_toml(settings: Settings, origins: dict[str, str]) -> Iterator[str]:
    yield "# Settings of Obscura Backup, for `--config FILE` or OBSCURA_BACKUP_CONFIG."
    yield "# A line that begins with `#` and a name shows the default. Remove the `#` to change it."
    for section in SECTIONS:
        yield f"\n# {section.title}"
        for setting in section.settings:
            value = _masked(setting, getattr(settings, setting.name))
            is_set = setting.name in origins
            yield "\n" + _filled(setting, "# ")
            if is_set and MASK in str(value):
                yield f"# Put the secret in place of {MASK}. Only the service should be able to read the file."
            yield f"{'' if is_set else '# '}{setting.name} = {_toml_value(value)}"


def _filled(setting: Description, indent: str) -> str:
    text = described(setting.name)
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _shown(setting: Description, settings: Settings) -> str:
    value = _masked(setting, getattr(settings, setting.name))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        value = ", ".join(value)
    return "(not set)" if value in (None, "") else str(value)


def _toml_value(value: object) -> str:
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    # TOML's escapes are those of JSON, except that it has no bare DEL.
    return json.dumps("" if value is None else str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _masked(setting: Description, value: Any) -> Any:
    """The value without its secrets: a password in a URL, a secret parameter, or the whole."""
    if not isinstance(value, str):
        return value
    if setting.is_secret:
        return MASK
    if value.startswith(("http:", "https:")):  # any parameter may be a secret
        return _WEB_PARAMETER.sub(rf"\g<1>{MASK}", _WEB_CREDENTIALS.sub(rf"\g<1>{MASK}@", value))
    return _SECRET_PARAMETER.sub(rf"\g<1>{MASK}", _PASSWORD.sub(rf"\g<1>:{MASK}@", value))
