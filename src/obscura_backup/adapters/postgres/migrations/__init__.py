"""Alembic's environment. Run by `obscura_backup.adapters.postgres.schema.migrate`, never imported."""
