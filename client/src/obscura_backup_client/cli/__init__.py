"""The command `obscura-client`.

Every module here loads fast: what derives, seals or talks to a server is imported where it is used, so that `--help`
and a mistyped option answer at once.
"""

from __future__ import annotations


def main() -> int:
    """Run the command line. Results go to stdout, all else to stderr; exit codes are in the README and in `--help`."""
    try:
        from obscura_backup_client.cli.app import app  # noqa: PLC0415

        app(prog_name="obscura-client")
    except KeyboardInterrupt:
        # Only what interrupts the loading itself arrives here.
        return 130
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0
