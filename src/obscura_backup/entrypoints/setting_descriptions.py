"""What each setting does: the one source for the help of flags, `obscura-backup settings` and docs/settings.md.

Imports the standard library only, so that `--help` is fast. Texts may use backticks.
"""

from __future__ import annotations

from typing import NamedTuple


class Description(NamedTuple):
    """Of one setting.

    Attributes:
        name: the setting, in lower case and without prefix.
        default: as it is shown; empty if there is none.
        meaning: what the setting does.
        is_secret: whether the whole value is a secret, which is never shown.
    """

    name: str
    default: str
    meaning: str
    is_secret: bool = False


class Section(NamedTuple):
    """Settings that belong together."""

    title: str
    settings: tuple[Description, ...]


SECTIONS = (
    Section(
        "Stores",
        (
            Description(
                "data_dir",
                "`~/.local/share/obscura-backup`",
                "directory of the embedded stores and of the signing secret",
            ),
            Description(
                "metadata_url",
                "SQLite in the data directory",
                "`sqlite:///PATH`, `postgresql://…` (several hosts are possible) or `memory:`. The flag "
                "`--metadata-url` must not hold a password.",
            ),
            Description(
                "blobs_url",
                "files in the data directory",
                "`file:///DIR`, `s3://BUCKET?endpoint=URL&region=NAME`, `gs://BUCKET?endpoint=URL` (Google Cloud "
                "Storage), `az://CONTAINER?endpoint=URL` (Azure Blob Storage) or `memory:`. `s3+boto3://` uses boto3. "
                "More parameters of S3: `addressing=auto|path|virtual`, `checksums=off`. Credentials come from the "
                "usual sources of AWS, Google or Azure.",
            ),
            Description(
                "allow_unconditional_blobs",
                "",
                "name of a bucket whose store may ignore conditional writes. Concurrent uploads can then overwrite "
                "each other unnoticed; for experiments with one worker only.",
            ),
            Description(
                "postgres_pool",
                "16",
                "connections to PostgreSQL per worker; an upload holds one while its blob is being stored. All workers "
                "of all replicas together must fit into PostgreSQL's `max_connections`.",
            ),
        ),
    ),
    Section(
        "Blobs",
        (
            Description("min_bytes", "32", "smallest blob"),
            Description("max_bytes", "2097152", "largest blob"),
            Description(
                "upload_memory_bytes",
                "67108864",
                "memory for request bodies per worker. Beyond it, bodies are spooled to temporary files.",
            ),
            Description(
                "retention_days",
                "",
                "days since the last upload after which a backup may be deleted. Clients read it in `/v1/config`; "
                "`obscura-backup reap` deletes. Not set: backups are kept until they are replaced or deleted.",
            ),
        ),
    ),
    Section(
        "Tokens",
        (
            Description(
                "auth_secret", "created on first start, mode 0600", "shared secret of HS256 tokens", is_secret=True
            ),
            Description(
                "auth_secret_file",
                "",
                "file with up to 8 secrets, one per line, newest first: the first one signs, all of them verify. It is "
                "read again when it changes. It may be a link and belong to another user. Default: `auth-secret` in "
                "the data directory.",
            ),
            Description(
                "auth_jwks",
                "",
                "key set for RS256, ES256 and EdDSA: a file, or an https URL. HS256 tokens are then accepted only if a "
                "secret is set, too.",
            ),
            Description("auth_issuer", "", "required value of `iss`"),
            Description("auth_audience", "", "required value of `aud`"),
            Description(
                "auth_user_claim", "`sub`", "claim that holds the user's UUID. Clients then need `--user-claim`."
            ),
            Description("auth_leeway_seconds", "30", "tolerance for `exp` and `nbf`, because clocks differ; 0 to 300"),
        ),
    ),
    Section(
        "Network",
        (
            Description("host", "127.0.0.1", "address to listen on"),
            Description("port", "8400", "port to listen on; 0: any free port"),
            Description(
                "admin_host",
                "127.0.0.1",
                "address of the management listener, which serves metrics and readiness in detail without credentials, "
                "and the status page with its own",
            ),
            Description("admin_port", "", "port of the management listener; 0: any free port; unset: no such listener"),
            Description(
                "status_password",
                "",
                "password of `/status` on the management listener, at least 12 characters, for any user name; unset: "
                "no such page",
                is_secret=True,
            ),
            Description("workers", "1", "worker processes"),
            Description("cors_origins", "", "allowed browser origins, separated by commas"),
            Description(
                "trusted_proxies",
                "",
                "addresses and networks whose `X-Forwarded-For` is trusted, separated by commas",
            ),
            Description(
                "user_hash_prefixes",
                "",
                "first digits of the SHA-256 of the user ids that this service serves, in lower case, separated by "
                "commas; other users get 421. For several pairs of stores behind one proxy; unset: all users",
            ),
            Description("docs", "on", "`off`: nothing is served under `/docs`"),
            Description(
                "log_level",
                "info",
                "debug, info, warning or error. Each request is logged at info, health checks at debug. Libraries log "
                "from warning on.",
            ),
            Description("log_format", "console", "`console`: text for people; `json`: one object per line"),
            Description(
                "log_users",
                "hash",
                "how requests name their user: `hash`: 12 hexadecimal digits of a keyed hash; `id`: the user id. All "
                "other log lines mask user ids.",
            ),
            Description(
                "log_user_key",
                "made from the token secret, else random per worker",
                "secret key of that hash; the same for all replicas, so that their logs name a user alike",
                is_secret=True,
            ),
        ),
    ),
    Section(
        "Limits",
        (
            Description(
                "max_connections",
                "1024",
                "open connections per worker. A further one replaces a silent or stalled one, or one of the user or "
                "address with the most requests; else it gets 503.",
            ),
            Description(
                "max_connections_per_address",
                "512",
                "connections per worker from one IPv4 address or IPv6 /56 network, except trusted proxies; 0: no limit",
            ),
            Description(
                "max_uploads_per_user",
                "8",
                "concurrent uploads per user and worker, and as many downloads; further ones get 429",
            ),
            Description(
                "rate_per_user", "30000", "requests per minute, user and worker; further ones get 429; 0: no limit"
            ),
            Description(
                "rate_per_address",
                "3000",
                "requests without a valid token per minute, address (IPv6: /56) and worker; 0: no limit",
            ),
        ),
    ),
    Section(
        "Time limits, in seconds",
        (
            Description("lock_seconds", "5", "wait for another request of the same user"),
            Description("postgres_connect_seconds", "2", "connect to PostgreSQL, per host; at least 2"),
            Description("postgres_wait_seconds", "3", "wait for a free connection in the pool"),
            Description("postgres_answer_seconds", "3", "answer to one statement that waits for no lock"),
            Description(
                "postgres_hold_seconds",
                "60",
                "time a row lock may be held while the blob is being stored. A lock that is lost earlier causes "
                "a retry; it is never unsafe.",
            ),
            Description("s3_connect_seconds", "2", "connect to the blob store"),
            Description(
                "s3_read_seconds",
                "10",
                "silence of the blob store during a request; for an upload in total, and again per 16 MiB (with "
                "`s3+boto3://`: between pieces)",
            ),
            Description("s3_wait_seconds", "3", "wait for a free connection to the blob store"),
            Description("s3_ping_seconds", "2", "health check of the blob store"),
            Description("jwks_seconds", "5", "fetch of a key set from a URL"),
            Description("ready_seconds", "2", "each store's answer to a readiness check"),
            Description("start_seconds", "120", "start of a worker if there are several; then it is replaced"),
            Description(
                "notice_seconds",
                "1",
                "from SIGTERM (`/health/ready` answers 503, and each response closes its connection) to the end of "
                "listening. It should be longer than a load balancer takes to notice.",
            ),
            Description("drain_seconds", "30", "after that: time for requests in flight to finish"),
        ),
    ),
)
_BY_NAME = {described.name: described for section in SECTIONS for described in section.settings}


def described(name: str) -> str:
    """What a setting does and its default, as plain text in sentences."""
    description = _BY_NAME[name]
    meaning = description.meaning.removesuffix(".")
    # A text that begins with a value, such as a URL, keeps its case.
    text = meaning if meaning.startswith("`") else meaning[0].upper() + meaning[1:]
    default = f" Default: {description.default}." if description.default else ""
    return f"{text}.{default}".replace("`", "")
