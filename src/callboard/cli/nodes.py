"""`callboard cordon`, `uncordon` and `drain`: nodes go out of service and come back. Source: kubectl pkg/cmd/drain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_nodes
from callboard.cli.link import selector_option, tell, with_cluster
from callboard.cli.printing import say

if TYPE_CHECKING:
    from callboard.runtime.face.connection import Connected

_nodes_argument = click.argument("nodes", nargs=-1, metavar="NODE...", shell_complete=complete_nodes)


@click.command("cordon")
@_nodes_argument
@selector_option
@with_cluster
def cordon(verbs: Connected, nodes: tuple[str, ...], selector: str) -> int:
    """Let no further pods come to nodes."""
    from callboard.runtime.face import maintenance

    return _each(verbs, nodes, selector, lambda name: say(maintenance.cordon(verbs, name)))


@click.command("uncordon")
@_nodes_argument
@selector_option
@with_cluster
def uncordon(verbs: Connected, nodes: tuple[str, ...], selector: str) -> int:
    """Let pods come to nodes again."""
    from callboard.runtime.face import maintenance

    return _each(verbs, nodes, selector, lambda name: say(maintenance.uncordon(verbs, name)))


@click.command("drain")
@_nodes_argument
@selector_option
@click.option("--ignore-daemonsets", is_flag=True, help="Leave pods of DaemonSets where they are.")
@click.option("--delete-emptydir-data", is_flag=True, help="Evict pods although what is in their emptyDir volumes is lost.")
@click.option("--force", is_flag=True, help="Evict pods that no controller will replace.")
@click.option("--grace-period", "grace_s", type=click.IntRange(-1), default=-1, help="Seconds to end gracefully; -1 means the pod's own.")
@click.option("--timeout", default="0s", help="How long to wait; 0s means as long as it takes.")
@with_cluster
def drain(
    verbs: Connected,
    nodes: tuple[str, ...],
    selector: str,
    ignore_daemonsets: bool,
    delete_emptydir_data: bool,
    force: bool,
    grace_s: int,
    timeout: str,
) -> int:
    """Cordon nodes and evict their pods."""
    from callboard.cli.applying import A_WEEK_S
    from callboard.runtime.face import maintenance
    from callboard.runtime.face.contract import seconds

    def work(name: str) -> None:
        for line in maintenance.drain(
            verbs,
            name,
            force=force,
            ignore_daemonsets=ignore_daemonsets,
            delete_emptydir_data=delete_emptydir_data,
            grace=None if grace_s < 0 else grace_s,
            timeout=seconds(timeout) or A_WEEK_S,
        ):
            if line.startswith(("Warning:", "error ")):
                click.echo(line, err=True)
            else:
                say(line)

    return _each(verbs, nodes, selector, work)


def _each(verbs: Connected, nodes: tuple[str, ...], selector: str, work: Callable[[str], None]) -> int:
    """Do it with every node that is named or selected, although one of them may fail."""
    from callboard.models.errors import ApiError

    if bool(nodes) == bool(selector):
        raise click.UsageError("name the nodes, or select them with -l")
    failed = False
    for name in nodes or [node.metadata.name for node in verbs.list("nodes", selector=selector)]:
        try:
            work(name.removeprefix("node/").removeprefix("nodes/"))
        except ApiError as refusal:
            failed = True
            tell(refusal)
    return EXIT_NOT_SO if failed else 0
