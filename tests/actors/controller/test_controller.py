"""The base of controllers on a port by hand: what happens to each kind of answer, and when a key is decided again."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors import actions as act
from callboard.actors.controller import WRITES_IN_FLIGHT_LIMIT, Controller
from callboard.actors.informer import ClientSettings
from callboard.actors.keys import BACK_OFF_LIMIT_S
from callboard.actors.leadership import Election
from callboard.models.api.core import ConfigMap
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import (
    CreateObject,
    DeleteObject,
    GetObject,
    Got,
    Listed,
    ListObjects,
    RecordEvent,
    Refused,
    UpdateObject,
    WatchBatch,
    WatchEvent,
    WatchObjects,
    Written,
)
from callboard.models.messages.store import Fence
from tests.actors.controller.fakeport import FakePort

KEY = "configmaps/default/app"
SETTINGS = ClientSettings(request_timeout_s=10.0, watch_silence_s=1e9)


def config(name: str, revision: int = 0, owner: str = "", **data: str) -> ConfigMap:
    owners = (OwnerReference(uid=owner, controller=True),) if owner else ()
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", resource_version=revision, owner_references=owners)
    return ConfigMap(metadata=meta, data=FrozenMap(data))


class Copier(Controller):
    """Does what the test has put into `wanted`, once per decision."""

    primary_resource = "configmaps"

    def __init__(self, port: Any, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self.decided: list[str] = []
        self.wanted: list[tuple[act.Action, ...]] = []
        self.told: list[tuple[str, str]] = []
        self.configs = self.inform("configmaps", lambda key, _old, _new: self.mark(key))

    def decide(self, key: str) -> tuple[act.Action, ...]:
        self.decided.append(key)
        return self.wanted.pop(0) if self.wanted else ()

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        self.told.append(("wrote", type(action).__name__))

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        self.told.append(("refused", answer.reason))

    def lost(self, key: str, action: act.Action) -> None:
        self.told.append(("lost", type(action).__name__))

    def settled(self, key: str, refused: bool) -> None:
        self.told.append(("settled", str(refused)))


class Desk:
    """A controller with one object in its cache, and the hands of its apiserver."""

    of: type[Any] = Copier

    def __init__(self, *decisions: tuple[act.Action, ...], settings: ClientSettings = SETTINGS) -> None:
        self.port = FakePort()
        self.controller: Copier = type("Unmanaged", (_Unmanaged, self.of), {})(self.port, settings)
        self.controller.wanted = list(decisions)
        self.controller.on_start()
        (asked,) = self.port.taken(ListObjects)
        self.give(Listed(asked.id, (config("app", 5),), 10))
        (watch,) = self.port.taken(WatchObjects)
        self.stream, self.seq = watch.id, 0

    def give(self, message: Any) -> None:
        """An answer comes in."""
        self.controller.on_receive(message)
        self.port.turn(self.controller)

    def show(self, revision: int, *objects: ConfigMap) -> None:
        """The watch stream comes to this revision."""
        self.seq += 1
        events = tuple(WatchEvent("MODIFIED", f"configmaps/default/{one.metadata.name}", one) for one in objects)
        self.give(WatchBatch(self.stream, self.seq, events, revision))

    def asked(self, kind: type[Any]) -> Any:
        """The one request of this type."""
        (found,) = self.port.taken(kind)
        return found

    @property
    def decisions(self) -> int:
        return len(self.controller.decided)


class _Unmanaged:
    """Pykka's hooks for an actor that a test calls by hand."""

    @staticmethod
    def _create_actor_inbox() -> Any:
        return None

    @staticmethod
    def _create_future() -> Any:
        return None

    def _start_actor_loop(self) -> None: ...


def create(name: str = "copy", owner: str = "uid-app", **more: Any) -> act.Create:
    return act.Create(resource="configmaps", obj=config(name, owner=owner), **more)


def update() -> act.Update:
    return act.Update(resource="configmaps", obj=config("app", 5, x="1"))


DELETE = act.Delete(resource="configmaps", namespace="default", name="old", uid="uid-old")


