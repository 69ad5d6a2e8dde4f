from __future__ import annotations

from servers.postgres_server import new_postgres_url, postgres_database, postgres_server, postgres_url

__all__ = ["new_postgres_url", "postgres_database", "postgres_server", "postgres_url"]
