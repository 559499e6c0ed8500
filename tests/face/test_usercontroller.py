"""A user's own controller: what it wants happens and comes to rest, and what goes wrong in it stays with it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard import BadRequest, Cluster, Simulation
from callboard.controllers import Apply, Create, Delete, EmitEvent, Patch, RequeueAfter, UpdateStatus, View, Wish

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "fleets.sea.example.com"},
    "spec": {
        "group": "sea.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Fleet", "plural": "fleets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def fleet(ships: int, name: str = "north") -> dict[str, Any]:
    return {"apiVersion": "sea.example.com/v1", "kind": "Fleet", "metadata": {"name": name}, "spec": {"ships": ships}}


def config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


class Admiral:
    """Keeps so many ConfigMaps as its fleet has ships, and counts them in the status."""

    def reconcile(self, view: View, now: float) -> Iterator[Wish]:
        if view.obj is None:
            return
        wanted = {f"{view.name}-{number}" for number in range(view.obj.content["spec"]["ships"])}
        there = {ship.metadata.name: ship for ship in view.owned("configmaps")}
        for name in sorted(wanted - set(there)):
            yield Create(config(name), owner=view.obj)
        for name in sorted(set(there) - wanted):
            yield Delete(there[name])
        yield UpdateStatus(view.obj, {"ships": len(there)})


def ships(s: Simulation) -> list[str]:
    return sorted(one.metadata.name for one in s.list("configmaps") if one.metadata.owner_references)


def test_an_operator_keeps_its_count_and_comes_to_rest_though_it_always_says_what_it_wants() -> None:
    with Simulation(nodes=1, seed=3) as s:
        s.add(Admiral, watches=["fleets", "configmaps"])
        s.apply([DEFINITION])
        s.apply(fleet(3))
        s.settle()
        assert ships(s) == ["north-0", "north-1", "north-2"]
        assert s.get("fleet/north").content["status"] == {"ships": 3}
        s.delete("configmap/north-1")
        s.apply(fleet(2))
        s.settle()
        assert ships(s) == ["north-0", "north-1"]
        s.delete("fleet/north")
        s.settle()
        assert ships(s) == []


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), crash_after_s=st.floats(0, 2), jitter_s=st.sampled_from([0.001, 0.3]))
def test_an_operator_converges_though_it_is_restarted_and_its_watches_are_slow(seed: int, crash_after_s: float, jitter_s: float) -> None:
    with Simulation(nodes=1, seed=seed, timing="chaos", jitter_s=jitter_s) as s:
        admiral = s.add(Admiral, watches=["fleets", "configmaps"])
        s.apply([DEFINITION])
        s.apply(fleet(5))
        s.advance(crash_after_s)
        admiral.crash()
        s.apply(fleet(2))
        s.advance(1)
        admiral.restart()
        s.settle()
        assert ships(s) == ["north-0", "north-1"]
        assert s.get("fleet/north").content["status"] == {"ships": 2}


def test_an_exception_concerns_one_object_an_event_says_so_and_it_is_tried_again() -> None:
    tries: list[str] = []

    def picky(view: View, now: float) -> Any:
        if view.obj is None or view.name == "kube-root-ca.crt":
            return None
        tries.append(view.name)
        if view.name == "bad" and not view.obj.data:
            raise KeyError("no data")
        return [Apply(config(f"{view.name}-copy", k="v"), owner=view.obj)] if "copy" not in view.name else None

    with Simulation(nodes=1, seed=1, timing="fast") as s:
        s.add(picky, watches=["configmaps"])
        s.apply([config("bad"), config("good")])
        s.wait("configmap/good-copy", "Exists")
        s.advance("10s")
        (event,) = [one for one in s.list("events") if one.reason == "ReconcileError"]
        assert event.involved_object.name == "bad"
        assert event.type == "Warning"
        assert "KeyError: 'no data'" in event.message
        assert "controller/picky" in event.message
        row = next(one for one in s.stats().components if one.name == "controller/picky")
        assert 3 < row.failures < 40, "it backs off"
        s.apply(config("bad", now="well"))
        s.settle()
        assert s.get("configmap/bad-copy").data == {"k": "v"}


def test_what_makes_no_sense_counts_as_a_failure_of_its_object() -> None:
    with Simulation(nodes=1, seed=1, timing="fast") as s:
        s.add(lambda view, now: ["nonsense"], watches=["configmaps"], name="odd")
        s.apply(config("a"))
        s.advance("1s")
        assert any("reconcile gave a str" in one.message for one in s.list("events"))


def test_a_keys_of_that_raises_costs_the_object_that_it_was_asked_about() -> None:
    seen: list[str] = []

    def concerned(pod: Any) -> list[str]:
        if pod.metadata.name == "bad":
            raise ValueError("no label")
        return ["default/a"]

    with Simulation(nodes=1, seed=1) as s:
        s.apply(config("a"))
        s.add(lambda view, now: seen.append(view.name), watches=["configmaps", "pods"], keys_of=concerned, name="z")
        s.settle()
        seen.clear()
        spec = {"containers": [{"name": "c", "image": "c"}]}
        s.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec} for name in ("bad", "good")])
        s.settle()
        assert set(seen) == {"a"}
        messages = [one.message for one in s.list("events") if one.reason == "ReconcileError"]
        assert any("keys_of failed: ValueError: no label (in concerned, test_usercontroller.py:" in message for message in messages)


@pytest.mark.parametrize("blocking", [False, True], ids=["inline", "blocking"])
def test_a_controller_that_exits_ends_one_decision_and_nothing_else(blocking: bool) -> None:
    def leaver(view: View, now: float) -> Iterator[Wish]:
        if view.name == "bad":
            sys.exit(3)
        if view.name == "good" and view.obj is not None:
            yield Apply(config("done"))

    with Cluster(nodes=1, timing="fast") as c:
        c.add(leaver, watches=["configmaps"], blocking=blocking)
        c.apply([config("bad"), config("good")])
        c.wait("configmap/done", "Exists")
        assert any("SystemExit: 3" in one.message for one in c.events("configmap/bad"))


def test_what_never_rests_is_damped() -> None:
    turns: dict[str, int] = {"zero": 0, "patch": 0}

    def zero(view: View, now: float) -> Iterator[Wish]:
        turns["zero"] += 1
        yield RequeueAfter(0)

    def patch(view: View, now: float) -> Iterator[Wish]:
        if view.obj is not None and view.name == "a":
            turns["patch"] += 1
            yield Patch(view.obj, {"data": {"n": str(turns["patch"])}})

    with Simulation(nodes=1, seed=1) as s:
        s.apply(config("a"))
        s.add(zero, watches=["nodes"])
        s.add(patch, watches=["configmaps"])
        s.advance("10s")
        assert turns["zero"] < 10
        assert 10 < turns["patch"] <= 11 * 50


def test_a_kind_that_nobody_serves_yet_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.add(lambda view, now: None, watches=["fooz"], name="typo")
        s.settle()
    assert "waits until every kind that it watches is declared" in capsys.readouterr().err


def test_events_and_appointments_of_a_user() -> None:
    moments: list[float] = []

    def clockwork(view: View, now: float) -> Iterator[Wish]:
        moments.append(now)
        if view.name == "a" and view.obj is not None:
            yield EmitEvent(view.obj, "Tick", "it is time")
            yield RequeueAfter("10s")

    with Simulation(nodes=1, seed=1) as s:
        s.add(clockwork, watches=["configmaps"])
        s.apply(config("a"))
        s.advance("35s")
        (event,) = [one for one in s.list("events") if one.reason == "Tick"]
        assert event.count == 4
        assert [round(later - moments[-4]) for later in moments[-4:]] == [0, 10, 20, 30]


def test_other_kinds_concern_whom_the_user_says() -> None:
    seen: list[str] = []
    with Simulation(nodes=1, seed=1) as s:
        s.apply([config("a"), config("b")])
        s.add(
            lambda view, now: seen.append(view.name),
            watches=["configmaps", "secrets"],
            keys_of=lambda secret: [f"default/{secret.metadata.labels['for']}"] if secret.metadata.labels else [],
            name="listener",
        )
        s.settle()
        seen.clear()
        s.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"for": "b"}}})
        s.settle()
        assert seen == ["b"]


def test_a_controller_that_takes_long_is_named_in_stats(capsys: pytest.CaptureFixture[str]) -> None:
    def slow(view: View, now: float) -> None:
        threading.Event().wait(0.3)  # what this test is about: user code that holds the engine's thread

    with Cluster(nodes=1) as c:
        c.add(slow, watches=["nodes"])
        c.apply(config("after"))  # answered when the slow one has let go
        c.wait("configmap/after", "Exists")
        row = next(one for one in c.stats().components if one.name == "controller/slow")
    assert row.slow_turns >= 1
    assert row.longest_turn_s >= 0.3
    assert "a user's controller is slow" in capsys.readouterr().err


def test_a_blocking_controller_has_a_thread_of_its_own_so_the_others_go_on() -> None:
    release, entered = threading.Event(), threading.Event()

    def stuck(view: View, now: float) -> Iterator[Wish]:
        if view.obj is None or view.name != "a":
            return
        entered.set()
        release.wait(30)
        yield Apply(config("done", by="stuck"))

    with Cluster(nodes=1) as c:
        c.add(stuck, watches=["configmaps"], blocking=True)
        c.apply(config("a"))
        assert entered.wait(30)
        c.apply("examples/web.yaml")
        c.wait("deployment/web")  # while it is stuck
        release.set()
        assert c.wait("configmap/done", "Exists").data == {"by": "stuck"}
        c.components["worker/stuck"].restart()
        c.delete("configmap/done")
        c.patch("configmap/a", {"data": {"again": "yes"}})
        assert c.wait("configmap/done", "Exists").data == {"by": "stuck"}


@pytest.mark.parametrize(
    ("controller", "arguments", "words"),
    [
        (object(), {"watches": ["pods"]}, "is no controller"),
        (dict, {"watches": ["pods"]}, "dict has no method reconcile"),
        (print, {"watches": []}, "give the kinds that the controller watches"),
        (print, {"watches": "pods"}, "give the kinds that the controller watches"),
        (print, {"watches": ["pods"], "name": "A b"}, "lower-case letters"),
        (print, {"watches": ["pods"], "name": "replicaset"}, "there is a component"),
    ],
)
def test_what_is_no_controller_is_refused(controller: Any, arguments: Any, words: str) -> None:
    with Simulation(nodes=1, seed=1) as s, pytest.raises(BadRequest, match=words):
        s.add(controller, **arguments)
