"""Folding, soft line breaks, stray lines and escapes: the right name, or an error with the line."""

from __future__ import annotations

import base64

from obscura_backup_client.formats.contacts import ImportedContact
from support.client.vcards import ALICE, card, name, only, refused_line
from support.table import table

KEY = bytes(range(48))
KEY_BASE64 = base64.b64encode(KEY).decode()
QP = "ENCODING=QUOTED-PRINTABLE"


# --- folding and soft line breaks ---


@table("version", ["2.1", "3.0", "4.0"])
@table("blanks", [" ", "  ", "\t", " \t "])
@table("before", ["Alpha Two=", "Alpha Two= ", "Alpha Two =", "Alpha=20Two=20="])
def test_a_soft_line_break_keeps_the_blanks_of_the_next_line(version: str, blanks: str, before: str) -> None:
    assert name(f"FN;{QP}:{before}", f"{blanks}One", version=version) == "Alpha Two One"


@table(
    ("lines", "expected"),
    [
        ((f"FN;{QP}:Alpha=", "Beta"), "AlphaBeta"),
        ((f"FN;{QP}:Alpha =", "Two =", "One"), "Alpha Two One"),
        ((f"FN;{QP}:Zo=C3=", "=AB"), "Zoë"),
        ((f"FN;{QP}:Alpha=", "", "TEL:1"), "Alpha"),
        ((f"FN;{QP}:Alpha=", " \t", "TEL:1"), "Alpha"),
        (("FN;QUOTED-PRINTABLE:Alpha =", "Two"), "Alpha Two"),
        (('FN;encoding="quoted-printable":Alpha =', "Two"), "Alpha Two"),
        (("FN;ENCODING=", " QUOTED-PRINTABLE:=41lpha =", "Two"), "Alpha Two"),
        ((f"N;{QP}:Two=3B;=41l=", "pha;;;"), None),
        ((f"NOTE;{QP}:a=", "FNord: b", "FN:Alpha"), "Alpha"),
    ],
)
def test_quoted_printable_text_continues_after_a_soft_line_break(lines: tuple[str, ...], expected: str | None) -> None:
    assert name(*lines) == (expected or "Two")


@table(
    ("lines", "line"),
    [
        ((f"FN;{QP}:Alpha=",), 4),
        ((f"FN;{QP}:Alpha=", "TEL:+49"), 5),
        ((f"FN;{QP}:Alpha=", "item1.X-ABLabel:home"), 5),
        ((f"FN;{QP}:Alpha=", f"KEY:{KEY_BASE64}"), 5),
        ((f"NOTE;{QP}:a=", "FN:Alpha"), 5),
        ((f"NOTE;{QP}:a=", f"KEY:{KEY_BASE64}", "FN:Alpha"), 5),
        ((f"FN;{QP}:Alpha=", "", " Two"), 6),
        ((f"FN;{QP}:Alpha =41=", " 42"), 4),
    ],
)
def test_a_soft_line_break_before_something_else_is_refused_with_its_line(lines: tuple[str, ...], line: int) -> None:
    assert refused_line(card(*lines)) == line


def test_in_version_2_1_a_fold_keeps_the_white_space() -> None:
    assert name("FN:Alpha", " Two One", version="2.1") == "Alpha Two One"
    assert name("FN:Alpha ", "  Two", version="2.1") == "Alpha   Two"


@table("version", ["3.0", "4.0"])
def test_in_later_versions_a_fold_adds_the_white_space(version: str) -> None:
    assert name("FN:Al", " pha", "  Two", "\t One", version=version) == "Alpha Two One"


def test_the_version_counts_at_any_position_in_the_card() -> None:
    text = card("FN:Alpha", " Two", version="2.1").replace("VERSION:2.1\n", "").replace("END", "version: 2.1\nEND")
    assert only(text).username == "Alpha Two"


@table("said", ["", "VERSION:\n", "VERSION:5.0\n"])
def test_a_folded_name_in_a_card_of_no_known_version_is_refused_and_a_folded_key_is_read(said: str) -> None:
    text = card("FN:Alpha", f"KEY:{KEY_BASE64[:30]}", f" {KEY_BASE64[30:]}").replace("VERSION:3.0\n", said)
    assert only(text).identity_key == KEY
    assert refused_line(text.replace("FN:Alpha\n", "FN:Al\n pha\n")) == (4 if said else 3)


@table("version", ["2.1", "3.0", "4.0"])
def test_user_ids_and_keys_may_be_folded_anywhere_in_any_version(version: str) -> None:
    lines = (f"KEY;ENCODING=b:{KEY_BASE64[:9]}", f"  {KEY_BASE64[9:30]}", f" {KEY_BASE64[30:]}", "", "FN:Alpha")
    text = card(*lines, version=version).replace(f"UID:{ALICE}", f"UID:{str(ALICE)[:10]}\n {str(ALICE)[10:]}")
    assert only(text) == ImportedContact(ALICE, "Alpha", KEY)


