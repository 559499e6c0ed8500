"""`callboard completion SHELL`: the script that makes TAB complete commands, options, types and names."""

from __future__ import annotations

import click

COMPLETE_VARIABLE = "_CALLBOARD_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print a script for the shell, for example: source <(callboard completion bash)."""
    from click.shell_completion import get_completion_class

    from callboard.cli.group import callboard

    kind = get_completion_class(shell)
    assert kind is not None  # click knows all three
    click.echo(_source(kind(callboard, {}, "callboard", COMPLETE_VARIABLE)))
    return 0


def _source(completion: click.shell_completion.ShellComplete) -> str:
    """The script, without asking the shell for its version (click does, and starts bash for it)."""
    return completion.source_template % completion.source_vars()
