"""`callboard up`: keep a cluster running in the foreground until Ctrl-C or SIGTERM, and say where its Services can be reached."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.group import complain
from callboard.cli.holder import holding
from callboard.cli.live import Changes, showing

if TYPE_CHECKING:
    from callboard import Cluster

TURN_S = 0.5
_FILE = click.Path(exists=True, allow_dash=True, readable=True)


class _Stop:
    """What Ctrl-C and SIGTERM do: give up while the cluster comes up, then stop it in order, and at once when asked again."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.is_up = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.asked.is_set():  # containers without a data folder end with this program, however it ends
            os.write(2, b"\nEnding at once.\n")
            os._exit(128 + number)
        self.asked.set()
        if not self.is_up:
            raise KeyboardInterrupt


@click.command("up")
@click.option("-f", "--filename", "files", multiple=True, type=_FILE, help="Manifest to apply: a file, a folder, or - for standard input.")
@click.option("--nodes", type=click.IntRange(1), default=3, show_default=True, help="How many nodes.")
@click.option(
    "--containers", type=click.Choice(["process", "simulated"]), default="process", show_default=True, help="What containers are."
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "A", "B", "C1", "C0"]),
    default="auto",
    show_default=True,
    help="How processes are kept apart; `callboard doctor` tells what works here.",
)
@click.option("--images", type=click.Path(exists=True, dir_okay=False), help="A YAML file that says which programs image names mean.")
@click.option(
    "--timing", type=click.Choice(["kubernetes", "fast"]), default="kubernetes", show_default=True, help="Profile of all periods."
)
@click.option("--data", type=click.Path(file_okay=False), help="Keep state in this folder; containers then live on when this program ends.")
@click.option("--name", help="What other programs call this cluster.  [default: by --data, or default, default-2, ...]")
@click.option("--watch", is_flag=True, help="A live view of nodes and pods; a line for each change where there is no terminal.")
def command(
    files: tuple[str, ...],
    nodes: int,
    containers: Literal["process", "simulated"],
    isolation: str,
    images: str | None,
    timing: str,
    data: str | None,
    name: str | None,
    watch: bool,
) -> int:
    """Bring a cluster up and keep it running; Ctrl-C or SIGTERM stops it, a second one ends it at once."""
    if name == "":
        raise click.UsageError("--name is empty; leave it away, or give the cluster a name")
    if containers == "simulated" and (images or isolation != "auto"):
        raise click.UsageError("--isolation and --images are for processes; leave them away, or leave --containers=simulated away")
    sources = _read(files)
    _check_free(name or "")
    from callboard import Cluster

    stop = _Stop()
    with contextlib.ExitStack() as stack:
        if data is not None:
            stack.enter_context(holding(Path(data)))
        about: dict[str, Any] = {
            "nodes": nodes,
            "containers": containers,
            "isolation": isolation,
            "images": images,
            "timing": timing,
            "data": data,
        }
        with Cluster(**about, events="all") as cluster:
            stop.is_up = True
            level = f" (isolation level {cluster.isolation})" if cluster.isolation else ""
            click.echo(f"{nodes} node{' is' if nodes == 1 else 's are'} Ready{level}.")
            failed = _apply(cluster, sources)
            if containers == "simulated":
                click.echo("Containers are simulated, so Services have no address that a program can open.")
            served = _serve(cluster, name or "", data)
            click.echo(f"Reach it from elsewhere with: {served}")
            click.echo("The cluster is up; press Ctrl-C to stop it.")
            _follow(cluster, stop.asked, watch, told_services=containers == "process")
            live_on = data is not None and containers == "process"
            click.echo(f"Stopping; the containers live on. End them with: callboard down --data {data}" if live_on else "Stopping.")
    return EXIT_NOT_SO if failed else 0


def _read(files: tuple[str, ...]) -> list[Any]:
    """All manifests, parsed before anything is started. Raises `ApiError` where one is none."""
    from callboard.runtime.face.manifests import manifests, of_text

    sources = [[*of_text(sys.stdin.read(), "STDIN")] if file == "-" else manifests(Path(file)) for file in files]
    return [manifest for source in sources for manifest in source]


def _apply(cluster: Cluster, documents: list[Any]) -> int:
    """Apply everything and say what became of each document. How many were refused."""
    failed = 0
    for result in cluster.apply_each(documents):
        if result.error is not None:
            failed += 1
            click.echo(f"{result.origin}: {result.what}: {result.error}", err=True)
        else:
            click.echo(f"{result.what} {result.verb}")
    if failed:
        complain(f"{failed} of {len(documents)} objects could not be applied; the cluster is up without, and will exit with 1")
    return failed


def _check_free(name: str) -> None:
    """Refuse a name that is taken before anything is started. Raises `NameTaken`; two that start at once meet it later."""
    from callboard.runtime.remote.errors import NameTaken
    from callboard.runtime.remote.places import check_name, running

    if name and check_name(name) in running():
        raise NameTaken(f'a cluster named "{name}" runs already; give this one another name with --name')


def _serve(cluster: Cluster, name: str, data: str | None) -> str:
    """Let other programs reach the cluster; says how."""
    from callboard.runtime.remote.places import name_of_data

    path = Path(cluster.serve(name or (name_of_data(data) if data is not None else "")))
    return f"callboard get pods --cluster {path.stem}"


def _follow(cluster: Cluster, stop: threading.Event, watch: bool, told_services: bool) -> None:
    """Show what happens until the end."""
    from rich.console import Console

    console = Console()
    if watch and console.is_terminal:
        with showing(cluster, console):
            _wait(stop)
        return
    changes = Changes(cluster, stop, told_services)
    threading.Thread(target=changes.tell, name="tell-changes", daemon=True).start()
    _wait(stop)


def _wait(stop: threading.Event) -> None:
    """Wait until it is set, in short turns: a signal that comes just before the system falls asleep is handled only when that wakes up."""
    while not stop.wait(TURN_S):
        pass
