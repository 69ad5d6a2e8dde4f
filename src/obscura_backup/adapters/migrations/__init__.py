"""Alembic's environment. Run by `obscura_backup.adapters.postgres_schema.migrate`, never imported."""
