"""Controllers that watch namespaces as they come and go: nobody waits for a view that is no more, or that shows something else."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.client import CheckStreams
from callboard.actors.disruption.actor import DisruptionController
from callboard.actors.informer import GapExpired, Informer, RetryInformer
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.budgets import BUDGETS
from callboard.models.generic import GenericObject
from callboard.models.messages.api import Listed, ListObjects, Refused, UpdateObject, WatchBatch, WatchEvent, WatchObjects
from tests.actors.controller.fakeport import FakePort
from tests.actors.controller.test_controller import KEY, SETTINGS, Copier, Desk, _Unmanaged, config, update


class Visitor(Copier):
    """Also looks at Secrets, of one namespace at a time."""

    def visit(self, namespace: str) -> Informer:
        informer = self.inform("secrets", lambda _key, _old, _new: None, namespace=namespace)
        informer.start()
        return informer


class Place(Desk):
    """A `Visitor` at work."""

    of = Visitor

    def visit(self, namespace: str) -> Informer:
        assert isinstance(self.controller, Visitor)
        informer = self.controller.visit(namespace)
        self.give(Listed(self.asked(ListObjects).id, (), 10))
        self.asked(WatchObjects)
        return informer

    def lose_a_write(self, revision: int) -> None:
        """A write for the key has an unknown outcome, and the store is read at this revision."""
        self.controller.wanted = [(update(),)]
        self.controller.mark(KEY)
        self.port.turn(self.controller)
        self.give(Refused(self.asked(UpdateObject).id, 504, "Timeout", "no answer"))
        self.give(Listed(self.asked(ListObjects).id, (config("app", 5),), revision))


def test_a_key_does_not_wait_for_a_view_that_was_stopped_before() -> None:
    desk = Place()
    desk.visit("default").stop()
    desk.lose_a_write(20)
    before = desk.decisions
    desk.show(20)
    assert desk.decisions == before + 1


def test_a_key_no_longer_waits_for_a_view_that_is_stopped_meanwhile() -> None:
    desk = Place()
    secrets = desk.visit("default")
    desk.lose_a_write(20)
    desk.show(20)
    before = desk.decisions
    secrets.stop()
    desk.port.turn(desk.controller)
    assert desk.decisions == before + 1


def test_a_key_does_not_wait_for_the_view_of_another_namespace_nor_is_it_satisfied_by_one() -> None:
    desk = Place()
    own, other = desk.visit("default"), desk.visit("elsewhere")
    desk.lose_a_write(20)
    desk.show(20)
    before = desk.decisions
    other.revision = 20
    desk.controller.caught_up(other)
    desk.port.turn(desk.controller)
    assert desk.decisions == before, "decided by a view that doesn't show it"
    own.revision = 20
    desk.controller.caught_up(own)
    desk.port.turn(desk.controller)
    assert desk.decisions == before + 1


def test_a_key_no_longer_waits_for_what_is_not_served_any_more() -> None:
    desk = Place()
    secrets = desk.visit("default")
    desk.lose_a_write(20)
    desk.show(20)
    before = desk.decisions
    secrets.relist()
    desk.give(Refused(desk.asked(ListObjects).id, 404, "NotFound", "the server could not find the requested resource"))
    assert desk.controller.own_writes.may_decide(KEY)
    assert desk.decisions == before + 1


def test_a_stopped_view_has_left_and_its_timers_reach_nobody_else() -> None:
    desk = Place()
    views = [desk.visit("default") for _ in range(3)]
    views[1].stop()
    assert list(desk.controller.informers) == [desk.controller.configs, views[0], views[2]]
    assert desk.controller.synced
    for message in (RetryInformer(views[1].number), GapExpired(views[1].number, 1, 1), CheckStreams()):
        desk.give(message)
    assert not desk.port.taken(ListObjects)
    assert not desk.port.taken(WatchObjects)
    fresh = desk.visit("default")
    assert fresh.number not in [one.number for one in views], "a timer of an earlier view would reach it"


# -- budgets ----------------------------------------------------------------------------------------------------------------------------


def budget(namespace: str, revision: int, **spec: Any) -> GenericObject:
    meta = ObjectMeta(name="web", namespace=namespace, uid=f"uid-{namespace}", resource_version=revision, generation=1)
    content = FrozenMap(spec=FrozenMap(selector=FrozenMap(matchLabels=FrozenMap(app="web")), **spec))
    return GenericObject(api_version="policy/v1", kind="PodDisruptionBudget", metadata=meta, content=content)


@pytest.fixture
def port() -> FakePort:
    return FakePort()


def _serve(controller: Any, port: FakePort, revision: int) -> None:
    """Every list that is open finds nothing."""
    while lists := port.taken(ListObjects):
        for one in lists:
            controller.on_receive(Listed(one.id, (), revision))
            port.turn(controller)


def test_twenty_namespaces_with_budgets_that_came_and_went_leave_one_view(port: FakePort) -> None:
    controller: Any = type("DisruptionController", (_Unmanaged, DisruptionController), {})(port, SETTINGS)
    controller.on_start()
    _serve(controller, port, 10)
    stream = port.taken(WatchObjects)[0].id
    seq = 0
    for number in range(20):
        one = budget(f"ns{number}", 11 + number, maxUnavailable=1)
        for type_ in ("ADDED", "DELETED"):
            seq += 1
            event = WatchEvent(type_, f"{BUDGETS}/ns{number}/web", one)
            controller.on_receive(WatchBatch(stream, seq, (event,), 11 + number))
            _serve(controller, port, 11 + number)
            port.turn(controller)
    assert list(controller.informers) == [controller.primary]
