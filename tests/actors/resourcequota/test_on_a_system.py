"""Quotas in whole simulations: what they do to workloads, and that they hold under faults."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard import Conflict, Forbidden, NotFound, Simulation
from callboard.models.api.core import ConfigMap
from callboard.models.errors import Timeout, Unavailable
from callboard.models.messages.api import Listed
from callboard.models.quantity import parse_quantity
from callboard.models.quotas import usage_of


def quota(**hard: str) -> dict[str, Any]:
    spec = {"hard": {name.replace("_", "."): value for name, value in hard.items()}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}


def workload(replicas: int, cpu: str = "100m") -> dict[str, Any]:
    labels = {"app": "web"}
    container = {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": cpu}}}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def status(s: Simulation) -> Any:
    return s.get("quota/q").content.get("status") or {}


def test_a_workload_gets_as_many_pods_as_the_quota_allows_and_says_why_not_more() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(quota(pods="3"))
        s.settle()
        s.apply(workload(5))
        s.advance("20s")
        assert len(s.list("pods")) == 3
        condition = next(one for one in s.get("deployment/web").status.conditions if one.type == "ReplicaFailure")
        assert condition.reason == "FailedCreate"
        assert "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3" in condition.message
        assert any(event.reason == "FailedCreate" for event in s.list("events"))
        s.patch("quota/q", {"spec": {"hard": {"pods": "5"}}})
        s.wait("deployment/web", "Available", timeout="3m")
        assert len(s.list("pods")) == 5


def test_what_is_deleted_can_be_used_again() -> None:
    with Simulation(nodes=1, seed=2) as s:
        s.apply(quota(pods="2", requests_cpu="1"))
        s.settle()
        s.apply(workload(2, "500m"))
        s.settle()
        assert status(s)["used"] == {"pods": "2", "requests.cpu": "1"}
        with pytest.raises(Forbidden, match="exceeded quota: q"):
            s.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": workload(1)["spec"]["template"]["spec"]})
        s.scale("deployment/web", 0)
        s.settle()
        assert status(s)["used"] == {"pods": "0", "requests.cpu": "0"}


def test_a_quota_finds_what_is_there_already_and_goes_without_a_trace() -> None:
    with Simulation(nodes=1, seed=3) as s:
        s.apply(workload(3))
        s.settle()
        s.apply(quota(pods="2"))
        s.settle()
        assert status(s) == {"hard": {"pods": "2"}, "used": {"pods": "3"}}
        s.delete("quota/q")
        s.settle()
        s.apply(workload(4))
        s.wait("deployment/web")


def pods(count: int) -> list[dict[str, Any]]:
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p-{number}"}, "spec": spec} for number in range(count)]


@pytest.mark.parametrize("seed", range(4))
def test_a_quota_holds_while_its_controller_starts_again(seed: int) -> None:
    with Simulation(nodes=1, seed=seed) as s:
        s.apply(quota(pods="2"))
        s.advance("2s")
        s.invariant(limit_is_in_force({"pods": "2"}))
        s.components["controller/resourcequota"].restart()
        for pod in pods(20):
            with suppress(Forbidden):
                s.apply(pod)
        s.advance("10s")
        assert len(s.list("pods")) == 2
        assert status(s) == {"hard": {"pods": "2"}, "used": {"pods": "2"}}


def test_a_quota_waits_for_a_view_that_is_slow_and_not_for_a_kind_that_nobody_serves() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
        s.apply({**quota(), "spec": {"hard": {"pods": "2", "configmaps": "5", "count/guests.inn.example.com": "1"}}})
        s.advance("2s")
        force = {"pods": "2", "configmaps": "5"}
        assert status(s)["hard"] == force
        s.invariant(limit_is_in_force(force))
        slow = s.links.drop(
            "apiserver-0",
            "controller/resourcequota",
            lambda _, message: isinstance(message, Listed) and any(isinstance(one, ConfigMap) for one in message.objects),
        )
        s.components["controller/resourcequota"].restart()
        s.apply(pods(2))
        s.advance("1m")
        with pytest.raises(Forbidden, match="exceeded quota: q"):
            s.apply(pods(3))
        s.links.remove(slow)
        s.delete("pod/p-0")
        s.advance("1m")
        assert status(s) == {"hard": force, "used": {"pods": "1", "configmaps": "1"}}


def limit_is_in_force(hard: dict[str, str]) -> Callable[[Simulation], bool]:
    """Whether all that the quota limits is enforced, which it is from the first count on, for ever."""

    def in_force(s: Simulation) -> bool:
        return bool(status(s)["hard"] == hard)

    return in_force


def truth(s: Simulation) -> int:
    return sum(int(usage_of("pods", pod).get("pods", 0)) for pod in s.list("pods"))


def used_is_within_hard(s: Simulation) -> bool:
    if not s.list("resourcequotas"):
        return True
    told = status(s)
    return all(parse_quantity(told["used"][name]) <= parse_quantity(limit) for name, limit in (told.get("hard") or {}).items())


def no_more_than_four_pods(s: Simulation) -> bool:
    return truth(s) <= 4


def _restart(name: str) -> Callable[[Simulation], None]:
    return lambda s: s.components[name].restart()


def _lossy(s: Simulation) -> None:
    seen = iter(range(10**9))
    s.links.drop("apiserver-*", "controller/*", lambda passage, _: passage.type in ("Written", "WatchBatch") and next(seen) % 5 == 0)


def _stale(s: Simulation) -> None:
    s.links.drop("store", "apiserver-1", lambda passage, _: passage.type == "StoreChanged")


ACTS: dict[str, Callable[[Simulation], None]] = {
    "quota controller restarts": _restart("controller/resourcequota"),
    "replicaset controller restarts": _restart("controller/replicaset"),
    "apiserver restarts": _restart("apiserver-0"),
    "store restarts": _restart("store"),
    "answers and watches are lost": _lossy,
    "one apiserver is stale": _stale,
    "more": lambda s: _scaled(s, 6),
    "fewer": lambda s: _scaled(s, 1),
    "one pod is deleted": lambda s: _delete_one(s),
}


def _scaled(s: Simulation, replicas: int) -> None:
    s.scale("deployment/web", replicas)


def _delete_one(s: Simulation) -> None:
    for pod in s.list("pods")[:1]:
        s.delete(pod)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), acts=st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.floats(0, 3)), max_size=6))
def test_used_never_exceeds_hard_and_comes_to_the_truth(seed: int, acts: list[tuple[str, float]]) -> None:
    with Simulation(nodes=2, seed=seed, timing="chaos", apiservers=2, jitter_s=0.01) as s:
        s.apply(quota(pods="4"))
        s.settle()
        s.invariant(used_is_within_hard)
        s.invariant(limit_is_in_force({"pods": "4"}))
        s.invariant(no_more_than_four_pods)
        s.apply(workload(3))
        for name, pause_s in acts:
            with suppress(NotFound, Conflict, Unavailable, Timeout):  # what a client has to live with while things fail
                ACTS[name](s)
            s.advance(pause_s)
        s.links.clear()
        s.advance("2m")
        assert status(s)["used"] == {"pods": str(truth(s))}
        assert truth(s) == min(4, s.get("deployment/web").spec.replicas)
