"""A bug in `reap`: what it deletes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.domain.errors import VersionMismatch
from obscura_backup.domain.reap import Outcome, Reaper

if TYPE_CHECKING:
    import pytest

    from obscura_backup.domain.model import Revision, UserId


def reap_any_version(patch: pytest.MonkeyPatch) -> None:
    async def delete(self: Reaper, user_id: UserId, found: Revision) -> Outcome:
        try:
            await self._service.delete(user_id, found.version)
        except VersionMismatch as error:
            await self._service.delete(user_id, error.current)
        return Outcome.DELETED

    patch.setattr(Reaper, "_delete", delete)
