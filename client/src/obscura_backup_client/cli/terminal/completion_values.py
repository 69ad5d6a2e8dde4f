"""What a shell offers for the values of options and arguments that name files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Whatever files there are: the shell knows its own way of looking."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def folders(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The same for folders."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]
