"""The oracle of the store's history, told of requests and answers by hand."""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import ConfigMap
from callboard.models.api.meta import ObjectMeta
from callboard.models.messages.api import (
    CreateObject,
    DeleteObject,
    GetObject,
    Got,
    Listed,
    ListObjects,
    Refused,
    UpdateObject,
    Written,
)
from callboard.runtime.chaos.oracles.base import Wrong
from callboard.runtime.chaos.oracles.history import HistoryIsLinearizable

from .fake import FakeWorld

SERVER = "apiserver-0#1"
ABOUT: dict[str, Any] = {"resource": "configmaps", "namespace": "default", "name": "a"}


def _map(revision: int = 0, name: str = "a") -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", resource_version=revision))


class Told:
    """Clients `x` and `y` and what they hear."""

    def __init__(self) -> None:
        self.world, self.oracle = FakeWorld(), HistoryIsLinearizable()
        self._last = 0

    def ask(self, who: str, kind: Any, **fields: Any) -> int:
        """Somebody sends a request; returns its number."""
        self._last += 1
        self.world.step += 1
        self.world.sent = self.world.step
        self.oracle.delivered(who, SERVER, kind(self._last, who, **fields), self.world)
        return self._last

    def hear(self, who: str, answer: Any) -> Wrong | None:
        """Somebody handles an answer."""
        self.world.step += 1
        return self.oracle.delivered(SERVER, who, answer, self.world)

    def create(self, who: str, revision: int) -> Wrong | None:
        number = self.ask(who, CreateObject, resource="configmaps", obj=_map())
        self.world.put(self.oracle, "configmaps/default/a", _map())
        return self.hear(who, Written(number, _map(revision), revision))

    def over(self) -> Wrong | None:
        return self.oracle.over(self.world)


def test_an_acknowledged_revision_that_is_not_after_those_before_is_noticed_at_once() -> None:
    told = Told()
    assert told.create("x#1", 9) is None
    number = told.ask("y#1", CreateObject, resource="configmaps", obj=_map(name="b"))
    wrong = told.hear("y#1", Written(number, _map(8, "b"), 8))
    assert wrong is not None
    assert "revision 8, and 9 had been told before" in wrong.words


def test_revisions_of_writes_that_overlap_may_be_heard_in_any_order() -> None:
    told = Told()
    first = told.ask("x#1", CreateObject, resource="configmaps", obj=_map(name="b"))
    second = told.ask("y#1", CreateObject, resource="configmaps", obj=_map(name="c"))
    assert told.hear("y#1", Written(second, _map(9, "c"), 9)) is None
    assert told.hear("x#1", Written(first, _map(8, "b"), 8)) is None
    assert told.over() is None


def test_a_consistent_read_that_is_older_than_what_was_told_before_is_noticed_and_one_that_may_be_old_is_not() -> None:
    told = Told()
    told.create("x#1", 9)
    number = told.ask("y#1", ListObjects, resource="configmaps", min_revision=0)
    assert told.hear("y#1", Listed(number, (), 5)) is None
    number = told.ask("y#1", ListObjects, resource="configmaps")
    assert told.hear("y#1", Listed(number, (), 5)) is not None


def test_two_updates_of_the_same_revision_that_are_both_acknowledged_are_a_lost_update() -> None:
    told = Told()
    told.create("x#1", 9)
    first = told.ask("x#1", UpdateObject, resource="configmaps", obj=_map(9))
    second = told.ask("y#1", UpdateObject, resource="configmaps", obj=_map(9))
    assert told.hear("x#1", Written(first, _map(10), 10)) is None
    assert told.hear("y#1", Written(second, _map(11), 11)) is None
    wrong = told.over()
    assert wrong is not None
    assert wrong.object == "configmaps/default/a"
    assert "y#1 has put it at revision 11 on condition that it is at 9" in wrong.words


def test_what_was_written_and_is_not_in_a_whole_list_is_noticed() -> None:
    told = Told()
    told.create("x#1", 9)
    number = told.ask("y#1", ListObjects, resource="configmaps", namespace="default")
    assert told.hear("y#1", Listed(number, (), 12)) is None
    assert told.over() is not None


def test_what_a_selector_leaves_out_may_be_there() -> None:
    told = Told()
    told.create("x#1", 9)
    number = told.ask("y#1", ListObjects, resource="configmaps", namespace="default", labels="app=web")
    told.hear("y#1", Listed(number, (), 12))
    assert told.over() is None


def test_a_deletion_without_an_answer_explains_that_it_is_gone() -> None:
    told = Told()
    told.create("x#1", 9)
    told.ask("x#1", DeleteObject, **ABOUT)
    number = told.ask("y#1", GetObject, **ABOUT)
    told.hear("y#1", Refused(number, 404, "NotFound", ""))
    assert told.over() is None


def test_without_one_nothing_does() -> None:
    told = Told()
    told.create("x#1", 9)
    number = told.ask("y#1", GetObject, **ABOUT)
    told.hear("y#1", Refused(number, 404, "NotFound", ""))
    assert told.over() is not None


def test_a_refusal_that_leaves_open_what_has_happened_counts_as_no_answer_and_any_other_as_nothing_done() -> None:
    for code, legal in ((504, True), (503, True), (422, False)):
        told = Told()
        told.create("x#1", 9)
        number = told.ask("x#1", DeleteObject, **ABOUT)
        told.hear("x#1", Refused(number, code, "", ""))
        number = told.ask("y#1", GetObject, **ABOUT)
        told.hear("y#1", Refused(number, 404, "NotFound", ""))
        assert (told.over() is None) == legal, code


def test_a_write_that_changes_nothing_names_an_earlier_revision_and_dry_runs_name_none() -> None:
    told = Told()
    told.create("x#1", 1)
    number = told.ask("x#1", UpdateObject, resource="configmaps", obj=_map())
    assert told.hear("x#1", Written(number, _map(1), 1)) is None
    number = told.ask("y#1", GetObject, **ABOUT)
    assert told.hear("y#1", Got(number, _map(1), 7)) is None
    number = told.ask("x#1", DeleteObject, **ABOUT, dry_run=True)
    assert told.hear("x#1", Written(number, _map(1), 1, removed=True)) is None
    assert told.over() is None