# --- lines that are no property ---

UNUSED = [
    "ADR;TYPE=home:;;Main",
    "NOTE:first",
    "item1.X-ABLabel:_$!<Home",
    "TEL:1",
    "PHOTO;ENCODING=b:AAAA",
    "X_ODD NAME:x",
]


@table("before", UNUSED)
@table("stray", ["second", "Street 5;;;", ">!$_", "ümlaut: x, y", "\u2022 key: x", "-", "a\n\nb\n\n  c", "="])
def test_a_line_that_is_no_property_is_skipped_behind_one_that_is_not_used(before: str, stray: str) -> None:
    lines = ("FN:Alpha", before, *stray.split("\n"), f"KEY:{KEY_BASE64}")
    assert only(card(*lines)) == ImportedContact(ALICE, "Alpha", KEY)


@table("used", ["FN:Alpha", "N:Lee;Alpha", "NICKNAME:al", f"FN:Alpha\nKEY:{KEY_BASE64}"])
@table("stray", ["Two", "ice;;;", "Straße: 5", "AAAA", "Two One: x"])
def test_a_line_that_is_no_property_is_refused_behind_one_that_is_used(used: str, stray: str) -> None:
    assert refused_line(card(used, stray, "TEL:1")) == 5 + used.count("\n")


@table("odd", ["X_PHONETIC:x", "MY FIELD:x", "X-A B;TYPE=c:x", "item_1.X_Y:x", "a.b.c:x", "_:x"])
def test_a_property_with_an_odd_name_is_skipped(odd: str) -> None:
    assert only(card("FN:Alpha", odd, f"KEY:{KEY_BASE64}", odd)) == ImportedContact(ALICE, "Alpha", KEY)


@table("odd", ["F_N:Beta", "_FN:Beta", "F N:Beta", "\ufeffFN:Beta", "\u200bNICKNAME:x", "a b.KEY:x", 'KEY;X="a:b'])
def test_a_property_that_resembles_a_used_one_is_refused_with_its_line(odd: str) -> None:
    assert refused_line(card("FN:Alpha", "NOTE:x", odd)) == 6


def test_unindented_base64_continues_up_to_a_blank_line() -> None:
    lines = ("FN:Alpha", f"KEY;BASE64:{KEY_BASE64[:32]}", KEY_BASE64[32:])
    assert only(card(*lines, "", "TEL:1", version="2.1")).identity_key == KEY
    assert refused_line(card(*lines, "TEL:1", version="2.1")) == 6


def test_blank_lines_between_all_lines_have_no_effect() -> None:
    text = card("FN:Al", " pha", f"KEY;ENCODING=b:{KEY_BASE64[:40]}", f" {KEY_BASE64[40:]}", f"NICKNAME;{QP}:a=", "l")
    for line_end in ("\n\n", "\r\n\r\n", "\r\r\n", "\n\n\n", "\n \t\n"):
        assert only(text.replace("\n", line_end)) == ImportedContact(ALICE, "al", KEY)


def test_blank_lines_between_properties_are_skipped_and_before_a_fold_of_a_name_refused() -> None:
    assert name("", "", "FN:Alpha", "", "TEL:1", "", "") == "Alpha"
    assert refused_line(card("FN:Alpha", "", " Two")) == 6


# --- escapes ---


@table(
    ("version", "value", "expected"),
    [
        ("3.0", r"Lee\, A\; B\: \\ C", r"Lee, A; B: \ C"),
        ("4.0", "Alpha\\n", "Alpha"),
        ("2.1", r"AC\DC", r"AC\DC"),
        ("2.1", r"Lee\; Al\, x", "Lee; Al, x"),
        ("2.1", "Alpha\\", "Alpha\\"),
    ],
)
def test_escapes_are_decoded_by_the_rules_of_the_version(version: str, value: str, expected: str) -> None:
    assert name(f"FN:{value}", version=version) == expected


@table(
    ("version", "value"),
    [("3.0", r"AC\DC"), ("4.0", r"a\-b"), ("3.0", "Alpha\\"), ("2.1", r"a\\b"), ("2.1", r"Ma\nuel")],
)
def test_an_ambiguous_backslash_is_refused_with_its_line(version: str, value: str) -> None:
    assert refused_line(card(f"FN:{value}", version=version)) == 4


def test_a_semicolon_that_is_escaped_does_not_end_a_part_of_a_name() -> None:
    assert name(r"N:Lee\;x;Al;;;", version="2.1") == "Al Lee;x"


def test_a_card_with_only_an_organization_has_no_name() -> None:
    assert refused_line(card("ORG:Acme")) == 3
