"""Invisible characters and those that change the direction of text are escaped, except where a name needs them."""

# ruff: noqa: RUF001 - names in the scripts of the world are what this is about

from __future__ import annotations

import json
import sys
import unicodedata

from obscura_backup_client.cli.terminal.escaping import printable, printable_json, printable_lines
from obscura_backup_client.cli.terminal.wording import decision_help
from obscura_backup_client.device.last_seen import BackupSummary
from obscura_backup_client.operations.errors import RollbackSuspected
from support.client.contents import BOB
from support.client.terminal import Terminal
from support.table import table

# DerivedCoreProperties.txt and PropList.txt of Unicode 17: Default_Ignorable_Code_Point, and Bidi_Control (in it).
DEFAULT_IGNORABLE = [
    0xAD, 0x34F, 0x61C, *range(0x115F, 0x1161), *range(0x17B4, 0x17B6), *range(0x180B, 0x1810), *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0,
    *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
]  # fmt: skip
PREPENDED = [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD]

NEEDED = [
    "Zoë", "שרה", "سارة", "خانه\u200cها", "രാജന്\u200d", "র\u200d্যাব", "ශ්\u200dරී", "葛\U000e0100城", "ᠰ\u180bᠠ",
    "👨\u200d👩\u200d👧\u200d👦", "❤\ufe0f", "1\ufe0f\u20e3", "#\ufe0f\u20e3", "🏳\ufe0f\u200d🌈",
    "👩🏽\u200d⚕\ufe0f", "🏴\u200d☠\ufe0f",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "Lee™\ufe0f", "‼\ufe0f",
]  # fmt: skip


@table("around", ["a{}b", "{}", "שר{}ה", "山{0}{0}", "{} {}"])
def test_every_invisible_character_is_escaped(around: str) -> None:
    joins = {0x200C, 0x200D, *range(0xFE00, 0xFE03), *range(0xE0100, 0xE01F0)} if "山" in around else set()
    for code in DEFAULT_IGNORABLE:
        shown = printable(around.format(chr(code), chr(code)))
        assert (chr(code) in shown) == (code in joins - {0x200C, 0x200D}), hex(code)


def test_every_invisible_format_or_control_character_is_escaped() -> None:
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            assert (printable(chr(code)) == chr(code)) == (code in PREPENDED), hex(code)


@table("name", NEEDED)
def test_a_joiner_or_selector_that_a_name_needs_is_not_escaped(name: str) -> None:
    assert printable(name) == name


