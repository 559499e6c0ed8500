"""`callboard rollout`: how workloads change, and back. Source: kubectl pkg/cmd/rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_workloads
from callboard.cli.link import tell, with_cluster
from callboard.cli.printing import object_name, say

if TYPE_CHECKING:
    from callboard.cli.targets import Target
    from callboard.runtime.face.connection import Connected

_what_argument = click.argument("what", nargs=-1, metavar="TYPE/NAME...", shell_complete=complete_workloads)


@click.group("rollout")
def command() -> None:
    """Watch, undo, pause and restart rollouts."""


@command.command("status")
@_what_argument
@click.option("-w", "--watch/--no-watch", default=True, show_default=True, help="Wait until it is done.")
@click.option("--timeout", default="0s", help="How long to wait; 0s means as long as it takes.")
@click.option("--revision", type=click.IntRange(0), default=0, help="Fail if another revision is rolled out.")
@with_cluster
def status(verbs: Connected, what: tuple[str, ...], watch: bool, timeout: str, revision: int) -> int:
    """How far a rollout is; 0 only if it is done."""
    from callboard.cli.applying import A_WEEK_S
    from callboard.runtime.face.contract import seconds

    limit_s = seconds(timeout) or A_WEEK_S

    def work(target: Target) -> None:
        said: list[str] = []

        def hear(line: str) -> None:
            said.append(line)
            say(line)

        last = verbs.rollout.status(target.what, revision=revision, wait=watch, tell=hear, timeout=limit_s)
        if said[-1:] != [last]:
            say(last)

    return _each(verbs, what, "rollout status", work)


@command.command("history")
@_what_argument
@click.option("--revision", type=click.IntRange(0), default=0, help="The pod template of this revision.")
@with_cluster
def history(verbs: Connected, what: tuple[str, ...], revision: int) -> int:
    """The revisions that can be gone back to."""
    from callboard.models.tabulate import tabulated

    def work(target: Target) -> None:
        head = object_name(target.resource, target.name)
        found = verbs.rollout.history(target.what, revision or None)
        if revision:
            say(f"{head} with revision #{revision}")
            from callboard.models.describe import describe_template

            say(describe_template(found[0].template))
            return
        say(f"{head} ")
        rows = "".join(f"{one.revision}\t{one.change_cause or '<none>'}\n" for one in found)
        say(tabulated(f"REVISION\tCHANGE-CAUSE\n{rows}"))

    return _each(verbs, what, "rollout history", work)


@command.command("undo")
@_what_argument
@click.option("--to-revision", type=click.IntRange(0), default=0, help="The revision to go back to; 0 means the one before this.")
@with_cluster
def undo(verbs: Connected, what: tuple[str, ...], to_revision: int) -> int:
    """Go back to an earlier revision."""

    def work(target: Target) -> None:
        undone = verbs.rollout.undo(target.what, to_revision)
        say(f"{object_name(target.resource, target.name)} {undone.words}")

    return _each(verbs, what, "rollout undo", work)


def _simple(name: str, done: str, help_: str, verb: Callable[[Any], Callable[[str], Any]]) -> None:
    """A command that does one thing to each workload and says so."""

    @command.command(name, help=help_)
    @_what_argument
    @with_cluster
    def run(verbs: Connected, what: tuple[str, ...]) -> int:
        def work(target: Target) -> None:
            verb(verbs.rollout)(target.what)
            say(f"{object_name(target.resource, target.name)} {done}")

        return _each(verbs, what, f"rollout {name}", work)


_simple("pause", "paused", "Let changes of the template wait.", lambda rollout: rollout.pause)
_simple("resume", "resumed", "Let changes of the template be rolled out again.", lambda rollout: rollout.resume)
_simple("restart", "restarted", "Replace all pods, as a rollout does.", lambda rollout: rollout.restart)


def _each(verbs: Connected, what: tuple[str, ...], example: str, work: Callable[[Target], None]) -> int:
    from callboard.cli.targets import Target, targets_of
    from callboard.models.errors import ApiError

    failed = False
    for target in targets_of(verbs.scheme, what, example):
        names = [target.name] if target.name else [obj.metadata.name for obj in verbs.list(target.resource.name)]
        for name in names:
            try:
                work(Target(target.resource, name))
            except ApiError as refusal:
                failed = True
                tell(refusal)
    return EXIT_NOT_SO if failed else 0
