"""What the face says of itself and of what it waits for."""

from __future__ import annotations

from typing import Any

import pytest

import callboard
from callboard import BadRequest, Behaviour, Cluster, Simulation, Usage, WaitTimeout, connect
from callboard.models.describe import in_order
from callboard.runtime.face.conditions import default_condition, judge

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a"},
    "spec": {"containers": [{"name": "a", "image": "a"}]},
}


def test_the_package_lists_what_is_public_and_nothing_else() -> None:
    names = dir(callboard)
    assert names == sorted(callboard.__all__)
    assert all(getattr(callboard, name) is not None for name in names)


def test_handles_say_what_they_are() -> None:
    with Simulation(nodes=1, seed=3) as s:
        assert repr(s) == "<Simulation nodes=1, seed=3>"
        assert repr(s.nodes["node-1"]) == "<NodeHandle node-1>"
        assert repr(s.components["scheduler"]) == "<ComponentHandle scheduler, alive>"
    with Cluster(nodes=1, timing="fast") as c, connect(c.serve()) as other:
        assert repr(c) == "<Cluster nodes=1, running>"
        assert repr(other) == f"<Connected to {other.name}, namespace default>"
    assert repr(c) == "<Cluster nodes=1, stopped>"


def test_what_is_waited_for_when_nothing_is_named() -> None:
    assert [default_condition(kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "ConfigMap")] == [
        "RolledOut",
        "RolledOut",
        "RolledOut",
        "Complete",
        "Ready",
        "Exists",
    ]


def test_a_wait_for_a_function_ends_with_a_sentence() -> None:
    def is_odd(_obj: Any) -> bool:
        return False

    with Simulation(nodes=1, seed=1) as s:
        s.apply(POD)
        s.wait("pod/a")
        with pytest.raises(WaitTimeout) as late:
            s.wait("pod/a", is_odd, timeout=1)
        start = "pod/a in namespace default did not make is_odd true within 1 s; last seen: phase Running"
        assert late.value.message.startswith(start)
        with pytest.raises(WaitTimeout, match="node/node-1 did not make the given function true within 1 s"):
            s.wait("node/node-1", lambda _node: False, timeout=1)


def test_a_condition_that_is_missing_is_told_with_those_that_are_there() -> None:
    class Job:
        def to_dict(self) -> dict[str, Any]:
            return {"metadata": {}, "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}

    verdict = judge(Job(), "Complete")
    assert not verdict.met
    assert verdict.seen == "it has no condition Complete yet; the conditions that it has: Failed=True (BackoffLimitExceeded)"


def test_top_takes_the_object_too() -> None:
    with Simulation(nodes=1, seed=1, images={"*": Behaviour(usage=Usage(250, 2**26))}) as s:
        s.apply(POD)
        pod = s.wait("pod/a")
        assert [(one.name, one.cpu_milli) for one in s.top(pod)] == [("a", 250)]
        assert [one.name for one in s.top(s.get("node/node-1"))] == ["node-1"]
        with pytest.raises(BadRequest, match="only nodes and pods have metrics"):
            s.top("services")
        with pytest.raises(BadRequest, match="7 does not name an object"):
            s.top(7)


def test_events_of_one_second_are_told_as_they_came() -> None:
    second = "2026-01-01T00:00:00Z"
    told = [("Scheduled", "9", second), ("Unhealthy", "12", second), ("Pulled", "100", second), ("Early", "200", "2025-12-31T23:59:59Z")]
    events = [{"kind": "Event", "metadata": {"name": n, "resourceVersion": r}, "lastTimestamp": at} for n, r, at in reversed(told)]
    assert [one["metadata"]["name"] for one in in_order(events)] == ["Early", "Scheduled", "Unhealthy", "Pulled"]
