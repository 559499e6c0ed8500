"""The demo of the shop: nginx, two Python programs and redis behind the Ingress, under constant load, while what can go wrong does."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from rich.console import Console

from callboard.bench.load import Ask, Outcome, Plan
from callboard.bench.steadyload import SteadyLoad, totals
from callboard.cli.demosteps import REFRESH_S, STEP_TIMEOUT_S, Machine, Step, is_ready, nodes_are_ready, wait_for
from callboard.cli.live import showing

if TYPE_CHECKING:
    from callboard import Cluster

HOST = "shop.example"
WORKLOADS = {"store": 1, "catalog": 3, "cart": 2, "front": 2}
ASKS = (Ask("/"), Ask("/api/catalog/items"), Ask("/api/cart/you"), Ask("/api/cart/you", "POST", "tea"))
BROKEN = {"spec": {"template": {"spec": {"containers": [{"name": "catalog", "env": [{"name": "SHOP_VERSION", "value": "2-broken"}]}]}}}}
BROKEN_FOR_S = 3.0
"""How long customers are watched while the broken version tries to get ready."""
CALLS_END_S = 1.0
"""Beyond the lease's grace: until then, connections of pods to a Service may still be led to the lost node."""


class Shop(msgspec.Struct, frozen=True):
    """The running shop, as the steps see it."""

    cluster: Any
    url: str

    def ask(self, path: str, method: str = "GET", body: str = "") -> tuple[int, str]:
        """Status and body of one request from outside."""
        where = urlsplit(self.url)
        link = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=10)
        try:
            link.request(method, path, body=body.encode() or None, headers={"Host": HOST})
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as problem:
            return 0, str(problem)
        finally:
            link.close()

    def pods(self, app: str = "") -> list[Any]:
        """Pods that are Ready, of one app or of all."""
        return [pod for pod in self.cluster.list("pods", selector=f"app={app}" if app else "app") if is_ready(pod)]


def steps(console: Console, isolation: str) -> Iterator[Step]:
    """Each claim as it was observed."""
    from callboard import Cluster
    from callboard.runtime.isolation.levels import chosen

    machine, level = Machine(), chosen(isolation).name
    with Cluster(nodes=3, containers="process", isolation=level, timing="fast") as cluster:
        yield nodes_are_ready(cluster, f", at level {level} of isolation")
        with showing(cluster, console, with_usage=False, refresh_s=REFRESH_S):
            yield _shop_is_up(cluster)
        shop = Shop(cluster, cluster.url("ingress/shop"))
        yield _every_part_answers(shop)
        where = urlsplit(shop.url)
        with SteadyLoad(Plan(where.hostname or "", where.port or 80, HOST, ASKS, connections=8, rate_per_s=80)) as load:
            yield _change_arrives(shop)
            yield _broken_version(shop, load)
            yield _rolled_back(shop, load)
            with showing(cluster, console, with_usage=False, refresh_s=REFRESH_S):
                yield _node_is_lost(shop, load)
            yield _scaled(shop, load)
        folder = cluster.folder
    console.print(f"  The load from its begin to its end: {totals(load.outcomes())}.", highlight=False, soft_wrap=True)
    yield machine.nothing_is_left(shop.url, folder)


def _shop_is_up(cluster: Cluster) -> Step:
    began_s = time.monotonic()
    cluster.apply(Path(str(files("callboard").joinpath("data/shop"))))
    for name in WORKLOADS:
        cluster.wait(f"deployment/{name}", "Available", timeout=STEP_TIMEOUT_S)
        cluster.wait(f"deployment/{name}", timeout=STEP_TIMEOUT_S)
    ready = {name: cluster.get(f"deployment/{name}").status.available_replicas or 0 for name in WORKLOADS}
    told = ", ".join(f"{count} of {name}" for name, count in ready.items())
    return Step("the shop is open", ready == WORKLOADS, f"{told}, real processes, after {time.monotonic() - began_s:.1f} s")


