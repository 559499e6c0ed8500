"""Budgets in whole simulations: what their status says of workloads as they change, and that a drain breaks none under faults."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard import Conflict, NodeSpec, NotFound, Simulation, TooManyRequests
from callboard.models.errors import InternalError, Timeout, Unavailable
from callboard.models.podstatus import is_ready, is_terminating

MIN_AVAILABLE = 3


def budget(name: str = "web", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}


def workload(replicas: int, **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "web:1"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def lone_pod(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }


def numbers(s: Simulation, name: str = "web") -> tuple[int, int, int, int]:
    """disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods of a budget that was seen in its last form."""
    found = s.get(f"pdb/{name}")
    status = found.content["status"]
    assert status["observedGeneration"] == found.metadata.generation
    return status["disruptionsAllowed"], status["currentHealthy"], status["desiredHealthy"], status["expectedPods"]


def settled(s: Simulation, name: str = "web") -> tuple[int, int, int, int]:
    s.settle()
    return numbers(s, name)


def condition(s: Simulation) -> tuple[str, str, str]:
    (found,) = s.get("pdb/web").content["status"]["conditions"]
    return found["status"], found["reason"], found["message"]


def test_a_budget_follows_its_workload_and_its_own_changes() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(budget(maxUnavailable=1))
        assert settled(s) == (0, 0, 0, 0)
        assert [event.message for event in s.events("pdb/web")] == ["No matching pods found"]
        s.apply(workload(3))
        s.wait("deployment/web")
        assert settled(s) == (1, 3, 2, 3)
        assert condition(s) == ("True", "SufficientPods", "")
        s.scale("deployment/web", 5)
        s.wait("deployment/web")
        assert settled(s) == (1, 5, 4, 5)
        s.patch("pdb/web", {"spec": {"maxUnavailable": "50%"}})
        assert settled(s) == (3, 5, 2, 5)
        s.patch("pdb/web", {"spec": {"maxUnavailable": None, "minAvailable": "100%"}})
        assert settled(s) == (0, 5, 5, 5)
        assert condition(s) == ("False", "InsufficientPods", "")
        s.patch("pdb/web", {"spec": {"selector": {"matchLabels": {"app": "other"}}}})
        assert settled(s) == (0, 0, 0, 0)


def test_pods_that_come_under_a_budget_or_leave_it_are_counted() -> None:
    with Simulation(nodes=1, seed=2) as s:
        s.apply([budget(minAvailable=1), lone_pod("a", app="web"), lone_pod("b")])
        assert settled(s) == (0, 1, 1, 1)
        s.patch("pod/b", {"metadata": {"labels": {"app": "web"}}})
        assert settled(s) == (1, 2, 1, 2)
        s.patch("pod/a", {"metadata": {"labels": {"app": None}}})
        assert settled(s) == (0, 1, 1, 1)
        s.delete("pod/b")
        assert settled(s) == (0, 0, 1, 0)


def test_an_empty_selector_protects_the_whole_namespace() -> None:
    with Simulation(nodes=1, seed=3) as s:
        s.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}, lone_pod("a"), lone_pod("b", app="x")])
        s.apply([budget(minAvailable=2, selector={}), budget(namespace="other", minAvailable=1, selector={})])
        assert settled(s) == (0, 2, 2, 2)
        with pytest.raises(TooManyRequests):
            s.evict("pod/b")
        s.patch("pdb/web", {"spec": {"minAvailable": 1}})
        assert settled(s) == (1, 2, 1, 2)
        s.evict("pod/b")
        assert settled(s) == (0, 1, 1, 1)


def test_a_pod_of_two_budgets_is_not_evicted_and_both_are_counted() -> None:
    with Simulation(nodes=1, seed=4) as s:
        s.apply([budget("one", minAvailable=0), budget("two", minAvailable=0, selector={}), lone_pod("a", app="web")])
        assert settled(s, "one") == settled(s, "two") == (1, 1, 0, 1)
        with pytest.raises(InternalError, match="This pod has more than one PodDisruptionBudget, which the eviction subresource does not"):
            s.evict("pod/a")
        (told,) = {event.message for event in s.events("pod/a") if event.reason == "MultiplePodDisruptionBudgets"}
        assert told == 'Pod "default"/"a" matches multiple PodDisruptionBudgets.  Chose "one" arbitrarily.'


def test_pods_whose_scale_nobody_knows_are_told_and_protected() -> None:
    with Simulation(nodes=1, seed=5) as s:
        job: dict[str, Any] = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "j"},
            "spec": {"template": {"spec": lone_pod("a")["spec"]}},
        }
        job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
        (made,) = s.apply(job)
        reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": made.metadata.uid, "controller": True}
        owned = lone_pod("a", app="web")
        owned["metadata"]["ownerReferences"] = [reference]
        s.apply([budget(maxUnavailable=1), lone_pod("b", app="web")])
        assert settled(s) == (0, 1, 0, 0)
        assert {event.reason for event in s.events("pdb/web")} >= {"UnmanagedPods"}
        s.apply(owned)
        s.settle()
        with pytest.raises(TooManyRequests) as refused:
            s.evict("pod/b")
        assert "because it failed sync: jobs.batch does not implement the scale subresource" in str(refused.value.details)
        assert condition(s)[1] == "SyncFailed"
        assert {event.reason for event in s.events("pdb/web")} >= {"CalculateExpectedPodCountFailed"}


def gizmo_definition() -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        "subresources": {"scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
    }
    names = {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    meta = {"name": "gizmos.example.com"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}


def test_the_scale_of_a_user_defined_kind_counts_as_long_as_it_is_defined() -> None:
    with Simulation(nodes=1, seed=7) as s:
        s.apply(gizmo_definition())
        s.settle()
        gizmo = {"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "g"}, "spec": {"size": 2}}
        (made,) = s.apply(gizmo)
        reference = {"apiVersion": "example.com/v1", "kind": "Gizmo", "name": "g", "uid": made.metadata.uid, "controller": True}
        pods = [lone_pod(name, app="web") for name in ("a", "b")]
        for pod in pods:
            pod["metadata"]["ownerReferences"] = [reference]
        s.apply([budget(maxUnavailable=1), *pods])
        assert settled(s) == (1, 2, 1, 2)
        s.patch("gizmo/g", {"spec": {"size": 3}})
        assert settled(s) == (0, 2, 2, 3)
        s.delete("crd/gizmos.example.com")
        assert settled(s) == (0, 0, 0, 0), "the pods have gone with their owner"
        for pod in pods:  # of a controller that nobody can tell to be gone, so that they stay
            pod["metadata"]["ownerReferences"] = [{**reference, "uid": "unknown"}]
        s.apply(pods)
        s.settle()
        assert condition(s) == ("False", "SyncFailed", 'no matches for kind "Gizmo" in version "example.com/v1"')
        s.apply([budget("plain", minAvailable=0, selector={}), lone_pod("c")])
        s.settle()
        assert numbers(s, "plain")[0] > 0


def test_of_two_controllers_the_other_takes_over_in_the_middle_of_a_drain() -> None:
    with Simulation(nodes=3, seed=8, timing="chaos", controllers=2, jitter_s=0.02) as s:
        s.apply([workload(5), budget(maxUnavailable=2)])
        s.wait("deployment/web")
        s.settle()
        s.invariant(enough_are_available)
        for name, node in (("controller/disruption", "node-1"), ("controller/disruption-1", "node-2")):
            s.components[name].crash()
            s.nodes[node].drain(timeout="100s")
            s.components[name].restart()
        assert settled(s) == (2, 5, 3, 5)


def test_a_pod_of_higher_priority_takes_the_place_of_pods_that_no_budget_protects() -> None:
    with Simulation(nodes=[NodeSpec(name="only", pods=4)], seed=9) as s:
        high = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 10}
        s.apply([high, budget(minAvailable=2), *(lone_pod(name, app="web") for name in "ab"), *(lone_pod(name, app="x") for name in "cd")])
        assert settled(s) == (0, 2, 2, 2)
        for number in range(3):  # the third finds nobody but protected pods, and budgets hold preemption up as little as in Kubernetes
            pod = lone_pod(f"high-{number}")
            pod["spec"]["priorityClassName"] = "high"
            s.apply(pod)
            s.settle()
            left = {pod.metadata.name for pod in s.list("pods")} & set("abcd")
            assert len(left) == 3 - number
            assert left >= {"a", "b"} or number == 2
        assert settled(s) == (0, 1, 2, 1)


def test_a_namespace_is_watched_only_while_it_has_budgets() -> None:
    with Simulation(nodes=1, seed=6) as s:
        s.apply(workload(2))
        s.settle()
        heard: list[str] = []

        def note(passage: Any, _message: Any) -> bool:
            heard.append(passage.type)
            return False

        s.links.drop("apiserver-*", "controller/disruption", note)
        s.scale("deployment/web", 4)
        s.wait("deployment/web")
        assert heard == []
        s.apply(budget(minAvailable=1))
        assert settled(s) == (3, 4, 1, 4)
        assert "Listed" in heard
        s.delete("pdb/web")
        s.settle()
        heard.clear()
        s.scale("deployment/web", 8)
        s.wait("deployment/web")
        assert heard == []


# -- under faults ----------------------------------------------------------------------------------------------------------------------


def enough_are_available(s: Simulation) -> bool:
    return sum(1 for pod in s.list("pods") if is_ready(pod) and not is_terminating(pod)) >= MIN_AVAILABLE


def _restart(name: str) -> Callable[[Simulation], None]:
    return lambda s: s.components[name].restart()


def _lossy(s: Simulation) -> None:
    seen = iter(range(10**9))
    s.links.drop("apiserver-*", "controller/*", lambda passage, _: passage.type in ("Written", "WatchBatch") and next(seen) % 5 == 0)


def _late(s: Simulation) -> None:
    s.links.delay("apiserver-*", "controller/disruption", 0.7)


ACTS: dict[str, Callable[[Simulation], None]] = {
    "disruption controller restarts": _restart("controller/disruption"),
    "replicaset controller restarts": _restart("controller/replicaset"),
    "apiserver restarts": _restart("apiserver-0"),
    "store restarts": _restart("store"),
    "scheduler restarts": _restart("scheduler"),
    "answers and watches are lost": _lossy,
    "the disruption controller hears late": _late,
}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), acts=st.lists(st.tuples(st.floats(0, 4), st.sampled_from(sorted(ACTS))), max_size=5))
def test_a_drain_under_a_budget_never_takes_too_many_and_ends(seed: int, acts: list[tuple[float, str]]) -> None:
    with Simulation(nodes=3, seed=seed, timing="chaos", apiservers=2, jitter_s=0.05) as s:
        s.apply([workload(5), budget(minAvailable=MIN_AVAILABLE)])
        s.wait("deployment/web")
        s.settle()
        s.invariant(enough_are_available)
        waiting = sorted(acts)
        began_s = s.now
        left: list[Any] = []
        while (passed_s := s.now - began_s) < 60 and (left or waiting or passed_s < 1):
            while waiting and waiting[0][0] <= passed_s:
                ACTS[waiting.pop(0)[1]](s)
            for node in ("node-1", "node-2"):
                _evict_from(s, node)
            s.advance(0.25)
            left = [pod for pod in s.list("pods") if pod.spec.node_name in ("node-1", "node-2")]
        s.links.clear()
        s.settle()
        assert not left
        assert numbers(s) == (2, 5, MIN_AVAILABLE, 5)
        assert "disruptedPods" not in s.get("pdb/web").content["status"]


def _evict_from(s: Simulation, node: str) -> None:
    """What a drain does, without its pauses: as many evictions as the budget allows."""
    with suppress(Unavailable, Timeout):
        s.nodes[node].cordon()
        for pod in s.list("pods"):
            if pod.spec.node_name == node:
                with suppress(TooManyRequests, NotFound, Conflict):
                    s.evict(pod)
