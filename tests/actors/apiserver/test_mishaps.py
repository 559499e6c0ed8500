"""A mistake in the program that spoils one request: its client hears 500, the others go on, and a simulation is told."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.apiserver import actor
from callboard.actors.apiserver.actor import ApiServer
from callboard.actors.apiserver.planners import PLANNERS
from callboard.actors.store.actor import Store
from callboard.models.base import FrozenMap
from callboard.models.messages.api import CreateObject, DeleteObject, GetObject, ListObjects, Refused
from callboard.models.messages.base import Request
from callboard.runtime.systems import ComponentFailed, SimulatedSystem

DELETION: type[Request] = DeleteObject


def _stumble(*_: Any) -> Any:
    raise KeyError("nobody thought of this")


@pytest.fixture
def system() -> Any:
    """A store and an apiserver that are kept going, as in real time."""
    system = SimulatedSystem(seed=1, supervise=True)
    machine = system.add_machine("control-plane")
    system.start("store", Store, machine.disk)
    system.start("apiserver-0", ApiServer)
    system.run_for(1.0)
    yield system
    system.stop()


def ask(system: Any, request: Any, **fields: Any) -> Any:
    return system.ask("apiserver-0", lambda number, me: request(number, me, **fields), 60.0)


def test_a_planner_that_fails_spoils_its_request_only(system: Any, monkeypatch: pytest.MonkeyPatch, objects: Any) -> None:
    monkeypatch.setitem(PLANNERS, DELETION, _stumble)
    answer = ask(system, DeleteObject, resource="pods", namespace="default", name="a")
    assert isinstance(answer, Refused)
    assert (answer.code, answer.reason) == (500, "InternalError")
    assert answer.message == "Internal error occurred: KeyError: 'nobody thought of this'"
    assert ask(system, CreateObject, resource="configmaps", obj=objects.config("a")).obj.metadata.name == "a"
    assert system.look("apiserver-0").port.incarnation == 1
    (failure,) = system.failures
    assert failure.name == "apiserver-0"
    assert "_stumble" in failure.traceback


def test_a_read_that_fails_spoils_its_request_only(system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "listed", _stumble)
    assert ask(system, ListObjects, resource="pods").code == 500
    assert ask(system, GetObject, resource="namespaces", namespace="", name="default").obj.metadata.name == "default"
    assert len(system.failures) == 1


def test_a_simulation_ends_with_the_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    system = SimulatedSystem(seed=1)
    machine = system.add_machine("control-plane")
    system.start("store", Store, machine.disk)
    system.start("apiserver-0", ApiServer)
    system.run_for(1.0)
    monkeypatch.setitem(PLANNERS, DELETION, _stumble)
    with pytest.raises(ComponentFailed, match="nobody thought of this"):
        ask(system, DeleteObject, resource="pods", namespace="default", name="a")


@pytest.mark.parametrize("obj", [5, None, FrozenMap({"metadata": None})], ids=["number", "nothing", "map"])
def test_an_object_that_is_none_spoils_its_request_only(system: Any, monkeypatch: pytest.MonkeyPatch, obj: Any) -> None:
    monkeypatch.setattr(CreateObject, "subject", lambda _: "nameless")  # only simulations ask for it, to count
    assert ask(system, CreateObject, resource="configmaps", obj=obj).code == 500
    assert ask(system, GetObject, resource="namespaces", namespace="", name="default").obj.metadata.name == "default"
    assert system.look("apiserver-0").port.incarnation == 1
