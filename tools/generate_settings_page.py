"""Write the tables of `docs/settings.md` from the descriptions of the settings, or check that they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from obscura_backup.entrypoints.setting_descriptions import SECTIONS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


def rendered(page: str) -> str:
    """The page with all tables written anew. The text before the first table stays as it is."""
    parts = [page[: page.index("\n## ")]]
    for section in SECTIONS:
        rows = [
            f"| `OBSCURA_BACKUP_{each.name.upper()}` | {_cell(each.default)}| {_cell(each.meaning)}|\n"
            for each in section.settings
        ]
        parts.append(f"\n## {section.title}\n\n| variable | default | meaning |\n| --- | --- | --- |\n{''.join(rows)}")
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", r"\|") + " " if text else ""


def main() -> int:
    """Write or check; the exit code is 1 if the checked page differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the committed page differs")
    check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    wanted = rendered(page)
    if check and page != wanted:
        print("docs/settings.md differs from the descriptions (run tools/generate_settings_page.py)", file=sys.stderr)
        return 1
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
