"""What a user's controller keeps of objects that have come and gone: nothing, in the long run."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.informer import ClientSettings
from callboard.actors.usercontroller.actor import TURNS_KEPT, TURNS_WINDOW_S, Program, UserController
from callboard.actors.usercontroller.wishes import Patch
from callboard.models.api.core import ConfigMap
from callboard.models.api.meta import ObjectMeta
from callboard.models.messages.api import Listed, ListObjects, PatchObject, WatchBatch, WatchEvent, WatchObjects, Written
from tests.actors.controller.fakeport import FakePort
from tests.actors.controller.test_controller import _Unmanaged

SETTINGS = ClientSettings(request_timeout_s=10.0, watch_silence_s=1e9)


class Desk:
    """A user's controller of ConfigMaps, and the hands of its apiserver."""

    def __init__(self, reconcile: Any) -> None:
        self.port = FakePort()
        program = Program(make=lambda: reconcile, watches=("configmaps",))
        self.controller: Any = type("Unmanaged", (_Unmanaged, UserController), {})(self.port, SETTINGS, program)
        self.controller.on_start()
        for _ in range(2):  # definitions, then ConfigMaps
            (asked,) = self.port.taken(ListObjects)
            self.give(Listed(asked.id, (), 10))
        self.stream = self.port.taken(WatchObjects)[-1].id
        self.revision, self.seq = 10, 0

    def give(self, message: Any) -> None:
        """An answer comes in."""
        self.controller.on_receive(message)
        self.port.turn(self.controller)

    def show(self, type_: Any, name: str) -> None:
        """The watch tells of an object."""
        self.seq, self.revision = self.seq + 1, self.revision + 1
        one = ConfigMap(metadata=ObjectMeta(name=name, namespace="default", uid=name, resource_version=self.revision))
        event = WatchEvent(type_, f"configmaps/default/{name}", one)
        self.give(WatchBatch(self.stream, self.seq, (event,), self.revision))

    def patched(self) -> None:
        """All patches that wait are carried out."""
        for asked in self.port.taken(PatchObject):
            self.revision += 1
            meta = ObjectMeta(name=asked.name, namespace="default", uid=asked.name, resource_version=self.revision)
            self.give(Written(asked.id, ConfigMap(metadata=meta), self.revision))

    @property
    def kept(self) -> dict[str, int]:
        """How many keys are in each table of the controller."""
        names = ("_decided_at", "_told", "_changed", "_noted", "_asked", "_failures", "_dirty")
        return {name: len(getattr(self.controller, name)) for name in names if getattr(self.controller, name)}


def _marks(view: Any, _now_s: float) -> Any:
    if view.obj is not None:
        yield Patch(view.obj, {"data": {"seen": "yes"}})


@pytest.mark.parametrize("reconcile", [_marks, lambda _view, _now_s: ()], ids=["writes", "only looks"])
def test_objects_that_came_and_went_leave_nothing_behind(reconcile: Any) -> None:
    desk = Desk(reconcile)
    for number in range(2000):
        desk.show("ADDED", f"c{number}")
        desk.patched()
        desk.show("DELETED", f"c{number}")
        desk.patched()
        desk.port.advance(desk.controller, TURNS_WINDOW_S / 10)
    assert desk.kept == {}
    assert len(desk.controller._turns) <= TURNS_KEPT


def test_a_failure_is_forgotten_with_the_object_once_its_end_has_been_decided_on() -> None:
    def reconcile(view: Any, _now_s: float) -> Any:
        if view.obj is not None:
            raise LookupError("not this one")

    desk = Desk(reconcile)
    for number in range(20):
        desk.show("ADDED", f"c{number}")
        desk.show("DELETED", f"c{number}")
    assert desk.kept == {}