def _every_part_answers(shop: Shop) -> Step:
    wait_for(lambda: all(shop.ask(path)[0] == 200 for path in ("/", "/api/catalog/items", "/api/cart/you")))
    page, (_, catalog) = shop.ask("/"), shop.ask("/api/catalog/items")
    taken = [shop.ask("/api/cart/guest", "POST", item) for item in ("tea", "honey")][-1]
    seen = shop.ask("/api/cart/guest")
    right = page[0] == 200 and "<h1>The shop</h1>" in page[1] and "kettle" in catalog and taken == seen
    right = right and json.loads(seen[1]) == {"items": ["tea", "honey"], "total": 10.75}
    detail = f"nginx's page, the catalog, and a cart kept in redis, all by {shop.url}"
    return Step("every part answers through the Ingress", right, detail if right else f"page {page}, cart {taken}, {seen}")


def _change_arrives(shop: Shop) -> Step:
    pods = {pod.metadata.name for pod in shop.pods("catalog")}
    began_s = time.monotonic()
    shop.cluster.patch("configmap/shop-settings", {"data": {"greeting": "Sale today"}})
    seen = wait_for(lambda: [_greeting(shop) for _ in range(2 * len(pods))] == ["Sale today"] * 2 * len(pods))
    detail = f"all {len(pods)} catalogs say it, {time.monotonic() - began_s:.1f} s later and without a restart"
    return Step(
        "a changed ConfigMap reaches running containers", seen and {pod.metadata.name for pod in shop.pods("catalog")} == pods, detail
    )


def _greeting(shop: Shop) -> str:
    status, text = shop.ask("/api/catalog/items")
    return str(json.loads(text)["greeting"]) if status == 200 else ""


def _broken_version(shop: Shop, load: SteadyLoad) -> Step:
    before = {pod.metadata.name for pod in shop.pods("catalog")}
    began_s = time.monotonic()
    shop.cluster.patch("deployment/catalog", BROKEN, type="strategic")
    started = wait_for(
        lambda: len([pod for pod in shop.cluster.list("pods", selector="app=catalog") if pod.status.phase == "Running"]) > len(before)
    )
    time.sleep(BROKEN_FOR_S)
    status = shop.cluster.get("deployment/catalog").status
    observed = started and status.updated_replicas == 1 and {pod.metadata.name for pod in shop.pods("catalog")} == before
    sums = totals(load.outcomes(began_s))
    detail = f"its pod never gets ready, the {len(before)} old ones go on; {sums}"
    return Step(
        "a broken version gets no customers", observed and sums.failed == 0 and sums.sent > 0, detail + _first_failures(load, began_s)
    )


def _rolled_back(shop: Shop, load: SteadyLoad) -> Step:
    began_s = time.monotonic()
    shop.cluster.rollout.undo("deployment/catalog")
    shop.cluster.wait("deployment/catalog", timeout=STEP_TIMEOUT_S)
    gone = wait_for(lambda: len(shop.cluster.list("pods", selector="app=catalog")) == WORKLOADS["catalog"])
    sums = totals(load.outcomes(began_s))
    versions = json.loads(shop.ask("/api/catalog/items")[1])["version"]
    detail = f"version {versions} again after {time.monotonic() - began_s:.1f} s; {sums}"
    return Step("rolled back", gone and versions == "1" and sums.failed == 0, detail + _first_failures(load, began_s))


