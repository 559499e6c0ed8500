"""The scheduler against a real store and apiserver on virtual time: binding, waiting, waking, lost answers, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.scheduler.actor import Scheduler
from callboard.models.api.core import PodSchedulingGate
from callboard.models.base import replace
from callboard.models.messages.api import BindPod
from callboard.models.podstatus import condition

from .objects import node, pod
from .world import World, world


def _start(w: World, *nodes: Any) -> None:
    for one in nodes:
        w.create("nodes", one)
    w.system.start("scheduler", Scheduler, w.client, w.timing)
    w.system.run_for(0.2)


def _room(w: World) -> dict[str, int]:
    """CPU in use by node, as the scheduler counts it."""
    table = w.system.look("scheduler").table
    return {name: table.used["cpu"][row] for name, row in table.rows.items()}


def _truth(w: World) -> dict[str, int]:
    """The same, from the store."""
    found = {one.metadata.name: 0 for one in w.all("nodes")}
    for one in w.all("pods"):
        if one.spec.node_name in found:
            found[one.spec.node_name] += 1000 * int(one.spec.containers[0].resources.requests.get("cpu", "0"))
    return found


def test_pods_are_bound_and_told_of_it() -> None:
    with world() as w:
        _start(w, node("a"), node("b"))
        for number in range(4):
            w.create("pods", pod(f"p{number}", cpu="1"))
        w.system.run_for(1.0)
        assert sorted(w.nodes_of_pods().values()) == ["a", "a", "b", "b"]
        assert len(w.events("Scheduled")) == 4
        assert any(message == "Successfully assigned default/p0 to " + w.nodes_of_pods()["p0"] for message in w.events("Scheduled"))
        assert _room(w) == _truth(w) == {"a": 2000, "b": 2000}
        assert len(w.system.look("scheduler").assumed) == 0
        assert len(w.system.look("scheduler").queue) == 0


def test_a_pod_that_fits_nowhere_says_why_and_is_bound_as_soon_as_there_is_room() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"), node("b", cpu="1"))
        w.create("pods", pod("big", cpu="2"))
        w.system.run_for(1.0)
        words = (
            "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        )
        found = condition(w.get("pods", "big"), "PodScheduled")
        assert (found.status, found.reason, found.message) == ("False", "Unschedulable", words)
        assert w.events("FailedScheduling") == [words]
        w.create("nodes", node("c", cpu="4"))
        w.system.run_for(0.5)
        assert w.nodes_of_pods() == {"big": "c"}


def test_a_waiting_pod_is_not_told_the_same_again_and_again() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        w.create("pods", pod("big", cpu="2"))
        w.system.run_for(1.0)
        revision = w.get("pods", "big").metadata.resource_version
        for number in range(5):
            w.create("nodes", node(f"small-{number}", cpu="1"))
            w.system.run_for(0.5)
        assert w.get("pods", "big").metadata.resource_version == revision


def _count_choices(w: World) -> list[Any]:
    decider = w.system.look("scheduler").decider
    chosen: list[Any] = []
    case = decider.case

    def counted(*args: Any) -> Any:
        chosen.append(args)
        return case(*args)

    decider.case = counted
    return chosen


def test_one_place_that_becomes_free_wakes_one_of_many_waiting_pods() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        first = w.create("pods", pod("first", cpu="1"))
        w.system.run_for(0.5)
        for number in range(20):
            w.create("pods", pod(f"wait-{number:02}", cpu="1"))
        w.system.run_for(0.5)
        chosen = _count_choices(w)
        w.finish(first)
        w.system.run_for(0.5)
        assert w.nodes_of_pods()["wait-00"] == "a"
        assert sum(1 for name, where in w.nodes_of_pods().items() if where) == 1
        assert len(chosen) == 2  # the one that fits, and the next, which doesn't


def test_a_higher_priority_goes_first_and_then_the_older() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        w.system.crash("scheduler")
        w.priorities(0, 5, 10)
        for number, priority in enumerate((0, 10, 5, 10)):
            w.create("pods", pod(f"p{number}", cpu="1", priority_class_name=f"p{priority}"))
        w.system.restart("scheduler")
        w.system.run_for(0.5)
        assert [name for name, where in w.nodes_of_pods().items() if where] == ["p1"]


@pytest.mark.parametrize(
    "changes",
    [{"scheduler_name": "another"}, {"scheduling_gates": (PodSchedulingGate(name="wait"),)}],
)
def test_pods_of_others_and_gated_pods_are_left_alone(changes: dict[str, Any]) -> None:
    with world() as w:
        _start(w, node("a"))
        w.create("pods", pod("p", **changes))
        w.system.run_for(1.0)
        assert w.nodes_of_pods() == {"p": ""}
        assert not w.events("FailedScheduling")


def test_a_cordoned_node_takes_pods_again_when_it_is_uncordoned() -> None:
    with world() as w:
        _start(w, node("a", cordoned=True))
        w.create("pods", pod("p"))
        w.system.run_for(0.5)
        assert w.nodes_of_pods() == {"p": ""}
        found = w.get("nodes", "a")
        w.change("nodes", replace(found, spec=replace(found.spec, unschedulable=None)))
        w.system.run_for(0.5)
        assert w.nodes_of_pods() == {"p": "a"}


def test_a_restart_forgets_nothing() -> None:
    with world() as w:
        _start(w, node("a", cpu="2"), node("b", cpu="2"))
        for number in range(3):
            w.create("pods", pod(f"p{number}", cpu="1"))
        w.system.run_for(0.5)
        w.system.crash("scheduler")
        for number in range(3, 6):
            w.create("pods", pod(f"p{number}", cpu="1"))
        w.system.restart("scheduler")
        w.system.run_for(1.0)
        assert sum(1 for where in w.nodes_of_pods().values() if where) == 4
        assert _room(w) == _truth(w) == {"a": 2000, "b": 2000}


def _lose(w: World, source: str, target: str, type_: str, *, count: int = 1) -> list[Any]:
    lost: list[Any] = []

    def judge(passage: Any, message: Any) -> bool:
        if passage.type != type_ or len(lost) >= count:
            return False
        lost.append(message)
        return True

    w.system.links.drop(source, target, judge)
    return lost


@pytest.mark.parametrize("way", ["request", "answer"])
def test_a_bind_whose_answer_is_lost_is_settled_by_reading_and_counts_once(way: str) -> None:
    with world() as w:
        _start(w, node("a", cpu="1"), node("b", cpu="1"))
        if way == "request":
            lost = _lose(w, "scheduler", "apiserver-0", "BindPod")
        else:
            lost = _lose(w, "apiserver-0", "scheduler", "Written")
        for number in range(2):
            w.create("pods", pod(f"p{number}", cpu="1"))
        w.system.run_for(3 * w.timing.request_timeout_s)
        assert len(lost) == 1
        assert sorted(w.nodes_of_pods().values()) == ["a", "b"]
        assert _room(w) == _truth(w) == {"a": 1000, "b": 1000}
        assert len(w.system.look("scheduler").assumed) == 0


def test_a_bind_that_arrives_late_overfills_no_node() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        late = 1.7 * w.timing.request_timeout_s
        w.system.links.hold(
            lambda passage: late if passage.type == "BindPod" and passage.occurrence == 1 and passage.subject.endswith("/p0") else 0.0
        )
        for number in range(3):
            w.create("pods", pod(f"p{number}", cpu="1"))
        w.system.run_for(5 * w.timing.request_timeout_s)
        assert _room(w) == _truth(w) == {"a": 1000}
        assert w.nodes_of_pods()["p0"] == "a"


def test_a_pod_that_somebody_else_binds_first_counts_where_it_is() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"), node("b", cpu="1"))
        _lose(w, "scheduler", "apiserver-0", "BindPod")
        made = w.create("pods", pod("p", cpu="1"))
        w.system.run_for(0.1)
        assumed = w.system.look("scheduler").assumed.get("pods/default/p")
        assert assumed is not None
        other = "b" if assumed.node == "a" else "a"
        w.ok(BindPod, resource="pods", namespace="default", name="p", uid=made.metadata.uid, node_name=other)
        w.system.run_for(3 * w.timing.request_timeout_s)
        assert w.nodes_of_pods() == {"p": other}
        assert _room(w) == _truth(w)


def test_a_pod_that_is_deleted_while_it_is_bound_leaves_nothing_behind() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        _lose(w, "scheduler", "apiserver-0", "BindPod")
        w.create("pods", pod("p", cpu="1"))
        w.system.run_for(0.1)
        w.delete("pods", "p")
        w.system.run_for(3 * w.timing.request_timeout_s)
        assert _room(w) == {"a": 0}
        assert len(w.system.look("scheduler").assumed) == 0
        assert len(w.system.look("scheduler").queue) == 0


def test_a_pod_made_anew_under_the_same_name_is_scheduled_too() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        first = w.create("pods", pod("p", cpu="1"))
        w.system.run_for(0.5)
        w.finish(first)
        w.create("pods", pod("p", cpu="1"))
        w.system.run_for(0.5)
        assert w.nodes_of_pods() == {"p": "a"}
        assert _room(w) == _truth(w)


def test_a_finished_pod_takes_nothing_and_a_terminating_one_does() -> None:
    with world() as w:
        _start(w, node("a", cpu="1"))
        w.create("pods", pod("first", cpu="1"))
        w.system.run_for(0.5)
        first = w.get("pods", "first")
        w.delete("pods", "first")
        w.create("pods", pod("second", cpu="1"))
        w.system.run_for(0.5)
        assert w.nodes_of_pods()["second"] == ""
        w.status("pods", first, replace(first.status, phase="Succeeded"))
        w.system.run_for(0.5)
        assert w.nodes_of_pods()["second"] == "a"


def test_the_same_seed_gives_the_same_history() -> None:
    def run() -> str:
        with world(seed=7) as w:
            _start(w, node("a"), node("b"), node("c"))
            for number in range(10):
                w.create("pods", pod(f"p{number}", cpu="1", owner="web"))
            w.system.run_for(2.0)
            return str(w.system.trace_hash)

    assert run() == run()
