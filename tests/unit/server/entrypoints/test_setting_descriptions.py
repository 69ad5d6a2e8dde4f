"""The table of settings: complete, with the real defaults, and the source of the documentation."""

from __future__ import annotations

from pathlib import Path

import msgspec
from tools.generate_settings_page import PAGE, rendered

from obscura_backup.entrypoints.setting_descriptions import SECTIONS, described
from obscura_backup.entrypoints.settings import Settings

DESCRIPTIONS = [each for section in SECTIONS for each in section.settings]


def test_each_setting_is_described_once() -> None:
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert sorted(each.name for each in DESCRIPTIONS) == sorted(fields)


def test_shown_defaults_are_the_real_ones() -> None:
    defaults = msgspec.structs.asdict(Settings())
    shown = {each.name: each.default.strip("`") for each in DESCRIPTIONS}
    real = {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in defaults.items()
        if value not in (None, ()) and not isinstance(value, Path)
    }
    assert {name: shown[name] for name in real} == real


def test_documentation_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rendered(page) == page, "run tools/generate_settings_page.py"


def test_generated_tables_replace_what_was_there() -> None:
    page = rendered("# Title\n\nText.\n\n## Stores\n\nAn older text.\n")
    assert page.startswith("# Title\n\nText.\n\n## Stores\n\n| variable |")
    assert "| `OBSCURA_BACKUP_DOCS` | on | `off`: nothing is served under `/docs` |" in page
    assert r"`addressing=auto\|path\|virtual`" in page
    assert "An older" not in page


def test_help_of_a_flag_is_a_sentence_with_the_default() -> None:
    assert described("host") == "Address to listen on. Default: 127.0.0.1."
    assert described("auth_issuer") == "Required value of iss."
    assert described("docs") == "off: nothing is served under /docs. Default: on."
