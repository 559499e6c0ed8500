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
from callboard.cli.holder import holding
from callboard.cli.tables import pod_row

if TYPE_CHECKING:
    from callboard import Cluster

LOOK_EVERY_S = 0.5
LOOKS_BEFORE_PROBLEM = 4
"""A Service that has just been made is not served yet; only what lasts for so many looks is told as a problem."""
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
    "--timing", type=click.Choice(["kubernetes", "fast"]), default="kubernetes", show_default=True, help="Profile of all periods."
)
@click.option("--data", type=click.Path(file_okay=False), help="Keep state in this folder; containers then live on when this program ends.")
def command(files: tuple[str, ...], nodes: int, containers: Literal["process", "simulated"], timing: str, data: str | None) -> int:
    """Bring a cluster up and keep it running; Ctrl-C or SIGTERM stops it, a second one ends it at once."""
    sources = _read(files)
    from callboard import Cluster

    stop = _Stop()
    with contextlib.ExitStack() as stack:
        if data is not None:
            stack.enter_context(holding(Path(data)))
        with Cluster(nodes=nodes, containers=containers, timing=timing, data=data) as cluster:
            stop.is_up = True
            click.echo(f"{nodes} node{' is' if nodes == 1 else 's are'} Ready.")
            failed = _apply(cluster, sources)
            if containers == "simulated":
                click.echo("Containers are simulated, so Services have no address that a program can open.")
            click.echo("The cluster is up; press Ctrl-C to stop it.")
            changes = _Changes(cluster, stop.asked, told_services=containers == "process")
            threading.Thread(target=changes.tell, name="tell-changes", daemon=True).start()
            stop.asked.wait()
            live_on = data is not None and containers == "process"
            click.echo(f"Stopping; the containers live on. End them with: callboard down --data {data}" if live_on else "Stopping.")
    return EXIT_NOT_SO if failed else 0


def _read(files: tuple[str, ...]) -> list[Any]:
    """All manifests, parsed before anything is started. Raises `ApiError` where one is none."""
    from callboard.runtime.face.manifests import manifests

    sources: list[Any] = [f"{sys.stdin.read()}\n" if file == "-" else Path(file) for file in files]
    for source in sources:
        manifests(source)
    return sources


def _apply(cluster: Cluster, sources: list[Any]) -> bool:
    """Apply everything and say what became of each document. Whether any was refused."""
    failed = False
    for source in sources:
        for result in cluster.apply_each(source):
            if result.error is not None:
                failed = True
                click.echo(f"{result.origin}: {result.what}: {result.error}", err=True)
            else:
                click.echo(f"{result.what} {result.verb}")
    return failed


class _Changes:
    """Says when a Service gets an address and when a pod's line changes, until `stop` is set. Has a thread of its own."""

    def __init__(self, cluster: Cluster, stop: threading.Event, told_services: bool) -> None:
        self._cluster = cluster
        self._stop = stop
        self._told_services = told_services
        self._lines: dict[str, str] = {}
        self._problems: dict[str, int] = {}

    def tell(self) -> None:
        """Look again and again."""
        from callboard.models.errors import ApiError
        from callboard.runtime.errors import CallboardError

        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self._look()
            except (ApiError, CallboardError) as problem:
                self._say("cluster", f"the cluster does not answer: {problem}")
            else:
                self._lines.pop("cluster", None)

    def _look(self) -> None:
        seen = set()
        for service in self._cluster.list("services", namespace="") if self._told_services else ():
            key = _name("service", service)
            seen.add(key)
            self._look_at_service(key, service)
        for pod in self._cluster.list("pods", namespace=""):
            key = _name("pod", pod)
            seen.add(key)
            _, ready, status, restarts, address, node = pod_row(pod)
            self._say(key, f"{key} {ready} {status}, {restarts} restarts, {address} on {node}")
        for key in [key for key in self._lines if key not in seen and key != "cluster"]:
            del self._lines[key]
            self._problems.pop(key, None)
            click.echo(f"{key} is gone")

    def _look_at_service(self, key: str, service: Any) -> None:
        from callboard.models.errors import ApiError
        from callboard.runtime.errors import CallboardError

        spec = service.spec
        if spec is None or not spec.ports or spec.cluster_ip in ("", "None"):
            return
        verbs = self._cluster.namespace(service.metadata.namespace)
        try:
            urls = [verbs.url(f"service/{service.metadata.name}", port=port.port) for port in spec.ports]
        except (ApiError, CallboardError) as problem:
            self._problems[key] = self._problems.get(key, 0) + 1
            if self._problems[key] >= LOOKS_BEFORE_PROBLEM:
                self._say(key, f"{key} cannot be reached: {problem}")
        else:
            self._problems.pop(key, None)
            self._say(key, f"{key} can be reached at {', '.join(urls)}")

    def _say(self, key: str, line: str) -> None:
        if self._lines.get(key) != line and not self._stop.is_set():
            self._lines[key] = line
            click.echo(line)


def _name(kind: str, obj: Any) -> str:
    """How a line names an object: `pod/web-1`, with its namespace if that isn't the default one."""
    meta = obj.metadata
    return f"{kind}/{meta.name}" if meta.namespace == "default" else f"{kind}/{meta.name} in {meta.namespace}"
