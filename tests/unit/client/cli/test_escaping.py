"""Names are chosen by others: on a terminal, two that differ are seen to differ."""

from __future__ import annotations

import json

import pytest

from obscura_backup_client.cli.escaping import printable, printable_lines
from obscura_backup_client.cli.run import _json

# Characters that show nothing, or that turn the direction of what follows.
UNSEEN = [
    "\N{SOFT HYPHEN}",
    "\N{COMBINING GRAPHEME JOINER}",
    "\N{ARABIC LETTER MARK}",
    "\N{HANGUL CHOSEONG FILLER}",
    "\N{MONGOLIAN VOWEL SEPARATOR}",
    "\N{ZERO WIDTH SPACE}",
    "\N{ZERO WIDTH NON-JOINER}",
    "\N{ZERO WIDTH JOINER}",
    "\N{LEFT-TO-RIGHT MARK}",
    "\N{RIGHT-TO-LEFT MARK}",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\N{POP DIRECTIONAL FORMATTING}",
    "\N{WORD JOINER}",
    "\N{INVISIBLE TIMES}",
    "\N{INVISIBLE SEPARATOR}",
    "\N{FIRST STRONG ISOLATE}",
    "\N{POP DIRECTIONAL ISOLATE}",
    "\N{ACTIVATE ARABIC FORM SHAPING}",
    "\N{BRAILLE PATTERN BLANK}",
    "\N{HANGUL FILLER}",
    "\N{HALFWIDTH HANGUL FILLER}",
    "\N{VARIATION SELECTOR-16}",
    "\N{ZERO WIDTH NO-BREAK SPACE}",
    "\N{INTERLINEAR ANNOTATION ANCHOR}",
    "\N{VARIATION SELECTOR-17}",
    "\N{TAG LATIN SMALL LETTER A}",
    "\N{MUSICAL SYMBOL BEGIN BEAM}",
    "\x07",
    "\x9b",
    "\u2028",
    "\udcff",
    "\u0378",  # not assigned
]


@pytest.mark.parametrize("letter", UNSEEN)
@pytest.mark.parametrize("name", ["{}alice", "al{}ice", "alice{}", "ali {} ce", "{}{}"])
def test_what_cannot_be_seen_in_a_name_is_written_as_an_escape(letter: str, name: str) -> None:
    shown = printable(name.format(letter, letter))
    assert letter not in shown
    assert letter.encode("unicode_escape", "surrogatepass").decode() in shown


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Lee",
        "👩‍👩‍👧‍👦 family",
        "❤️‍🔥",
        "👩🏽‍🚀",
        "#️⃣ 1️⃣",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
        "می‌خواهم",  # Persian, with a non-joiner
        "क्‍ष",  # Devanagari, with a joiner
        "葛\U000e0100城",  # an ideographic variation
        "שרה עבודה",
        "O'Neil-Smith (work) #2",
        "Alice\u00a0Lee",
    ],
)
def test_a_name_that_people_have_is_shown_as_it_is(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "👩‍‍👩",  # two joiners
        "❤️️",  # two selectors
        "👩‍",  # a joiner that joins nothing
        "🏴" + "\U000e0041" * 7 + "\U000e007f",  # a hidden text, and no flag
        "a\N{VARIATION SELECTOR-1}",
    ],
)
def test_what_has_a_use_elsewhere_is_escaped_where_it_has_none(name: str) -> None:
    assert "\\u" in printable(name).lower()


def test_text_is_shown_line_by_line() -> None:
    assert printable_lines("a\u200b\nb") == "a\\u200b\nb"


def test_what_was_made_printable_stays_as_it_is() -> None:
    shown = printable("".join(UNSEEN))
    assert printable(shown) == shown


def test_json_escapes_what_cannot_be_seen_without_changing_what_it_says() -> None:
    name = "".join(UNSEEN)
    document = _json({"name": name}, ensure_ascii=False)
    assert json.loads(document) == {"name": name}
    assert not any(letter in document for letter in UNSEEN)