def test_nothing_is_decided_before_every_cache_has_its_first_list() -> None:
    port = FakePort()
    controller: Copier = type("Copier", (_Unmanaged, Copier), {})(port, SETTINGS)
    controller.on_start()
    controller.mark(KEY)
    port.turn(controller)
    assert controller.decided == []


def test_many_events_of_one_key_make_one_decision() -> None:
    desk = Desk()
    before = desk.decisions
    for _ in range(5):
        desk.controller.mark(KEY)
    desk.port.turn(desk.controller)
    assert desk.decisions == before + 1


def test_a_key_is_not_decided_while_a_write_is_open_nor_before_the_cache_shows_it() -> None:
    desk = Desk((create(),))
    asked = desk.asked(CreateObject)
    desk.controller.mark(KEY)
    desk.port.turn(desk.controller)
    assert desk.decisions == 1
    desk.give(Written(asked.id, config("copy", 20), 20))
    desk.controller.mark(KEY)
    desk.port.turn(desk.controller)
    assert desk.decisions == 1, "the cache is at 10, the write at 20"
    desk.show(19)
    assert desk.decisions == 1
    desk.show(20)
    assert desk.decisions == 2


def test_a_create_that_meets_its_own_child_counts_as_done() -> None:
    desk = Desk((create(),))
    desk.give(Refused(desk.asked(CreateObject).id, 409, "AlreadyExists", ""))
    desk.give(Got(desk.asked(GetObject).id, config("copy", 15, owner="uid-app"), 16))
    assert ("wrote", "Create") in desk.controller.told
    assert desk.decisions == 1, "it has to be seen first"
    desk.show(15)
    assert desk.decisions == 2


@pytest.mark.parametrize(
    "existing",
    [
        pytest.param(config("copy", 15, owner="uid-other"), id="another owner's"),
        pytest.param(config("copy", 15), id="nobody's"),
        pytest.param(
            replace(
                config("copy", 15, owner="uid-app"),
                metadata=replace(config("copy", 15, owner="uid-app").metadata, labels=FrozenMap({"pod-template-hash": "x"})),
            ),
            id="of another template",
        ),
    ],
)
def test_a_create_that_meets_something_else_is_refused(existing: ConfigMap) -> None:
    desk = Desk((create(),))
    desk.give(Refused(desk.asked(CreateObject).id, 409, "AlreadyExists", ""))
    desk.give(Got(desk.asked(GetObject).id, existing, 16))
    assert desk.controller.told == [("refused", "AlreadyExists"), ("settled", "True")]
    desk.port.advance(desk.controller, 1)
    assert desk.decisions == 2


def test_a_write_without_an_answer_is_resolved_by_reading_how_far_the_store_is() -> None:
    desk = Desk((create("one"), create("two"), create("three")))
    desk.port.taken(CreateObject)
    desk.port.advance(desk.controller, 10.1)
    assert desk.controller.told == [("lost", "Create")] * 3
    reads = desk.port.taken(ListObjects)
    assert [(read.resource, read.namespace, read.fields, read.min_revision) for read in reads] == [
        ("configmaps", "default", "metadata.name=app", -1)
    ]
    desk.give(Listed(reads[0].id, (), 33))
    if again := desk.port.taken(ListObjects):  # the second and third were lost after the first read was sent
        desk.give(Listed(again[0].id, (), 34))
    assert desk.decisions == 1
    desk.show(33)
    desk.show(34)
    assert desk.decisions == 2


@pytest.mark.parametrize("code", [500, 503, 504])
def test_an_error_of_the_server_leaves_the_outcome_unknown_too(code: int) -> None:
    desk = Desk((create(),))
    desk.give(Refused(desk.asked(CreateObject).id, code, "InternalError", ""))
    assert desk.controller.told == [("lost", "Create")]
    assert desk.asked(ListObjects)


def test_after_an_error_that_came_at_once_the_pause_doubles_before_the_same_is_tried_again() -> None:
    """Seed 9 of a store whose disk is full: each refusal was read after, decided again and refused, a thousand times a second."""
    desk = Desk((create(),), (create(),), (create(),))
    for pause_s in (0.01, 0.02):
        desk.give(Refused(desk.asked(CreateObject).id, 503, "ServiceUnavailable", ""))
        desk.give(Listed(desk.asked(ListObjects).id, (), 10))
        desk.port.advance(desk.controller, pause_s * 0.9)
        assert desk.port.taken(CreateObject) == []
        desk.port.advance(desk.controller, pause_s * 0.2)


