"""`callboard top nodes|pods`: what they use. Source: kubectl pkg/cmd/top, pkg/metricsutil/metrics_printer.go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from callboard.cli.completing import complete_nodes, complete_pods
from callboard.cli.link import all_namespaces_option, selector_option, with_cluster
from callboard.cli.printing import show_table

if TYPE_CHECKING:
    from callboard.runtime.face.connection import Connected
    from callboard.runtime.face.usage import NodeUsage

MIB = 1024 * 1024
_sort_option = click.option("--sort-by", type=click.Choice(["cpu", "memory"]), help="The greatest first.")
_headers_option = click.option("--no-headers", is_flag=True, help="Rows only.")


class _Names(click.Group):
    """Knows `node`, `nodes`, `no`, `pod`, `pods`, `po`."""

    others = {"nodes": "node", "no": "node", "pods": "pod", "po": "pod"}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self.others.get(cmd_name, cmd_name))


@click.group("top", cls=_Names)
def command() -> None:
    """Show what nodes and pods use: cores and memory, measured every few seconds."""


@command.command("node")
@click.argument("name", default="", metavar="[NAME]", shell_complete=complete_nodes)
@selector_option
@_sort_option
@_headers_option
@with_cluster
def top_node(verbs: Connected, name: str, selector: str, sort_by: str | None, no_headers: bool) -> int:
    """What nodes use, and how much of what they have that is."""
    from callboard.models.columns import Cells

    rows = verbs.top(f"nodes/{name}" if name else "nodes", selector=selector, sort_by=sort_by or "")  # type: ignore[arg-type]
    cells = tuple(_node_cells(row) for row in rows)
    if not cells:
        click.echo("No resources found", err=True)
        return 0
    show_table(Cells(("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"), cells), headers=not no_headers)
    return 0


def _node_cells(row: NodeUsage) -> tuple[str, ...]:
    return row.name, f"{row.cpu_milli}m", _percent(row.cpu_percent), f"{row.memory_bytes // MIB}Mi", _percent(row.memory_percent)


def _percent(value: int | None) -> str:
    return "<unknown>" if value is None else f"{value}%"


@command.command("pod")
@click.argument("name", default="", metavar="[NAME]", shell_complete=complete_pods)
@selector_option
@all_namespaces_option
@click.option("--containers", is_flag=True, help="Each container in a row.")
@click.option("--sum", "with_sum", is_flag=True, help="A last row with the sums.")
@_sort_option
@_headers_option
@with_cluster
def top_pod(
    verbs: Connected,
    name: str,
    selector: str,
    all_namespaces: bool,
    containers: bool,
    with_sum: bool,
    sort_by: str | None,
    no_headers: bool,
) -> int:
    """What pods use."""
    from callboard.models.columns import Cells

    rows = verbs.top(
        f"pods/{name}" if name else "pods",
        namespace="" if all_namespaces else None,
        selector=selector,
        containers=containers,
        sort_by=sort_by or "",  # type: ignore[arg-type]
    )
    if not rows:
        click.echo("No resources found" + ("" if all_namespaces else f" in {verbs.default_namespace} namespace."), err=True)
        return 0
    headers = (*(("NAMESPACE",) if all_namespaces else ()), *(("POD",) if containers else ()), "NAME", "CPU(cores)", "MEMORY(bytes)")
    cells = []
    for row in rows:
        names = (row.name, row.container) if containers else (row.name,)
        where = (row.namespace,) if all_namespaces else ()
        cells.append((*where, *names, f"{row.cpu_milli}m", f"{row.memory_bytes // MIB}Mi"))
    if with_sum:
        empty = ("",) * (len(headers) - 3)
        cells.append((*empty, "", "________", "________"))
        cells.append((*empty, "", f"{sum(row.cpu_milli for row in rows)}m", f"{sum(row.memory_bytes for row in rows) // MIB}Mi"))
    show_table(Cells(headers, tuple(cells)), headers=not no_headers)
    return 0
