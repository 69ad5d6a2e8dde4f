"""The command `obscura-client`.

Every module here loads fast: code that derives keys, seals or uses the network is imported where it is used. `--help`
and usage errors therefore appear at once.
"""

from __future__ import annotations

# As in `exits.ExitCode`, which takes longer to load than an interruption may wait for.
_OUTPUT_LOST = 12
_INTERRUPTED = 130


def main() -> int:
    """Run the command line. Results go to stdout, everything else to stderr. `--help` lists the exit codes."""
    try:
        from obscura_backup_client.cli.terminal import output

        output.open_closed_descriptors()
        return output.flush_streams(_run(), otherwise=_OUTPUT_LOST)
    except KeyboardInterrupt:
        # Only an interruption during imports arrives here.
        return _INTERRUPTED


def _run() -> int:
    try:
        from obscura_backup_client.cli.app import app

        app(prog_name="obscura-client")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except OSError as error:
        # Commands handle their own output. Help and usage errors are written before a command runs.
        from obscura_backup_client.cli.exits import OutputLost
        from obscura_backup_client.cli.terminal.output import write_stderr

        write_stderr(OutputLost.sentence(error))
        return _OUTPUT_LOST
    return 0
