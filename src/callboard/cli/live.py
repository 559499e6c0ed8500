"""What `callboard up` shows while it runs: a line for every change, or with `--watch` a live picture of nodes and pods.

Each has a thread of its own and only reads, through the cluster's verbs.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from callboard.models.columns import Cells, cells_of
from callboard.models.kinds import Scheme
from callboard.models.look import look

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

    from callboard import Cluster

LOOK_EVERY_S = 0.5
LOOKS_BEFORE_PROBLEM = 4
"""A Service that has just been made is not served yet; only what lasts for so many looks is told as a problem."""
USAGE_EVERY_S = 2.0
USAGE_TIMEOUT_S = 0.2
PODS_LIMIT = 200
"""Rows of pods that a picture is made of at most; those in trouble come first."""
MIB = 1024 * 1024


class Changes:
    """Says when a Service or an Ingress gets an address and when a pod's line changes, until `stop` is set. Has a thread of its own."""

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
                self.look()
            except (ApiError, CallboardError) as problem:
                self._say("cluster", f"the cluster does not answer: {problem}")
            else:
                self._lines.pop("cluster", None)

    def look(self) -> None:
        """Look once, and say what is new."""
        seen = set()
        for service in self._cluster.list("services", namespace="") if self._told_services else ():
            key = _name("service", service)
            seen.add(key)
            self._look_at_service(key, service)
        for ingress in self._cluster.list("ingresses", namespace="") if self._told_services else ():
            key = _name("ingress", ingress)
            seen.add(key)
            self._look_at_ingress(key, ingress)
        for pod in self._cluster.list("pods", namespace=""):
            key = _name("pod", pod)
            seen.add(key)
            row = pod_cells(pod)
            self._say(key, f"{key} {row['READY']} {row['STATUS']}, {row['RESTARTS']} restarts, {row['IP']} on {row['NODE']}")
        for key in [key for key in self._lines if key not in seen and key != "cluster"]:
            del self._lines[key]
            self._problems.pop(key, None)
            click.echo(f"{key} is gone")

    def _look_at_service(self, key: str, service: Any) -> None:
        spec = service.spec
        if spec is None or not spec.ports or spec.cluster_ip in ("", "None"):
            return
        verbs = self._cluster.namespace(service.metadata.namespace)
        self._say_urls(key, lambda: [verbs.url(f"service/{service.metadata.name}", port=port.port) for port in spec.ports])

    def _look_at_ingress(self, key: str, ingress: Any) -> None:
        about = look(ingress)
        if not about.items("status", "loadBalancer", "ingress"):
            return  # nobody has taken it on so far; its Events say why if nobody will
        hosts = [host for rule in about.items("spec", "rules") if (host := rule.text("host"))]
        named = f" for {', '.join(hosts)}" if hosts else ""
        verbs = self._cluster.namespace(ingress.metadata.namespace)
        self._say_urls(key, lambda: [f"{verbs.url(f'ingress/{ingress.metadata.name}')}{named}"])

    def _say_urls(self, key: str, find: Callable[[], list[str]]) -> None:
        from callboard.models.errors import ApiError
        from callboard.runtime.errors import CallboardError

        try:
            urls = find()
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


def pod_cells(pod: Any) -> dict[str, str]:
    """The cells of one pod by their headers, as `callboard get pods -o wide` has them; restarts without their time."""
    cells = cells_of(Scheme.builtin().lookup("pods"), [pod], time.time(), wide=True)
    row = dict(zip(cells.headers, cells.rows[0], strict=True))
    return {**row, "RESTARTS": row["RESTARTS"].partition(" ")[0]}


