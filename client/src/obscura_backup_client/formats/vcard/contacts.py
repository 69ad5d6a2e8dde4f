"""The contacts of vCard files, card by card, not yet checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from obscura_backup_client.formats.contact_entries import Entry, chosen_name, first_text, parse_uuid
from obscura_backup_client.formats.errors import ContactFileError
from obscura_backup_client.formats.vcard.reader import read_cards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from obscura_backup_client.formats.vcard.properties import Card, Property

# Kinds of cards that are not people: from RFC 6350 and its extensions. Apple's address books name the kind in version
# 3.0 by the second property.
_KIND_NAMES: Final = ("KIND", "X-ADDRESSBOOKSERVER-KIND")
_CARD_PROPERTIES: Final = ("UID", "NICKNAME", "FN", "N", "KEY", *_KIND_NAMES)
_NOT_PEOPLE: Final = frozenset({"group", "org", "location", "application", "device", "thing"})

# Types of keys of other programs: mail (OpenPGP, S/MIME) and remote logins.
_FOREIGN_KEY_TYPES: Final = frozenset({"pgp", "gpg", "openpgp", "x509", "x.509", "smime", "s/mime", "ssh"})
_OWN_MEDIA_TYPES: Final = frozenset({"", "application/octet-stream"})
_URI: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE | re.ASCII)


def vcard_entries(text: str) -> Iterator[Entry]:
    """Read UID, the first of NICKNAME, FN and N, and KEY of each card of a person; the place is a line."""
    for card in read_cards(text, _CARD_PROPERTIES):
        if not _is_person(card):
            continue
        user_ids = card.all("UID")
        if not user_ids:
            raise ContactFileError("the card that begins here has no UID", card.line)
        user_id = _single_value([(each, each.compact()) for each in user_ids], "user ids")
        yield Entry(user_ids[0].line, user_id, _card_username(card), _card_key(card))


def _single_value(found: list[tuple[Property, str]], what: str) -> str:
    """The only value; it may be repeated. Of two different ones, one may belong to another card or program."""
    for prop, value in found:
        if (parse_uuid(value) or value) != (parse_uuid(found[0][1]) or found[0][1]):
            first_line = found[0][0].line
            raise ContactFileError(f"the card has two different {what}; the first is in line {first_line}", prop.line)
    return found[0][1] if found else ""


def _is_person(card: Card) -> bool:
    kinds = (card.first(name) for name in _KIND_NAMES)
    return not any(kind is not None and kind.text().strip().lower() in _NOT_PEOPLE for kind in kinds)


def _card_username(card: Card) -> str:
    """The first name that is not empty. Later names are not read, so that errors in them do not matter."""
    nickname = first_text(text for nickname in card.all("NICKNAME") for text in nickname.parts(","))
    return nickname or _only_name(card, "FN") or _only_name(card, "N")


def _only_name(card: Card, name: str) -> str:
    if card.version == "4.0":  # It allows names in several languages and scripts.
        return first_text(_full_name(each) for each in card.all(name))
    return _single_value([(each, text) for each in card.all(name) if (text := _full_name(each))], "names")


def _full_name(name: Property) -> str:
    if name.name == "FN":
        return name.text().strip()
    # N is: family name, given name, and more.
    family_name, given_name, *_ = [*name.parts(";"), ""]
    return chosen_name([], [given_name], [family_name])


def _card_key(card: Card) -> str:
    """The only key that is not another program's. Most keys in cards belong to mail programs."""
    return _single_value([(each, key) for each in card.all("KEY") if (key := _own_key(each))], "keys")


def _own_key(key: Property) -> str | None:
    types = {part.strip().lower() for part in key.parameters.get("TYPE", "").split(",")}
    media_types = {each for each in types if "/" in each} | {key.parameters.get("MEDIATYPE", "")}
    if types & _FOREIGN_KEY_TYPES or not _are_own(media_types):
        return None
    value = key.compact()
    scheme = _URI.match(value)
    if scheme is None:
        return value
    head, comma, data = value[scheme.end() :].partition(",")
    media_type, base64, _ = head.rpartition(";base64")
    return data if scheme[1].lower() == "data" and comma and base64 and _are_own([media_type]) else None


def _are_own(media_types: Iterable[str]) -> bool:
    return all(each.partition(";")[0].strip().lower() in _OWN_MEDIA_TYPES for each in media_types)