def test_the_read_that_resolves_is_tried_again_after_a_pause() -> None:
    desk = Desk((create(),))
    desk.give(Refused(desk.asked(CreateObject).id, 504, "Timeout", ""))
    desk.give(Refused(desk.asked(ListObjects).id, 429, "TooManyRequests", ""))
    assert desk.port.taken(ListObjects) == []
    desk.port.advance(desk.controller, SETTINGS.retry_s * 2)
    desk.give(Listed(desk.asked(ListObjects).id, (), 10))
    assert desk.decisions == 2


def test_what_was_to_be_deleted_and_is_gone_is_decided_when_the_cache_knows_it() -> None:
    desk = Desk((DELETE,))
    desk.give(Refused(desk.asked(DeleteObject).id, 404, "NotFound", ""))
    assert desk.controller.told == []
    desk.give(Listed(desk.asked(ListObjects).id, (), 21))
    assert desk.decisions == 1
    desk.show(21)
    assert desk.decisions == 2


def test_refused_writes_are_tried_again_ever_later_with_jitter_and_a_limit() -> None:
    desk = Desk(*[(update(),)] * 20)
    pauses = []
    for chance in (0.0, 1.0, *[0.5] * 14):
        desk.port.chance = chance
        before = desk.port.now()
        desk.give(Refused(desk.asked(UpdateObject).id, 403, "Forbidden", ""))
        while not desk.port.sent:
            desk.port.advance(desk.controller, 0.001 if desk.port.now() - before < 1 else 0.5)
        pauses.append(desk.port.now() - before)
    assert pauses[0] == pytest.approx(0.0075, abs=0.001)
    assert pauses[1] == pytest.approx(0.025, abs=0.001)
    assert pauses[-1] <= BACK_OFF_LIMIT_S + 1
    assert pauses[6] > 4 * pauses[3]


def test_the_back_off_begins_anew_after_a_decision_without_a_refusal() -> None:
    desk = Desk((update(),), (update(),), (update(),), (update(),))
    for _ in range(3):
        desk.give(Refused(desk.asked(UpdateObject).id, 403, "Forbidden", ""))
        desk.port.advance(desk.controller, 1)
    desk.give(Written(desk.asked(UpdateObject).id, config("app", 30), 30))
    assert desk.controller._failures == {}


def test_a_key_whose_object_is_another_one_is_not_decided_before_the_cache_knows_it_whatever_else_happens() -> None:
    desk = Desk((update(),), (create(),))
    desk.give(Refused(desk.asked(UpdateObject).id, 409, "Conflict", "it has another UID"))
    desk.give(Listed(desk.asked(ListObjects).id, (config("app", 20),), 25))
    for revision in (11, 15, 19):
        desk.show(revision, config("other", revision))
        desk.controller.mark(KEY)
        desk.port.advance(desk.controller, 5)
    assert desk.controller.decided.count(KEY) == 1
    desk.show(20, config("app", 20))
    assert desk.controller.decided.count(KEY) == 2


def test_a_key_whose_object_is_gone_lists_again_until_the_cache_knows_it() -> None:
    desk = Desk((update(),), ())
    desk.give(Refused(desk.asked(UpdateObject).id, 404, "NotFound", ""))
    desk.give(Listed(desk.asked(ListObjects).id, (), 25))
    desk.controller.mark(KEY)
    assert desk.decisions == 1
    desk.give(Listed(desk.asked(ListObjects).id, (), 30))
    desk.port.advance(desk.controller, 5)
    assert desk.decisions > 1


def test_a_look_that_is_refused_holds_nothing_up() -> None:
    desk = Desk((update(),), (create(),))
    desk.give(Refused(desk.asked(UpdateObject).id, 409, "Conflict", ""))
    desk.give(Refused(desk.asked(ListObjects).id, 503, "ServiceUnavailable", ""))
    desk.port.advance(desk.controller, 5)
    assert desk.decisions == 2


