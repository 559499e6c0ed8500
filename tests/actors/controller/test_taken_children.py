"""A child that has gone is not replaced before its owner has been seen alive since: else there would be no end of it.

Found by the chaos harness (seeds 50107, 51798, 52703): ControllerRevisions and EndpointSlices came as fast as they were collected.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.informer import Informer
from callboard.models.base import replace
from callboard.models.messages.api import Listed, ListObjects, WatchBatch, WatchEvent, WatchObjects
from tests.actors.controller.fakeport import FakePort
from tests.actors.controller.test_controller import KEY, SETTINGS, Copier, Desk, _Unmanaged, config


class Parent(Copier):
    """Has children among the Secrets: each belongs to the one key there is."""

    def __init__(self, port: Any, settings: Any) -> None:
        super().__init__(port, settings)
        self.children = self.inform("secrets", self._child_changed)

    def _child_changed(self, _key: str, _old: Any, new: Any) -> None:
        if new is None:
            self.taken(KEY, self.children)
        self.mark(KEY)


class Family(Desk):
    """A `Parent` at work, which has one child."""

    def __init__(self) -> None:
        self.port = FakePort()
        self.controller = type("Unmanaged", (_Unmanaged, Parent), {})(self.port, SETTINGS)
        self.controller.on_start()
        of_owners, of_children = self.port.taken(ListObjects)
        self.give(Listed(of_owners.id, (config("app", 5),), 10))
        self.give(Listed(of_children.id, (config("child", 6),), 10))
        own, other = self.port.taken(WatchObjects)
        self.stream, self.seq = own.id, 0
        self._children = other.id

    @property
    def children(self) -> Informer:
        assert isinstance(self.controller, Parent)
        return self.controller.children

    def take_child(self, revision: int) -> None:
        """The child goes, as the stream of children tells at this revision."""
        gone = WatchEvent("DELETED", "secrets/default/child", config("child", 6))
        self.give(WatchBatch(self._children, 1, (gone,), revision))


def test_a_child_that_goes_is_not_replaced_before_its_owner_is_known_to_be_there() -> None:
    family = Family()
    before = family.decisions
    family.take_child(20)
    assert family.decisions == before
    again = family.asked(ListObjects)
    assert again.resource == "configmaps"
    family.give(Listed(again.id, (config("app", 5),), 21))
    assert family.decisions == before + 1, "it is there: go on"


def test_an_owner_that_turns_out_to_be_gone_gets_nothing() -> None:
    family = Family()
    family.take_child(20)
    family.give(Listed(family.asked(ListObjects).id, (), 21))
    assert family.controller.configs.objects == {}


def test_an_owner_that_has_been_seen_since_is_not_asked_for() -> None:
    family = Family()
    family.show(25)
    before = family.decisions
    family.take_child(20)
    assert family.decisions == before + 1
    assert family.port.taken(ListObjects) == []


def test_an_owner_that_is_being_deleted_is_not_asked_for() -> None:
    family = Family()
    leaving = config("app", 11)
    family.show(11, replace(leaving, metadata=replace(leaving.metadata, deletion_timestamp="2026-01-01T00:00:00Z")))
    family.take_child(20)
    assert family.port.taken(ListObjects) == []
