"""What a shell is offered for a command line; how the shells ask is in the integration tests."""

from __future__ import annotations

from click.shell_completion import BashComplete

from obscura_backup_client.cli.app import COMMANDS, app
from support.table import table


def offered(*words: str) -> list[tuple[str, str]]:
    """The kinds and values of what completes the last of these words."""
    asked = BashComplete(app, {}, "obscura-client", "_OBSCURA_CLIENT_COMPLETE")
    return [(each.type, each.value) for each in asked.get_completions(list(words[:-1]), words[-1])]


@table(
    ("words", "values"),
    [
        ([""], list(COMMANDS)),
        (["ca"], ["calibrate"]),
        (["contact", ""], ["add", "import", "list", "remove", "rename", "show"]),
        (["--state", "x", "contact", "a"], ["add"]),
        (["calibrate", "--ma"], ["--max-memory"]),
        (["push", "--profile", ""], ["default", "low-memory", "desktop", "calibrated"]),
        (["import", "--keep", "m"], ["mine"]),
        (["contact", "import", "--format", "v"], ["vcard"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["contact", "add", ""], []),
    ],
)
def test_commands_options_and_choices_are_completed(words: list[str], values: list[str]) -> None:
    assert offered(*words) == [("plain", value) for value in values]


def test_all_options_of_a_command_are_completed() -> None:
    assert {"--state", "--json", "--help"} <= {value for _, value in offered("export", "--")}


@table(
    ("words", "kind"),
    [
        (["inspect", ""], "file"),
        (["import", ""], "file"),
        (["export", ""], "file"),
        (["contact", "import", ""], "file"),
        (["--token-file", ""], "file"),
        (["push", "--password-file", ""], "file"),
        (["passwd", "--new-password-file", ""], "file"),
        (["--state", ""], "dir"),
    ],
)
def test_files_are_completed_where_an_option_takes_a_file(words: list[str], kind: str) -> None:
    assert offered(*words) == [(kind, "")]
