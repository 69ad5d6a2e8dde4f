"""Run the migrations on the connection of `migrate`, in its transaction."""

from __future__ import annotations

from typing import Any

from alembic import context

from obscura_backup.adapters.postgres.schema import VERSION_TABLE

attributes = context.config.attributes


def note(*_: Any, **event: Any) -> None:
    """Report an applied revision to `migrate`."""
    attributes["applied"].append(event["step"].up_revision_id)


context.configure(
    connection=attributes["connection"],
    version_table=VERSION_TABLE,
    on_version_apply=note,
)
with context.begin_transaction():
    context.run_migrations()
