"""The identities of `merge.json`: which one is left where two claim one account, and when the person is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from format_vectors.contents import BOB, IDENTITY, NEWER_IDENTITY, backup, contact, number
from obscura_backup_client.content.codec import encode
from obscura_backup_client.content.merge import Keep, merge_keeping
from obscura_backup_client.content.model import MAX_INTEGER
from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup, Identity


@dataclass(frozen=True)
class Kept:
    """A device's content and the server's, what the person said, and what is left: an identity, or an error."""

    name: str
    mine: Identity
    theirs: Identity
    keep: Keep | None
    outcome: Identity | str

    @property
    def local(self) -> Backup:
        """What the device has."""
        return backup(contact(), identity=self.mine)

    @property
    def remote(self) -> Backup:
        """What the server has."""
        return backup(contact(BOB, "bob"), identity=self.theirs)

    @property
    def merged(self) -> Backup | None:
        """Contacts of both, under the identity that is left."""
        if isinstance(self.outcome, str):
            return None
        return backup(contact(), contact(BOB, "bob"), identity=self.outcome)


_MINE, _THEIRS = replace(IDENTITY, unknown=((4, number(4, 9)),)), replace(NEWER_IDENTITY, unknown=((4, number(4, 1)),))


def _mine(epoch: int) -> Identity:
    return replace(_MINE, epoch=epoch)


def _theirs(epoch: int) -> Identity:
    return replace(_THEIRS, epoch=epoch)


_BEYOND: Final = "malformed-payload"

KEPT: Final = [
    Kept("one epoch, nobody was asked", _mine(1), _theirs(1), None, "identity-conflict"),
    Kept("one epoch, mine: it goes above", _mine(1), _theirs(1), Keep.MINE, _mine(2)),
    Kept("one epoch, theirs: it stays as it is", _mine(1), _theirs(1), Keep.THEIRS, _theirs(1)),
    Kept("theirs is newer, nobody was asked", _mine(1), _theirs(2), None, "identity-replaced"),
    Kept("theirs is newer, mine: it goes above", _mine(1), _theirs(2), Keep.MINE, _mine(3)),
    Kept("theirs is newer, theirs", _mine(1), _theirs(2), Keep.THEIRS, _theirs(2)),
    Kept("mine is newer, nobody was asked, and nobody has to be", _mine(2), _theirs(1), None, _mine(2)),
    Kept("mine is newer, mine", _mine(2), _theirs(1), Keep.MINE, _mine(2)),
    Kept("mine is newer, theirs: it goes above", _mine(2), _theirs(1), Keep.THEIRS, _theirs(3)),
    Kept(
        "the same public key with another private one, nobody was asked",
        _mine(1),
        replace(_MINE, private_key=b"X" * 32),
        None,
        "identity-conflict",
    ),
    Kept("the last epoch, mine: nothing is above it", _mine(MAX_INTEGER), _theirs(MAX_INTEGER), Keep.MINE, _BEYOND),
    Kept(
        "the last epoch, theirs: it stays", _mine(MAX_INTEGER), _theirs(MAX_INTEGER), Keep.THEIRS, _theirs(MAX_INTEGER)
    ),
    Kept(
        "mine is of the last epoch, theirs: nothing is above it", _mine(MAX_INTEGER), _theirs(1), Keep.THEIRS, _BEYOND
    ),
    Kept("the same keys of a higher epoch are no question", _mine(1), _mine(2), None, _mine(2)),
    Kept("the same keys of a higher epoch are no question, whatever was said", _mine(1), _mine(2), Keep.MINE, _mine(2)),
]


def rows() -> list[dict[str, Any]]:
    """Work them out."""
    for case in KEPT:
        if outcome(case) != (case.merged or case.outcome):
            raise AssertionError(f"{case.name}: the code says {outcome(case)}")
    return [
        {
            "name": case.name,
            "local": encode(case.local).hex(),
            "remote": encode(case.remote).hex(),
            "keep": case.keep,
            "merged": None if case.merged is None else encode(case.merged).hex(),
            "error": case.outcome if isinstance(case.outcome, str) else None,
        }
        for case in KEPT
    ]


def outcome(case: Kept) -> Backup | str:
    """Give what the code makes of a case."""
    try:
        merged = merge_keeping(case.local, case.remote, case.keep)
        encode(merged)
    except ClientError as error:
        return error.code
    return merged
