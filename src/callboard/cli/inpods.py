"""`callboard logs` and `callboard exec`: what a pod's containers write, and commands beside them. Source: kubectl pkg/cmd/{logs,exec}."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from callboard.cli.completing import complete_containers, complete_pods
from callboard.cli.link import with_cluster
from callboard.cli.printing import say

if TYPE_CHECKING:
    from callboard.runtime.face.connection import Connected

EXEC_TIMEOUT_S = 3600.0
_container_option = click.option("-c", "--container", help="The container, where a pod has several.", shell_complete=complete_containers)


@click.command("logs")
@click.argument("pod", metavar="POD | TYPE/NAME", shell_complete=complete_pods)
@_container_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-p", "--previous", is_flag=True, help="The container's life before this one.")
@click.option("--tail", type=click.IntRange(-1), default=-1, show_default=True, help="Only so many of the last lines; -1 means all.")
@click.option("--since", metavar="DURATION", help="Only what is newer, for example 5s, 2m or 3h.")
@click.option("--timestamps", is_flag=True, help="Each line with its time.")
@with_cluster
def logs(
    verbs: Connected, pod: str, container: str | None, follow: bool, previous: bool, tail: int, since: str | None, timestamps: bool
) -> int:
    """Show what a container of a pod, or of one pod of a workload, has written."""
    what = pod if "/" in pod else f"pod/{pod}"
    last = None if tail < 0 else tail
    if follow:
        lines = verbs.logs(what, container=container, previous=previous, tail=last, since=since, timestamps=timestamps, follow=True)
        for line in lines:
            say(line)
    else:
        text = verbs.logs(what, container=container, previous=previous, tail=last, since=since, timestamps=timestamps)
        sys.stdout.write(text)
    return 0


@click.command("exec", context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True})
@click.argument("pod", metavar="POD | TYPE/NAME", shell_complete=complete_pods)
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND [ARGS]...", type=click.UNPROCESSED)
@_container_option
@click.option("-i", "--stdin", "with_input", is_flag=True, help="Give it what comes from standard input, up to its end.")
@click.option("--timeout", default=f"{EXEC_TIMEOUT_S:g}s", show_default=True, help="How long it may take; then it is killed.")
@with_cluster
def execute(verbs: Connected, pod: str, words: tuple[str, ...], container: str | None, with_input: bool, timeout: str) -> int:
    """Run a command in a container; exits with the command's own code. There is no terminal (kubectl's -t)."""
    what = pod if "/" in pod else f"pod/{pod}"
    given = sys.stdin.buffer.read() if with_input else b""
    done = verbs.exec(what, list(words), container=container, stdin=given, timeout=timeout)
    for stream, content in ((sys.stdout, done.stdout_bytes), (sys.stderr, done.stderr_bytes)):
        stream.flush()
        stream.buffer.write(content)
        stream.flush()
    if done.truncated:
        click.echo("Warning: the command said more than an answer can hold; the rest is cut off", err=True)
    if done.exit_code:
        click.echo(f"command terminated with exit code {done.exit_code}", err=True)
    return done.exit_code
