from __future__ import annotations

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup_client.sealing.errors import (
    PasswordCharacterRefused,
    PasswordRefused,
    PasswordTooLong,
    PasswordTooShort,
)
from obscura_backup_client.sealing.passwords import normalize, require_settable, strength
from support.table import table

OTHER_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def test_every_other_space_becomes_a_plain_one() -> None:
    assert normalize(OTHER_SPACES) == b" " * 16
    assert {character for character in map(chr, range(0x110000)) if unicodedata.category(character) == "Zs"} == {
        " ",
        *OTHER_SPACES,
    }


def test_nothing_is_trimmed_or_folded() -> None:
    assert normalize("  A\u200bSs\t ") == "  A\u200bSs\t ".encode()


def test_opening_applies_no_rule() -> None:
    assert normalize("") == b""
    assert normalize("a\0") == b"a\0"
    assert len(normalize("x" * 5000)) == 5000


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_normalizing_twice_changes_nothing_more(password: str) -> None:
    once = normalize(password)
    assert normalize(once.decode()) == once


def test_twelve_code_points_are_too_few() -> None:
    with pytest.raises(PasswordTooShort) as refused:
        require_settable("twelve chars")
    assert (refused.value.code_points, refused.value.min_code_points) == (12, 13)


def test_1024_bytes_are_the_most() -> None:
    assert len(require_settable("\u00e9" * 512)) == 1024
    with pytest.raises(PasswordTooLong) as refused:
        require_settable("\u00e9" * 512 + "x")
    assert (refused.value.size_bytes, refused.value.max_bytes) == (1025, 1024)


@table(
    ("character", "kind"),
    [
        ("\n", "control"),
        ("\x7f", "control"),
        ("\x85", "control"),
        ("\ud800", "surrogate"),
        ("\u0378", "unassigned"),
        ("\ufdd0", "unassigned"),
    ],
)
def test_code_points_that_may_not_be_repeatable_are_refused(character: str, kind: str) -> None:
    with pytest.raises(PasswordCharacterRefused) as refused:
        require_settable("correct horse" + character)
    assert (refused.value.kind, refused.value.position) == (kind, 14)


def test_opening_with_a_lone_surrogate_is_a_clean_error() -> None:
    with pytest.raises(PasswordCharacterRefused) as refused:
        normalize("horse\udc80")
    assert refused.value.position == 6


@given(st.text())
def test_any_text_is_either_settable_or_refused_with_a_typed_error(password: str) -> None:
    with suppress(PasswordRefused):
        assert require_settable(password) == normalize(password)


@table("password", ["zebra-7", "zebra-7 and more\n", "zebra-7 and more\ud800", "zebra-7" * 200])
def test_no_error_shows_any_of_the_password(password: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        require_settable(password)
    shown = f"{refused.value}{refused.value!r}{vars(refused.value)}{refused.value.__context__!r}"
    assert "zebra" not in shown


def test_a_common_password_is_weak_with_a_reason() -> None:
    weak = strength("password12345")
    assert weak.score <= 1
    assert weak.feedback


def test_several_unrelated_words_are_strong() -> None:
    assert strength("gravel otter lantern umbrella").score == 4


def test_only_the_first_72_characters_count() -> None:
    assert strength("q" * 72) == strength("q" * 72 + "Zx7!pW0#gravel otter")


def test_an_empty_password_has_no_strength() -> None:
    assert strength("").score == 0


@given(st.text(max_size=80))
def test_strength_is_a_score_for_any_text(password: str) -> None:
    assert 0 <= strength(password).score <= 4