def test_one_refusal_among_several_writes_makes_the_key_back_off_though_others_succeed() -> None:
    desk = Desk((create("one"), create("two")), (create("two"),))
    first, second = desk.port.taken(CreateObject)
    desk.give(Refused(first.id, 403, "Forbidden", "quota"))
    desk.give(Written(second.id, config("two", 12), 12))
    assert desk.controller.told[-1] == ("settled", "True")
    assert desk.controller._failures == {KEY: 1}


def test_a_server_that_asks_for_patience_gets_it() -> None:
    desk = Desk((update(),), (update(),))
    desk.give(Refused(desk.asked(UpdateObject).id, 429, "TooManyRequests", "", None, 3.0))
    desk.port.advance(desk.controller, 2.9)
    assert desk.decisions == 1
    desk.port.advance(desk.controller, 0.2)
    assert desk.decisions == 2


def test_a_wish_to_look_again_holds_until_the_next_decision() -> None:
    desk = Desk((act.LookAgain(after_s=30),), (), ())
    desk.controller.mark(KEY)
    desk.port.turn(desk.controller)
    desk.port.advance(desk.controller, 60)
    assert desk.decisions == 2, "the second decision did not want it any more"
    desk = Desk((act.LookAgain(after_s=30),), ())
    desk.port.advance(desk.controller, 31)
    assert desk.decisions == 2


def test_what_is_announced_is_told_once_the_write_is_done_and_not_if_it_is_refused() -> None:
    told = act.TellUser(resource="configmaps", obj=config("app", 5), type="Normal", reason="Copied", message="made a copy")
    desk = Desk((create(announce=told),), (create(announce=told),))
    desk.give(Refused(desk.asked(CreateObject).id, 403, "Forbidden", ""))
    assert desk.port.taken(RecordEvent) == []
    desk.port.advance(desk.controller, 1)
    desk.give(Written(desk.asked(CreateObject).id, config("copy", 12), 12))
    assert (desk.asked(RecordEvent)).reason == "Copied"


def test_no_more_writes_are_open_than_the_limit_and_the_rest_follows() -> None:
    desk = Desk(tuple(create(f"copy-{number}") for number in range(WRITES_IN_FLIGHT_LIMIT + 3)))
    sent = desk.port.taken(CreateObject)
    assert len(sent) == WRITES_IN_FLIGHT_LIMIT
    desk.give(Written(sent[0].id, config("copy-0", 12), 12))
    assert len(desk.port.taken(CreateObject)) == 1


def test_a_decision_that_fails_delays_its_key_and_no_other() -> None:
    desk = Desk()

    def fail(key: str) -> tuple[act.Action, ...]:
        desk.controller.decided.append(key)
        if key == KEY:
            raise ValueError("this object makes no sense")
        return ()

    desk.controller.decide = fail  # type: ignore[method-assign]
    desk.show(11, config("app", 11), config("other", 11))
    assert desk.controller.decided[-2:] == [KEY, "configmaps/default/other"]
    desk.port.advance(desk.controller, 0.1)
    assert desk.controller.decided.count(KEY) >= 3


def test_what_waits_to_be_sent_when_the_leadership_is_lost_is_not_sent() -> None:
    election = Election(lease="copier", identity="me")
    desk = Desk(settings=replace(SETTINGS, election=election))
    assert desk.controller.candidate is not None
    leadership = desk.controller.candidate.leadership
    leadership.observe(None, desk.port.now())
    attempt: Any = leadership.attempt(desk.port.now())
    leadership.written(attempt.lease, 9, desk.port.now())
    desk.controller.wanted = [tuple(create(f"copy-{number}") for number in range(WRITES_IN_FLIGHT_LIMIT + 3))]
    desk.controller.elected()
    desk.port.turn(desk.controller)
    sent = desk.port.taken(CreateObject)
    assert len(sent) == WRITES_IN_FLIGHT_LIMIT
    assert {one.fence for one in sent} == {Fence(leadership.key, 0)}
    leadership.observe(replace(attempt.lease, spec=replace(attempt.lease.spec, holder_identity="another")), desk.port.now())
    desk.give(Written(sent[0].id, config("copy-0", 12), 12))
    assert desk.port.taken(CreateObject) == []
    assert desk.controller.own_writes.in_flight(KEY) == WRITES_IN_FLIGHT_LIMIT - 1
