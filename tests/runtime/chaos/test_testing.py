"""Users' own tests under chaos: what is found, what is said, what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callboard import Simulation
from callboard.chaos import ChaosFailure, ControllerRestart, NodeCrash, Partition, WatchDelay, chaos, read_replay
from callboard.chaos import decorator as own
from callboard.controllers import Create, View

KINDS = [NodeCrash, Partition, WatchDelay, ControllerRestart]
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}


def _config(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}}


class Good:
    """One ConfigMap for each Widget."""

    def reconcile(self, view: View, now: float) -> Any:
        if view.obj is not None:
            yield Create(_config(f"{view.name}-config"), owner=view.obj)


class Forgetful:
    """Names what it makes after the moment of its first look: a restart makes a second one."""

    def __init__(self) -> None:
        self.first_look = 0.0

    def reconcile(self, view: View, now: float) -> Any:
        self.first_look = self.first_look or now
        if view.obj is not None:
            yield Create(_config(f"{view.name}-{int(self.first_look * 1000) % 1_000_000}"), owner=view.obj)


class Raising:
    def reconcile(self, view: View, now: float) -> Any:
        raise KeyError("the colour of the widget")


COUNT = itertools.count()


class Global:
    """Names what it makes by a number that outlives the simulation."""

    def reconcile(self, view: View, now: float) -> Any:
        if view.obj is not None and not view.owned("configmaps"):
            yield Create(_config(f"{view.name}-{next(COUNT)}"), owner=view.obj)


def _body(controller: type) -> Callable[[Simulation], None]:
    def body(simulation: Simulation) -> None:
        simulation.apply(DEFINITION)
        simulation.add(controller, watches=["widgets", "configmaps"])
        simulation.apply(WIDGET)

        def one_at_most(view: Simulation) -> bool:
            return len(view.list("configmaps")) <= 1

        simulation.invariant(one_at_most)
        simulation.eventually(lambda view: len(view.list("configmaps")) == 1)

    return body


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"first_seed": 0, "replay": None, "folder": str(tmp_path / "failures")}.items():
        monkeypatch.setitem(own.SETTINGS, name, value)


def _tested(controller: type, schedules: int = 40) -> Callable[..., None]:
    body = _body(controller)

    @chaos(nodes=2, faults=KINDS, schedules=schedules)
    def test_widgets(simulation: Simulation) -> None:
        body(simulation)

    return test_widgets


def test_a_good_controller_passes() -> None:
    _tested(Good, 20)()


def test_a_controller_that_forgets_at_a_restart_is_found_and_its_story_is_small() -> None:
    with pytest.raises(ChaosFailure) as failure:
        _tested(Forgetful)()
    said = str(failure.value)
    assert '"invariant one_at_most" is broken' in said
    assert "1) ControllerRestart target controller/forgetful" in said
    assert "\n  2)" not in said
    assert "pytest -k test_widgets --callboard-replay=" in said


def test_the_replay_file_of_a_failure_makes_it_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChaosFailure):
        _tested(Forgetful)()
    (path,) = (tmp_path / "failures").iterdir()
    assert path.stat().st_size < 20_000
    assert read_replay(path).expected.oracle == "invariant one_at_most"
    monkeypatch.setitem(own.SETTINGS, "replay", str(path))
    with pytest.raises(ChaosFailure, match="replayed from"):
        _tested(Forgetful)()
    with pytest.raises(ChaosFailure, match="and it is not"):
        _tested(Good)()


def test_a_controller_that_raises_is_named_with_its_traceback() -> None:
    with pytest.raises(ChaosFailure) as failure:
        _tested(Raising)()
    said = str(failure.value)
    assert "controller/raising: it raised KeyError: 'the colour of the widget'" in said
    assert "in reconcile" in said


def test_a_controller_that_is_not_deterministic_is_told_where_histories_differ() -> None:
    with pytest.raises(ChaosFailure) as failure:
        _tested(Global)()
    said = str(failure.value)
    assert "run twice, has two histories" in said
    assert "controller/global" in said
    assert "CreateObject configmaps/default/a-" in said


def test_what_fails_though_nothing_goes_wrong_is_said_before_any_exploring() -> None:
    @chaos(nodes=1, schedules=1000)
    def test_never(simulation: Simulation) -> None:
        simulation.eventually(lambda view: view.list("pods"), within="2s")

    with pytest.raises(ChaosFailure, match="it fails though nothing goes wrong"):
        test_never()


def test_what_is_no_fault_and_a_test_without_a_simulation_are_refused_when_decorated() -> None:
    with pytest.raises(TypeError, match="no kind of fault; there are NodeCrash"):
        chaos(faults=["Meteor"])
    with pytest.raises(TypeError, match="write def test_it\\(simulation\\)"):

        @chaos()
        def test_it() -> None:
            """It takes nothing."""
