"""`callboard up`: keep a cluster running in the foreground until Ctrl-C or SIGTERM, and say where its Services can be reached."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.tables import pod_row

if TYPE_CHECKING:
    from callboard import Cluster

WATCH_QUIET_S = 0.5


@click.command("up")
@click.option("-f", "--filename", "files", multiple=True, help="Manifest to apply: a file, a folder, or - for standard input.")
@click.option("--nodes", type=click.IntRange(1), default=3, show_default=True, help="How many nodes.")
@click.option("--containers", type=click.Choice(["process", "simulated"]), default="process", show_default=True, help="What containers are.")
@click.option("--timing", type=click.Choice(["kubernetes", "fast"]), default="kubernetes", show_default=True, help="Profile of all periods.")
@click.option("--data", type=click.Path(file_okay=False), help="Keep state in this folder; containers then live on when this program ends.")
def command(files: tuple[str, ...], nodes: int, containers: str, timing: str, data: str | None) -> int:
    """Bring a cluster up and keep it running; Ctrl-C or SIGTERM stops it."""
    from callboard import Cluster

    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked)
    with Cluster(nodes=nodes, containers=containers, timing=timing, data=data) as cluster:
        for node in cluster.list("nodes"):
            cluster.wait(node, "Ready")
        click.echo(f"{nodes} nodes are Ready.")
        failed = _apply(cluster, files)
        told = threading.Thread(target=_tell_changes, args=(cluster, stop), name="tell-changes", daemon=True)
        told.start()
        click.echo("The cluster is up; press Ctrl-C to stop it.")
        stop.wait()
        told.join()
        click.echo("Stopping." if data is None else f"Stopping; the containers live on. End them with: callboard down --data {data}")
    return EXIT_NOT_SO if failed else 0


def _apply(cluster: Cluster, files: tuple[str, ...]) -> bool:
    failed = False
    for file in files:
        source: Any = click.get_text_stream("stdin").read() if file == "-" else file
        for result in cluster.apply_each(source):
            if result.error is not None:
                failed = True
                click.echo(f"{result.origin}: {result.what}: {result.error}", err=True)
            else:
                click.echo(f"{result.what} {result.verb}")
    return failed


def _tell_changes(cluster: Cluster, stop: threading.Event) -> None:
    """Say when a Service gets an address and when a pod's line changes, until `stop` is set."""
    lines: dict[str, str] = {}
    while not stop.wait(WATCH_QUIET_S):
        for service in cluster.list("services", namespace=""):
            _say_once(lines, f"service/{service.metadata.name}", _service_line(cluster, service))
        seen = set()
        for pod in cluster.list("pods", namespace=""):
            key = f"pod/{pod.metadata.namespace}/{pod.metadata.name}"
            seen.add(key)
            name, ready, status, restarts, address, node = pod_row(pod)
            _say_once(lines, key, f"pod/{name} {ready} {status}, {restarts} restarts, {address} on {node}")
        for key in [key for key in lines if key.startswith("pod/") and key not in seen]:
            del lines[key]
            click.echo(f"pod/{key.rsplit('/', 1)[1]} is gone")


def _say_once(lines: dict[str, str], key: str, line: str) -> None:
    if line and lines.get(key) != line:
        lines[key] = line
        click.echo(line)


def _service_line(cluster: Cluster, service: Any) -> str:
    from callboard.models.errors import ApiError
    from callboard.runtime.errors import CallboardError

    ports = service.spec.ports
    if not ports or service.spec.cluster_ip in ("", "None"):
        return ""
    urls = []
    for port in ports:
        try:
            urls.append(cluster.namespace(service.metadata.namespace).url(f"service/{service.metadata.name}", port=port.port))
        except (ApiError, CallboardError) as problem:
            urls.append(str(problem))
    return f"service/{service.metadata.name} can be reached at {', '.join(urls)}"
