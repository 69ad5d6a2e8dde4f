"""Run the migrations on the connection, and in the transaction, that `migrate` has opened."""

from __future__ import annotations

from typing import Any

from alembic import context

from obscura_backup.adapters.postgres.schema import VERSION_TABLE

attributes = context.config.attributes


def note(*_: Any, **event: Any) -> None:
    """Tell `migrate` which revision was applied."""
    attributes["applied"].append(event["step"].up_revision_id)


context.configure(
    connection=attributes["connection"],
    version_table=VERSION_TABLE,
    on_version_apply=note,
)
with context.begin_transaction():
    context.run_migrations()