class Picture:
    """Nodes and pods as tables that follow the cluster; the last picture stays while it does not answer."""

    def __init__(self, cluster: Cluster, console: Console, *, with_usage: bool = True) -> None:
        self._cluster = cluster
        self._console = console
        self._with_usage = with_usage
        self._usage: dict[str, tuple[str, str]] = {}
        self._usage_at_s = 0.0
        self._last: Group | None = None

    def __rich__(self) -> Group:
        from rich.console import Group

        from callboard.models.errors import ApiError
        from callboard.runtime.errors import CallboardError

        try:
            self._last = self._drawn()
        except (ApiError, CallboardError) as problem:
            from rich.text import Text

            parts = self._last.renderables if self._last is not None else []
            return Group(*parts[:2], Text(f"the cluster does not answer: {problem}", style="red"))
        return self._last

    def _drawn(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        nodes, pods = self._cluster.list("nodes"), self._cluster.list("pods", namespace="")
        if self._with_usage and time.monotonic() - self._usage_at_s > USAGE_EVERY_S:
            self._usage = dict(_usage(self._cluster))
            self._usage_at_s = time.monotonic()
        room = max(3, self._console.size.height - len(nodes) - 5)
        chosen = sorted(pods, key=_trouble)[: min(room, PODS_LIMIT)]
        parts: list[Any] = [nodes_table(nodes, self._usage), pods_table(chosen, self._usage)]
        if len(chosen) < len(pods):
            parts.append(Text(f"and {len(pods) - len(chosen)} more pods", style="dim"))
        return Group(*parts)


def _trouble(pod: Any) -> tuple[bool, str, str]:
    """Pods that aren't ready come first, then by name."""
    conditions = pod.status.conditions if pod.status is not None else ()
    ready = any(one.type == "Ready" and one.status == "True" for one in conditions)
    return ready, pod.metadata.namespace, pod.metadata.name


def _usage(cluster: Cluster) -> Iterator[tuple[str, tuple[str, str]]]:
    """What nodes and pods use, by `node/name` and `pod/namespace/name`; nothing while there are no metrics."""
    from callboard.models.errors import ApiError

    with contextlib.suppress(ApiError):  # they come some seconds after the cluster, and a picture without them is a picture
        for node in cluster.top("nodes", timeout=USAGE_TIMEOUT_S):
            yield f"node/{node.name}", (f"{node.cpu_milli}m", f"{node.memory_bytes // MIB}Mi")
        for pod in cluster.top("pods", namespace="", timeout=USAGE_TIMEOUT_S):
            yield f"pod/{pod.namespace}/{pod.name}", (f"{pod.cpu_milli}m", f"{pod.memory_bytes // MIB}Mi")


def nodes_table(nodes: Sequence[Any], usage: dict[str, tuple[str, str]] | None = None) -> Table:
    """NAME, STATUS, AGE and what is used of nodes, for a terminal."""
    cells = cells_of(Scheme.builtin().lookup("nodes"), nodes, time.time())
    used = [(usage or {}).get(f"node/{node.metadata.name}", ("", "")) for node in nodes]
    return _table(cells, ("NAME", "STATUS", "AGE"), used if usage else None, "NODE")


def pods_table(pods: Sequence[Any], usage: dict[str, tuple[str, str]] | None = None) -> Table:
    """NAME, READY, STATUS, RESTARTS, AGE, IP and NODE of pods, and what they use, for a terminal."""
    elsewhere = any(pod.metadata.namespace != "default" for pod in pods)
    cells = cells_of(Scheme.builtin().lookup("pods"), pods, time.time(), wide=True, with_namespace=elsewhere)
    used = [(usage or {}).get(f"pod/{pod.metadata.namespace}/{pod.metadata.name}", ("", "")) for pod in pods]
    wanted = ("NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE")
    return _table(cells, wanted, used if usage else None, "POD")


def _table(cells: Cells, wanted: Sequence[str], used: Sequence[tuple[str, str]] | None, title: str) -> Table:
    from rich.table import Table

    from callboard.cli.printing import styled

    table = Table(box=None, header_style="bold", pad_edge=False)
    places = [(header, cells.headers.index(header)) for header in wanted if header in cells.headers]
    for header, _ in places:
        table.add_column(title if header == "NAME" else header, no_wrap=True)
    for header in ("CPU", "MEMORY") if used is not None else ():
        table.add_column(header, justify="right")
    for number, row in enumerate(cells.rows):
        table.add_row(*(styled(header, row[place]) for header, place in places), *(used[number] if used is not None else ()))
    return table


@contextlib.contextmanager
def showing(cluster: Cluster, console: Console, *, with_usage: bool = True, refresh_s: float = LOOK_EVERY_S) -> Iterator[None]:
    """A picture that follows the cluster while the block runs; on something that is no terminal, its last state only."""
    picture = Picture(cluster, console, with_usage=with_usage)
    if console.is_terminal:
        from rich.live import Live

        with Live(picture, console=console, refresh_per_second=1 / refresh_s, transient=False):
            yield
    else:
        yield
        console.print(picture)