def _node_is_lost(shop: Shop, load: SteadyLoad) -> Step:
    """Customers: only requests that had begun when the node died may fail. Pods that call a Service: until the lease's grace is over."""
    victim = _victim(shop)
    lost = {pod.metadata.name for pod in shop.pods() if pod.spec.node_name == victim}
    before_s = time.monotonic()
    shop.cluster.nodes[victim].crash()
    crashed_s = time.monotonic()
    replaced = wait_for(lambda: _replaced(shop, victim))
    took_s = time.monotonic() - crashed_s
    answered = wait_for(lambda: _all_answer(shop, load, crashed_s))
    failed, later = load.failures(before_s - load.plan.timeout_s), load.failures(crashed_s)
    calls = [call for call in _failed_calls(shop) if call["ended_s"] >= before_s]
    calls_ended_s = max((call["began_s"] - crashed_s for call in calls), default=0.0)
    grace_s = _grace_s() + CALLS_END_S
    detail = (
        f"{victim} crashed with {len(lost)} pods, up elsewhere after {took_s:.1f} s; {totals(load.outcomes(before_s))},"
        f" {len(failed)} in flight when it died; {len(calls)} calls between pods failed, the last begun {calls_ended_s:.1f} s"
        f" later (at most {grace_s:g})"
    )
    observed = replaced and answered and not later and calls_ended_s <= grace_s
    return Step("a lost node costs what was in flight to it, and no more", observed, detail + _first_failures(load, crashed_s))


def _victim(shop: Shop) -> str:
    """The node with most pods that doesn't hold the store, of which there is one."""
    store = {pod.spec.node_name for pod in shop.pods("store")}
    nodes = [pod.spec.node_name for pod in shop.pods() if pod.spec.node_name not in store]
    return str(max(sorted(set(nodes)), key=nodes.count))


def _replaced(shop: Shop, victim: str) -> bool:
    elsewhere = {app: [pod for pod in shop.pods(app) if pod.spec.node_name != victim] for app in WORKLOADS}
    return {app: len(pods) for app, pods in elsewhere.items()} == WORKLOADS


def _all_answer(shop: Shop, load: SteadyLoad, since_s: float) -> bool:
    """Whether every pod that is Ready has answered a customer."""
    wanted = {pod.metadata.name for app in ("catalog", "cart", "front") for pod in shop.pods(app)}
    return wanted <= set(load.answered_by(since_s))


def _failed_calls(shop: Shop) -> list[dict[str, Any]]:
    """Calls to the catalog's Service that failed, as the carts that still run have logged them."""
    lines = [line for pod in shop.pods("cart") for line in shop.cluster.logs(pod).splitlines()]
    return [call for line in lines if line.startswith("{") and "failed" in (call := json.loads(line))]


def _grace_s() -> float:
    from callboard.models.timing import FAST

    return FAST.node_grace_s


def _scaled(shop: Shop, load: SteadyLoad) -> Step:
    began_s = time.monotonic()
    shop.cluster.scale("deployment/catalog", 5)
    shop.cluster.wait("deployment/catalog", timeout=STEP_TIMEOUT_S)
    up = wait_for(lambda: len(shop.pods("catalog")) == 5 and _all_answer(shop, load, began_s))
    shop.cluster.scale("deployment/catalog", 2)
    down = wait_for(lambda: len(shop.cluster.list("pods", selector="app=catalog")) - _lost(shop) == 2)
    sums = totals(load.outcomes(began_s))
    return Step(
        "scaled to five and to two, and the requests follow", up and down and sums.failed == 0, f"{sums}{_first_failures(load, began_s)}"
    )


def _lost(shop: Shop) -> int:
    """Catalogs of the lost node, of which nobody hears any more."""
    return sum(bool(pod.metadata.deletion_timestamp) for pod in shop.cluster.list("pods", selector="app=catalog"))


def _first_failures(load: SteadyLoad, since_s: float) -> str:
    """What some of the failures were, for whoever looks for the cause; empty if there were none."""
    failed = load.failures(since_s)
    return f"; among them {'; '.join(_told(load, one, since_s) for one in failed[:3])}" if failed else ""


def _told(load: SteadyLoad, one: Outcome, since_s: float) -> str:
    ask = load.plan.asks[one.ask]
    why = one.error or f"status {one.status}"
    return f"{ask.method} {ask.path} after {one.began_s - since_s:.2f} s: {why}"
