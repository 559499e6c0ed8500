"""Preemption against a real store and apiserver on virtual time: what is promised, who goes, what is said, and what faults do to it."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.scheduler.actor import Scheduler
from callboard.models.api.core import PodSchedulingGate
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import freeze, replace
from callboard.models.generic import GenericObject
from callboard.models.messages.api import CreateObject
from callboard.models.podstatus import condition

from .objects import node, pod, taint
from .world import World, world


def _start(w: World, *nodes: Any) -> None:
    for one in nodes:
        w.create("nodes", one)
    w.priorities(0, 5, 10)
    w.priorities(5, 10, policy="Never")
    w.system.start("scheduler", Scheduler, w.client, w.timing)
    w.system.run_for(0.2)


def _make(w: World, name: str, priority: int, **fields: Any) -> Any:
    fields = {"cpu": "1", "priority_class_name": f"p{priority}", **fields}
    made = w.create("pods", pod(name, **fields))
    w.system.run_for(0.3)
    return made


def _going(w: World) -> list[str]:
    return [one.metadata.name for one in w.all("pods") if one.metadata.deletion_timestamp]


def test_a_lower_pod_goes_gracefully_and_its_place_is_given_to_the_one_it_was_promised() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        _make(w, "low", 0)
        high = _make(w, "high", 10)
        victim = w.get("pods", "low")
        assert victim.metadata.deletion_timestamp
        assert victim.metadata.deletion_grace_period_seconds == 30
        said = condition(victim, "DisruptionTarget")
        assert (said.status, said.reason) == ("True", "PreemptionByScheduler")
        assert said.message == "default-scheduler: preempting to accommodate a higher priority pod"
        assert w.events("Preempted") == [f"Preempted by pod {high.metadata.uid} on node a"]
        assert w.get("pods", "high").status.nominated_node_name == "a"
        assert w.events("FailedScheduling") == ["0/1 nodes are available: 1 Insufficient cpu."]
        w.finish(victim)
        w.system.run_for(0.5)
        assert w.nodes_of_pods() == {"high": "a"}


def test_the_promised_place_is_kept_from_lower_pods_that_come_meanwhile() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"), node("b", cpu="1"))
        _make(w, "first", 0)
        _make(w, "second", 0)
        _make(w, "high", 10)
        [name] = _going(w)
        where = w.get("pods", name).spec.node_name
        _make(w, "late", 5, priority_class_name="never5")
        w.finish(w.get("pods", name))
        w.system.run_for(3.0)
        assert w.nodes_of_pods()["high"] == where
        assert w.nodes_of_pods()["late"] == ""
        assert _going(w) == []


def test_a_pod_that_never_preempts_says_so_and_waits() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        _make(w, "low", 0)
        _make(w, "high", 10, priority_class_name="never10")
        assert condition(w.get("pods", "high"), "PodScheduled").message == (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
        )
        assert _going(w) == []


def test_a_budget_of_the_store_is_heeded() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"), node("b", cpu="1"))
        _make(w, "guarded", 0, labels={"app": "web"})
        _make(w, "other", 5)
        content = freeze({"spec": {"selector": {"matchLabels": {"app": "web"}}}, "status": {"disruptionsAllowed": 0}})
        budget = GenericObject(
            api_version="policy/v1",
            kind="PodDisruptionBudget",
            metadata=ObjectMeta(name="web", namespace="default"),
            content=content,
        )
        w.ok(CreateObject, resource="poddisruptionbudgets.policy", obj=budget)
        w.system.run_for(0.2)
        _make(w, "high", 10)
        assert _going(w) == ["other"]


def test_two_pods_that_preempt_take_a_node_each_and_nobody_goes_in_vain() -> None:
    with world() as w:
        _start(w, *(node(name, cpu="1") for name in "abc"))
        for name in "xyz":
            _make(w, name, 0)
        _make(w, "high-1", 10)
        _make(w, "high-2", 10)
        assert len(_going(w)) == 2
        w.run(5.0)
        assert len(_going(w)) == 2
        for name in _going(w):
            w.finish(w.get("pods", name))
        w.system.run_for(1.0)
        homes = w.nodes_of_pods()
        assert homes["high-1"]
        assert homes["high-2"]
        assert len(homes) == 3


def test_a_higher_pod_takes_over_the_promise_of_a_lower_one() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        _make(w, "low", 0)
        _make(w, "middle", 5)
        _make(w, "high", 10)
        assert w.get("pods", "high").status.nominated_node_name == "a"
        w.finish(w.get("pods", "low"))
        w.system.run_for(3.0)
        assert w.nodes_of_pods() == {"middle": "", "high": "a"}
        assert w.get("pods", "middle").status.nominated_node_name == ""


@pytest.mark.parametrize("type_", ["DeleteObject", "PatchObject", "WriteStatus"])
@pytest.mark.parametrize("way", ["request", "answer"])
def test_a_lost_step_is_repeated_and_removes_one_pod_only(type_: str, way: str) -> None:
    with world() as w:
        _start(w, node("a", cpu="1"), node("b", cpu="1"))
        _make(w, "x", 0)
        _make(w, "y", 0)
        lost: list[Any] = []
        numbers: list[int] = []

        def judge(passage: Any, message: Any) -> bool:
            if way == "request" and passage.type == type_ and not lost:
                lost.append(message)
                return True
            return False

        def note(passage: Any, message: Any) -> bool:
            if passage.type == type_ and not numbers:
                numbers.append(message.id)
            return False

        def lose_answer(passage: Any, message: Any) -> bool:
            if way == "answer" and passage.type in ("Written", "Refused") and numbers and message.id == numbers[0] and not lost:
                lost.append(message)
                return True
            return False

        w.system.links.drop("scheduler", "apiserver-0", judge)
        w.system.links.drop("scheduler", "apiserver-0", note)
        w.system.links.drop("apiserver-0", "scheduler", lose_answer)
        w.create("pods", pod("high", cpu="1", priority_class_name="p10"))
        w.system.run_for(4 * w.timing.request_timeout_s)
        assert len(lost) == 1
        assert len(_going(w)) == 1
        w.finish(w.get("pods", _going(w)[0]))
        w.system.run_for(4 * w.timing.request_timeout_s)
        assert w.nodes_of_pods()["high"]
        assert len(w.nodes_of_pods()) == 2


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.004, 0.006, 0.01, 0.3])
def test_a_scheduler_that_starts_anew_in_the_middle_removes_nobody_else(after_s: float) -> None:
    with world() as w:
        _start(w, *(node(name, cpu="1") for name in "abc"))
        for name in "xyz":
            _make(w, name, 0)
        w.create("pods", pod("high", cpu="1", priority_class_name="p10"))
        w.system.run_for(after_s)
        w.system.crash("scheduler")
        w.run(1.0)
        w.system.restart("scheduler")
        w.run(3.0)
        assert len(_going(w)) == 1
        w.finish(w.get("pods", _going(w)[0]))
        w.run(2.0)
        assert w.nodes_of_pods()["high"]
        assert len(w.nodes_of_pods()) == 3


def test_when_the_promised_node_is_lost_another_is_found() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"), node("b", cpu="1"))
        _make(w, "x", 0)
        _make(w, "y", 0)
        _make(w, "high", 10)
        where = w.get("pods", "high").status.nominated_node_name
        found = w.get("nodes", where)
        w.change("nodes", replace(found, spec=replace(found.spec, taints=(taint("node.kubernetes.io/unreachable"),))))
        w.run(3.0)
        other = "b" if where == "a" else "a"
        assert w.get("pods", "high").status.nominated_node_name == other
        assert len(_going(w)) == 2
        [victim] = [one for one in w.all("pods") if one.spec.node_name == other]
        w.finish(victim)
        w.run(1.0)
        assert w.nodes_of_pods()["high"] == other


def test_a_node_that_comes_back_is_considered_for_a_preemption_too() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        _make(w, "low", 0)
        found = w.get("nodes", "a")
        w.change("nodes", replace(found, spec=replace(found.spec, unschedulable=True)))
        _make(w, "high", 10)
        assert condition(w.get("pods", "high"), "PodScheduled").message == (
            "0/1 nodes are available: 1 node(s) were unschedulable. "
            "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        )
        found = w.get("nodes", "a")
        w.change("nodes", replace(found, spec=replace(found.spec, unschedulable=None)))
        w.run(1.5)
        assert _going(w) == ["low"]


def test_a_pod_that_finds_no_place_after_its_victims_went_removes_others_only_after_growing_pauses() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        _make(w, "low-0", 0)
        _make(w, "high", 10)
        for number in range(1, 30):  # as soon as the victim goes, somebody binds another pod there by hand
            for name in _going(w):
                w.create("pods", pod(f"low-{number}", cpu="1", bound="a", priority_class_name="p0"))
                w.finish(w.get("pods", name))
            w.run(0.5)
        assert 1 < len(w.events("Preempted")) < 10
        for one in w.all("pods"):
            if one.metadata.name != "high":
                w.finish(one)
        w.run(1.0)
        assert w.nodes_of_pods() == {"high": "a"}


def test_gated_pods_are_told_so_and_go_their_way_when_the_gates_are_gone() -> None:
    with world() as w:
        _start(w, node("a"))
        w.create("pods", pod("p", scheduling_gates=(PodSchedulingGate(name="wait"),)))
        w.system.run_for(0.5)
        found = w.get("pods", "p")
        said = condition(found, "PodScheduled")
        assert (said.status, said.reason, said.message) == (
            "False",
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
        )
        w.change("pods", replace(found, spec=replace(found.spec, scheduling_gates=())))
        w.system.run_for(0.5)
        assert w.nodes_of_pods() == {"p": "a"}
