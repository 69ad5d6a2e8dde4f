from __future__ import annotations

import pytest
from alembic.script import ScriptDirectory

from obscura_backup.adapters.postgres import schema as postgres_schema
from obscura_backup.domain.errors import StoreUnusable
from support.table import table


def test_revisions_are_those_of_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(postgres_schema.alembic_config())
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(postgres_schema.REVISIONS))
    assert scripts.get_heads() == [postgres_schema.HEAD]


def test_head_is_accepted() -> None:
    postgres_schema.require_current(postgres_schema.HEAD)


@table(("current", "told"), [(None, "run `obscura-backup migrate`"), ("9999", "newer")])
def test_anything_else_is_refused(current: str | None, told: str) -> None:
    with pytest.raises(StoreUnusable, match=told):
        postgres_schema.require_current(current)