@table(
    ("name", "shown"),
    [
        ("a\u200db", "a\\u200db"),
        ("a\u200cb", "a\\u200cb"),
        ("\u200dਕ", "\\u200dਕ"),
        ("خانه\u200c", "خانه\\u200c"),
        ("خانه\u200c\u200cها", "خانه\\u200c\\u200cها"),
        ("😀\u200da", "😀\\u200da"),
        ("1\ufe0f", "1\\ufe0f"),
        ("a\ufe0fb", "a\\ufe0fb"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f\\ufe0f"),
        ("a\U000e0100", "a\\U000e0100"),
        ("🏴\U000e0067", "🏴\\U000e0067"),
        ("\u2800", "\\u2800"),
        ("\x1b[2J\x9b", "\\x1b[2J\\x9b"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_joiner_or_selector_that_does_nothing_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert printable(shown) == shown


def test_escaping_keeps_line_ends_and_the_value_of_json() -> None:
    facts = {"name": "a\u200b\u202e\U000e0041\x7f\x1b", "family": "👨\u200d👩"}
    assert printable_lines("a\u200b\nb") == "a\\u200b\nb"
    document = printable_json(json.dumps(facts, indent=2, ensure_ascii=False))
    assert json.loads(document) == facts
    assert document.count("\n") == 3
    assert [each for each in document if each in "\u200b\u202e\U000e0041\x7f\x1b"] == []


@table("unseen", ["\u200f", "\u061c", "\u200b", "\u2060", "\u3164", "\u00ad", "\u034f", "\ufeff", "\u202e"])
def test_names_that_differ_in_invisible_characters_look_different(created: Terminal, unseen: str) -> None:
    added = created.ok("contact", "add", str(BOB), f"bo{unseen}b")
    listed = created.ok("contact", "list")
    in_json = created.ok("contact", "list", "--json")
    escaped = unseen.encode("unicode_escape").decode()
    assert all(f"bo{escaped}b" in each and unseen not in each for each in (added, listed))
    assert unseen not in in_json
    assert created.facts("contact", "list")["contacts"][0]["username"] == f"bo{unseen}b"


def test_the_name_of_a_device_is_escaped_where_a_decision_is_asked_for() -> None:
    summary = BackupSummary(3, 0, "pho\u200fne\u200b", 2, 1)
    shown = decision_help(RollbackSuspected((), summary, summary))
    assert [each for line in shown for each in line if each in "\u200f\u200b"] == []
    assert shown[0].count("pho\\u200fne\\u200b") == 1


@table(
    ("code", "joins"),
    [
        (0x0620, True), (0x08FF, True), (0x0900, False),
        (0x1820, True), (0x1819, False), (0x18AA, True), (0x18B0, False),
        (0xFB4F, False), (0xFB50, True), (0xFDFB, True),
        (0xFE70, True), (0xFEFC, True),
        (0x1E900, True), (0x1E94B, True), (0x1E8D0, False),
    ],
)  # fmt: skip
def test_letters_join_from_the_first_to_the_last_of_their_script(code: int, *, joins: bool) -> None:
    """U+200C between a letter and an Arabic one, in either order, is kept if both scripts join letters."""
    for name in (f"{chr(code)}\u200c\u0627", f"\u0627\u200c{chr(code)}"):
        assert (printable(name) == name) is joins


@table(("code", "takes"), [(0x181F, False), (0x1820, True), (0x18AA, True), (0x18AB, False)])
@table("selector", "\u180b\u180c\u180d\u180e\u180f")
def test_mongolian_letters_take_variants_from_the_first_to_the_last(code: int, selector: str, *, takes: bool) -> None:
    shown = printable(chr(code) + selector)
    assert (selector in shown) is takes


@table("code", range(0x1F3FB, 0x1F400))
def test_each_skin_tone_is_part_of_an_emoji(code: int) -> None:
    name = f"\U0001f469{chr(code)}\u200d\u2695"
    assert printable(name) == name


@table(
    "name",
    [
        "\u00a9\u200d\u2695",  # a sign that is no emoji stands before
        "\u2695\u200d\u00a9",  # or behind
        "\U0001f469\u200c\u2695",  # the wrong joiner
        "\u200d\u2695",  # nothing stands before
        "\u2695\u200d",  # or behind
        "1\u200c\u0627",  # a digit joins nothing
        "\u061b\u200c\u0627",  # nor does a punctuation mark of a script that joins
        "+\ufe0f",  # a sign of ASCII is no emoji
        "1\ufe0f\u20e0",  # a keycap needs its own frame
        "\u3031\ufe0f",
    ],
)
def test_a_joiner_or_selector_beside_the_wrong_character_is_escaped(name: str) -> None:
    assert printable(name) != name


@table("base", "#*0123456789")
def test_keycap_emoji_are_not_escaped(base: str) -> None:
    assert printable(f"{base}\ufe0f\u20e3") == f"{base}\ufe0f\u20e3"


@table("sign", "\u203c\u2049\u2139\u3030")
def test_emoji_selectors_after_other_signs_are_not_escaped(sign: str) -> None:
    assert printable(f"{sign}\ufe0f") == f"{sign}\ufe0f"


@table(("tags", "is_flag"), [(2, False), (3, True), (6, True), (7, False)])
def test_a_flag_has_three_to_six_letters(tags: int, *, is_flag: bool) -> None:
    name = "\U0001f3f4" + "\U000e0061" * tags + "\U000e007f"
    assert (printable(name) == name) is is_flag


@table(
    ("code", "is_variant"),
    [(0xFE00, True), (0xFE02, True), (0xFE03, False), (0xE0100, True), (0xE01EF, True), (0xE01F0, False)],
)
def test_variants_of_a_character_of_a_family_name(code: int, *, is_variant: bool) -> None:
    assert (chr(code) in printable(f"\u845b{chr(code)}")) is is_variant
    assert chr(code) not in printable(f"a{chr(code)}")


def test_neighbours_of_visible_marks_are_escaped() -> None:
    near = {near for code in PREPENDED for near in (code - 1, code + 1)}
    for code in near - set(PREPENDED):
        hidden = unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
        assert (printable(f"a{chr(code)}b") != f"a{chr(code)}b") is hidden, hex(code)
