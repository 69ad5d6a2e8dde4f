"""What the two stores make of a write, in one place, so that a mutant can break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.domain.model import Tag

if TYPE_CHECKING:
    from obscura_backup.domain.model import Draft, Revision


def condition_holds(found: Revision | None, replaces: Tag | None) -> bool:
    """Whether a PUT goes through (`BlobStore.put`)."""
    return (found.tag if found else None) == replaces


def tag_of(draft: Draft) -> Tag:
    """The tag of the object that a PUT leaves: no two PUTs have the same one (`BlobStore.put`)."""
    return Tag(draft.upload_id)


def object_after(stored: Revision) -> Revision | None:
    """What the slot holds after a PUT whose condition held (None: nothing)."""
    return stored


def row_after(held: Revision | None, saved: Revision) -> Revision:
    """The row after a COMMIT: it never goes back (`LockedSlot.save`)."""
    return saved if held is None or held.version <= saved.version else held
