"""One row per user: the index of all slots, and the lock of each."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    # The free space on each page lets an update stay on it: no column but the key is indexed, so such an update
    # touches no index (a heap-only tuple), and every upload after a user's first is one.
    op.execute(
        """
        CREATE TABLE backups (
            user_id uuid PRIMARY KEY,
            version bigint NOT NULL CHECK (version >= 1),
            base bigint NOT NULL CHECK (base >= 0),
            kind text NOT NULL CHECK (kind IN ('live', 'tombstone')),
            sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
            size bigint NOT NULL CHECK (size >= 0),
            upload_id text NOT NULL,
            updated_at timestamptz NOT NULL,
            tag text NOT NULL
        ) WITH (fillfactor = 80)
        """
    )
    op.execute("COMMENT ON TABLE backups IS 'Index and lock of the backups; the truth is in the blob store.'")
