"""The small demo: three web servers behind one Service, which need nothing but Python; requests, a node lost, scaling."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from callboard.cli.demosteps import REFRESH_S, STEP_TIMEOUT_S, Machine, Step, is_ready, nodes_are_ready, wait_for
from callboard.cli.live import showing
from callboard.cli.traffic import SteadyTraffic, ask

if TYPE_CHECKING:
    from callboard import Cluster

REQUESTS = 30


def steps(console: Console, isolation: str) -> Iterator[Step]:
    """Each claim as it was observed."""
    from callboard import Cluster

    machine = Machine()
    with Cluster(nodes=3, containers="process", isolation=isolation, timing="fast") as cluster:
        yield nodes_are_ready(cluster)
        with showing(cluster, console, with_usage=False, refresh_s=REFRESH_S):
            yield _web_is_available(cluster)
        url = cluster.url("service/web")
        yield _requests_are_spread(console, cluster, url)
        with showing(cluster, console, with_usage=False, refresh_s=REFRESH_S):
            yield _a_node_is_lost(cluster, url)
        yield _scaled(cluster, url, 6)
        yield _scaled(cluster, url, 2)
        folder = cluster.folder
    yield machine.nothing_is_left(url, folder)


def _web_is_available(cluster: Cluster) -> Step:
    began_s = time.monotonic()
    cluster.apply(files("callboard").joinpath("data/web.yaml").read_text(encoding="utf-8"))
    web = cluster.wait("deployment/web", "Available", timeout=STEP_TIMEOUT_S)
    cluster.wait("deployment/web", timeout=STEP_TIMEOUT_S)
    web = cluster.get("deployment/web")
    ready = web.status.available_replicas or 0
    return Step("the Deployment is Available", ready == 3, f"{ready} pods, real processes, after {time.monotonic() - began_s:.1f} s")


def _requests_are_spread(console: Console, cluster: Cluster, url: str) -> Step:
    pods = {pod.metadata.name for pod in cluster.list("pods", selector="app=web")}
    wait_for(lambda: set(ask(url, len(pods))) == pods)  # Available is told a moment before the last endpoint is in the Service's table
    counts = ask(url, REQUESTS)
    console.print(_answers_table(counts, f"{REQUESTS} requests to {url}"))
    answered = {name for name in counts if name is not None}
    observed = counts[None] == 0 and answered == pods
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
        replaced = wait_for(lambda: _replaced(cluster, victim, lost))
        took_s = time.monotonic() - began_s
        answered_by_new = wait_for(lambda: _all_answer(cluster, victim, traffic))
    survivors = [pod.spec.node_name for pod in cluster.list("pods", selector="app=web") if pod.spec.node_name != victim]
    detail = (
        f"{victim} crashed with {len(lost)} pod(s); after {took_s:.1f} s three are available elsewhere"
        f" ({', '.join(sorted(survivors))}); {traffic.failed} of {traffic.sent} requests failed"
    )
    return Step("lost pods come up elsewhere", replaced and answered_by_new, detail)


def _replaced(cluster: Cluster, victim: str, lost: set[str]) -> bool:
    deployment = cluster.get("deployment/web")
    running = [pod for pod in cluster.list("pods", selector="app=web") if is_ready(pod) and pod.spec.node_name != victim]
    return len(running) == 3 and deployment.status.available_replicas == 3 and not lost & {pod.metadata.name for pod in running}


def _all_answer(cluster: Cluster, victim: str, traffic: SteadyTraffic) -> bool:
    elsewhere = {pod.metadata.name for pod in cluster.list("pods", selector="app=web") if pod.spec.node_name != victim and is_ready(pod)}
    return elsewhere <= set(traffic.answers)


def _scaled(cluster: Cluster, url: str, replicas: int) -> Step:
    began_s = time.monotonic()
    cluster.scale("deployment/web", replicas)
    cluster.wait("deployment/web", timeout=STEP_TIMEOUT_S)
    answers: Counter[str | None] = Counter()

    def followed() -> bool:
        nonlocal answers
        wanted = {pod.metadata.name for pod in cluster.list("pods", selector="app=web") if is_ready(pod)}
        answers = ask(url, 5 * replicas)
        return len(wanted) == replicas and {name for name in answers if name is not None} == wanted and answers[None] == 0

    observed = wait_for(followed)
    spread = ", ".join(str(count) for _, count in sorted(answers.items(), key=lambda item: str(item[0])))
    return Step(f"scaled to {replicas}, and the requests follow", observed, f"answers {spread} after {time.monotonic() - began_s:.1f} s")
