"""`callboard demo`: a three-node cluster, real processes, real requests, a node lost, scaling; every claim is observed or the exit code
is 1."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import msgspec
import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callboard.cli import EXIT_NOT_SO
from callboard.cli.live import showing
from callboard.cli.traffic import SteadyTraffic, ask

if TYPE_CHECKING:
    from callboard import Cluster

REQUESTS = 30
STEP_TIMEOUT_S = 30.0
REFRESH_S = 0.1


class Step(msgspec.Struct, frozen=True):
    """One thing that the demo claims: whether it was observed, and what exactly."""

    claim: str
    observed: bool
    detail: str


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Print what was observed as JSON.")
def command(as_json: bool) -> int:
    """Bring up a cluster, send it traffic, crash a node, scale it, stop; say what was observed."""
    console = Console(stderr=as_json)
    steps: list[Step] = []
    began_s = time.monotonic()
    for step in _observed(console):
        steps.append(step)
        mark = "[green]✓[/]" if step.observed else "[red]✗[/]"
        console.print(f"{mark} {step.claim}: {step.detail}")
        if not step.observed:
            break
    passed = bool(steps) and all(step.observed for step in steps) and steps[-1].claim == _LAST_CLAIM
    if as_json:
        click.echo(msgspec.json.encode({"passed": passed, "seconds": time.monotonic() - began_s, "steps": steps}).decode())
    else:
        console.print(f"{'All of it was observed' if passed else 'Not all of it was observed'}, in {time.monotonic() - began_s:.1f} s.")
    return 0 if passed else EXIT_NOT_SO


_LAST_CLAIM = "nothing is left behind"


def _observed(console: Console) -> Iterator[Step]:
    """The steps; an error of the cluster is a claim that was not observed."""
    from callboard.models.errors import ApiError
    from callboard.runtime.errors import CallboardError

    try:
        yield from _run(console)
    except (ApiError, CallboardError) as problem:
        yield Step("the cluster does what it is asked", False, str(problem))


def _run(console: Console) -> Iterator[Step]:
    from callboard import Cluster

    me = psutil.Process()
    before = {child.pid for child in me.children(recursive=True)}
    with Cluster(nodes=3, containers="process", timing="fast") as cluster:
        yield _nodes_are_ready(cluster)
        with showing(cluster, console, with_usage=False, refresh_s=REFRESH_S):
            yield _web_is_available(cluster)
        url = cluster.url("service/web")
        yield _requests_are_spread(console, cluster, url)
        with showing(cluster, console, with_usage=False, refresh_s=REFRESH_S):
            yield _a_node_is_lost(cluster, url)
        yield _scaled(cluster, url, 6)
        yield _scaled(cluster, url, 2)
        folder = cluster.folder
    yield _nothing_is_left(me, before, url, folder)


def _nodes_are_ready(cluster: Cluster) -> Step:
    began_s = time.monotonic()
    names = [cluster.wait(node, "Ready", timeout=STEP_TIMEOUT_S).metadata.name for node in cluster.list("nodes")]
    return Step("a three-node cluster is up", len(names) == 3, f"{', '.join(names)} Ready after {time.monotonic() - began_s:.2f} s")


def _web_is_available(cluster: Cluster) -> Step:
    began_s = time.monotonic()
    cluster.apply(files("callboard").joinpath("data/web.yaml").read_text(encoding="utf-8"))
    web = cluster.wait("deployment/web", "Available", timeout=STEP_TIMEOUT_S)
    cluster.wait("deployment/web", timeout=STEP_TIMEOUT_S)
    web = cluster.get("deployment/web")
    ready = web.status.available_replicas or 0
    return Step("the Deployment is Available", ready == 3, f"{ready} pods, real processes, after {time.monotonic() - began_s:.1f} s")


def _requests_are_spread(console: Console, cluster: Cluster, url: str) -> Step:
    address = cluster.get("service/web").spec.cluster_ip
    pods = {pod.metadata.name for pod in cluster.list("pods", selector="app=web")}
    _wait_for(lambda: set(ask(url, len(pods))) == pods)  # Available is told a moment before the last endpoint is in the Service's table
    counts = ask(url, REQUESTS)
    console.print(_answers_table(counts, f"{REQUESTS} requests to {url}"))
    answered = {name for name in counts if name is not None}
    observed = counts[None] == 0 and answered == pods and urlsplit(url).hostname == address
    return Step("the Service spreads requests over its pods", observed, f"{counts[None]} failed, {len(answered)} pods answered")


def _answers_table(counts: Counter[str | None], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("pod")
    table.add_column("answers", justify="right")
    for pod, count in sorted(counts.items(), key=lambda item: str(item[0])):
        table.add_row(pod if pod is not None else Text("failed", style="red"), str(count))
    return table


def _a_node_is_lost(cluster: Cluster, url: str) -> Step:
    victim = cluster.list("pods", selector="app=web")[0].spec.node_name
    lost = {pod.metadata.name for pod in cluster.list("pods", selector="app=web") if pod.spec.node_name == victim}
    with SteadyTraffic(url) as traffic:
        began_s = time.monotonic()
        cluster.nodes[victim].crash()
        replaced = _wait_for(lambda: _replaced(cluster, victim, lost))
        took_s = time.monotonic() - began_s
        answered_by_new = _wait_for(lambda: _all_answer(cluster, victim, traffic))
    survivors = [pod.spec.node_name for pod in cluster.list("pods", selector="app=web") if pod.spec.node_name != victim]
    detail = (
        f"{victim} crashed with {len(lost)} pod(s); after {took_s:.1f} s three are available elsewhere"
        f" ({', '.join(sorted(survivors))}); {traffic.failed} of {traffic.sent} requests failed"
    )
    return Step("lost pods come up elsewhere", replaced and answered_by_new, detail)


def _replaced(cluster: Cluster, victim: str, lost: set[str]) -> bool:
    deployment = cluster.get("deployment/web")
    running = [pod for pod in cluster.list("pods", selector="app=web") if _is_ready(pod) and pod.spec.node_name != victim]
    return len(running) == 3 and deployment.status.available_replicas == 3 and not lost & {pod.metadata.name for pod in running}


def _all_answer(cluster: Cluster, victim: str, traffic: SteadyTraffic) -> bool:
    elsewhere = {pod.metadata.name for pod in cluster.list("pods", selector="app=web") if pod.spec.node_name != victim and _is_ready(pod)}
    return elsewhere <= set(traffic.answers)


def _is_ready(pod: Any) -> bool:
    if pod.metadata.deletion_timestamp or pod.status is None:
        return False
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions)


def _wait_for(met: Any) -> bool:
    deadline_s = time.monotonic() + STEP_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if met():
            return True
        time.sleep(REFRESH_S)
    return False


def _scaled(cluster: Cluster, url: str, replicas: int) -> Step:
    began_s = time.monotonic()
    cluster.scale("deployment/web", replicas)
    cluster.wait("deployment/web", timeout=STEP_TIMEOUT_S)
    answers: Counter[str | None] = Counter()

    def followed() -> bool:
        nonlocal answers
        wanted = {pod.metadata.name for pod in cluster.list("pods", selector="app=web") if _is_ready(pod)}
        answers = ask(url, 5 * replicas)
        return len(wanted) == replicas and {name for name in answers if name is not None} == wanted and answers[None] == 0

    observed = _wait_for(followed)
    spread = ", ".join(str(count) for _, count in sorted(answers.items(), key=lambda item: str(item[0])))
    return Step(f"scaled to {replicas}, and the requests follow", observed, f"answers {spread} after {time.monotonic() - began_s:.1f} s")


def _nothing_is_left(me: psutil.Process, before: set[int], url: str, folder: str | None) -> Step:
    left = [child for child in me.children(recursive=True) if child.pid not in before and child.status() != psutil.STATUS_ZOMBIE]
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(1.0)
        open_ = probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0
    folder_left = folder is not None and os.path.exists(folder)
    detail = f"{len(left)} processes, {int(open_)} sockets, {int(folder_left)} folders"
    return Step(_LAST_CLAIM, not left and not open_ and not folder_left, detail)
