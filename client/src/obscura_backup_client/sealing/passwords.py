"""Normalizing passwords for Argon2id, and the rules for new passwords."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from obscura_backup_client.sealing.errors import (
    PasswordCharacterRefused,
    PasswordGuessable,
    PasswordTooLong,
    PasswordTooShort,
)

MIN_CODE_POINTS: Final = 13
MAX_PASSWORD_BYTES: Final = 1024
# How often a person may type a password in one operation. More attempts would be guessing.
MAX_PASSWORD_ATTEMPTS: Final = 3
STRENGTH_CODE_POINTS: Final = 72

# Keyboards produce different characters for a space.
_SPACES: Final = dict.fromkeys([0x00A0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_REFUSED_CATEGORIES: Final = {"Cc": "control", "Cs": "surrogate", "Cn": "unassigned"}


def normalize(password: str) -> bytes:
    """Normalize a password: other spaces mapped to U+0020, then NFC, then UTF-8 (after RFC 8265).

    Nothing is trimmed, folded or refused, so that every password that sealed a backup also opens it.

    Raises:
        PasswordCharacterRefused: a lone surrogate, for which UTF-8 has no bytes.
    """
    return _encoded(_mapped(password))


def require_settable(password: str) -> bytes:
    """Check the rules for a new password, and return its normalized bytes.

    Raises:
        PasswordTooShort: fewer than 13 code points once normalized.
        PasswordTooLong: more than 1024 bytes once normalized.
        PasswordCharacterRefused: a control, surrogate or unassigned code point. Unassigned ones may change their
            normal form with a later Unicode version, and the password would stop working.
    """
    text = _mapped(password)
    for position, character in enumerate(text, start=1):
        kind = _REFUSED_CATEGORIES.get(unicodedata.category(character))
        if kind is not None:
            raise PasswordCharacterRefused(kind, position)
    if len(text) < MIN_CODE_POINTS:
        raise PasswordTooShort(len(text), MIN_CODE_POINTS)
    encoded = _encoded(text)
    if len(encoded) > MAX_PASSWORD_BYTES:
        raise PasswordTooLong(len(encoded), MAX_PASSWORD_BYTES)
    return encoded


def _mapped(password: str) -> str:
    return unicodedata.normalize("NFC", password.translate(_SPACES))


def _encoded(text: str) -> bytes:
    # Checked instead of caught: UnicodeEncodeError contains the text, and a traceback would show the password.
    for position, character in enumerate(text, start=1):
        if unicodedata.category(character) == "Cs":
            raise PasswordCharacterRefused("surrogate", position)
    return text.encode("utf-8")


# zxcvbn calls 3 "safely unguessable: moderate protection from offline slow-hash scenario". A stolen backup is in that
# scenario.
MIN_SCORE: Final = 3


@dataclass(frozen=True)
class Strength:
    """How well a password resists guessing.

    `score` is 0 (at once) to 4 (very hard), `guesses` about how many an informed guesser needs, `feedback` one sentence
    or empty.
    """

    score: int
    guesses: float
    feedback: str

    @property
    def is_guessable(self) -> bool:
        """Whether an attacker with the backup could find the password with realistic effort."""
        return self.score < MIN_SCORE


def strength(password: str) -> Strength:
    """Estimate a password's strength by zxcvbn, from its first 72 characters to bound the time.

    Source: Wheeler, "zxcvbn: Low-Budget Password Strength Estimation" (USENIX Security 2016).
    """
    # Imported here because its word lists load slowly.
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]  # it ships no types; three of its results are used

    text = _mapped(password)[:STRENGTH_CODE_POINTS]
    if not text:  # zxcvbn fails on it
        return Strength(score=0, guesses=1.0, feedback="")
    result = zxcvbn(text)
    feedback = result["feedback"]
    sentences = [feedback["warning"], *feedback["suggestions"]]
    return Strength(
        score=int(result["score"]),
        guesses=float(result["guesses"]),
        feedback=next((str(text) for text in sentences if text), ""),
    )


def require_unguessable(password: str) -> Strength:
    """Check the rules for a new password and refuse a guessable one; returns its strength.

    Raises:
        PasswordGuessable: zxcvbn's score is under 3. PasswordRefused: it breaks a rule.
    """
    require_settable(password)
    found = strength(password)
    if found.is_guessable:
        raise PasswordGuessable(found.score, MIN_SCORE)
    return found
