"""All slots of a pair of stores, in the order of the user ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.model import Revision, UserId
    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore


async def all_slots(
    metadata: BackupMetadataStore, blobs: BlobStore, after: UserId | None
) -> AsyncIterator[tuple[UserId, Revision | None]]:
    """Each user after user `after` with a row, a blob or both, once and in order: two sorted scans, merged.

    Raises:
        Unavailable: a store does not answer.
    """
    rows, users = metadata.scan(after), blobs.scan(after)
    row, user = await anext(rows, None), await anext(users, None)
    while row is not None or user is not None:
        if user is None or (row is not None and str(row[0]) <= str(user)):
            assert row is not None  # noqa: S101  # for the type checker: one of the two is there
            yield row
            if user == row[0]:
                user = await anext(users, None)
            row = await anext(rows, None)
        else:
            yield user, None
            user = await anext(users, None)


def share_before(user_id: UserId) -> float:
    """0 to 1: the position of a user among all. User ids are random, so it is the share of a scan that is done."""
    return (user_id.int >> 96) / 2**32
