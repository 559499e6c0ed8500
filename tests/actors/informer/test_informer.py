"""An informer against a scripted apiserver: gaps, repeats, 410, lists, silence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.informer import ACK_EVERY_BATCHES, ClientSettings, GapExpired, Informer
from callboard.models.api.core import Pod
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.messages.api import (
    AckWatch,
    Listed,
    ListObjects,
    Refused,
    StopWatch,
    WatchBatch,
    WatchClosed,
    WatchEvent,
    WatchObjects,
)
from tests.actors.controller.fakeport import FakePort

SETTINGS = ClientSettings(gap_wait_s=0.5, retry_s=0.2, retry_limit_s=5.0)


class Owner:
    """What an informer belongs to, by hand."""

    def __init__(self) -> None:
        self.port: Any = FakePort()
        self.server = "apiserver-0"
        self.lists: list[int] = []
        self.streams: dict[int, Informer] = {}
        self.numbers = 0
        self.reached: list[int] = []
        self.given_up: list[Informer] = []
        self.changes: list[tuple[str, int, int]] = []
        self.informer = Informer(self, SETTINGS, 0, "pods", self._changed)
        self.informer.add_index("app", lambda pod: (pod.metadata.labels["app"],))

    def _changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        self.changes.append((key, _version(old), _version(new)))

    def call(self, request: type[Any], context: Any, /, **fields: Any) -> int:
        assert request is ListObjects
        assert fields["min_revision"] == -1, "a list is as new as the store"
        self.lists.append(self.next_id())
        return self.lists[-1]

    def next_id(self) -> int:
        self.numbers += 1
        return self.numbers

    def nothing_more_of(self, informer: Informer) -> None:
        self.given_up.append(informer)

    def bind_stream(self, subscription: int, informer: Informer) -> None:
        self.streams[subscription] = informer

    def drop_stream(self, subscription: int) -> None:
        self.streams.pop(subscription, None)

    def caught_up(self, informer: Informer) -> None:
        self.reached.append(informer.revision)

    # -- the script -----------------------------------------------------------------------------------------------------------------

    def answer_list(self, revision: int, *pods: Pod) -> None:
        """Answer the newest list."""
        self.informer.listed(Listed(self.lists[-1], tuple(pods), revision))

    @property
    def stream(self) -> int:
        """The newest subscription."""
        return max(self.streams)

    def batch(self, seq: int, revision: int, *events: WatchEvent) -> None:
        """A piece of the newest stream."""
        self.informer.heard(WatchBatch(self.stream, seq, events, revision))

    @property
    def names(self) -> list[str]:
        """What the informer holds."""
        return sorted(key.rsplit("/", 1)[1] for key in self.informer.objects)


def _version(pod: Pod | None) -> int:
    return 0 if pod is None else pod.metadata.resource_version


def pod(name: str, revision: int, app: str = "web") -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace="default", resource_version=revision, labels=FrozenMap(app=app)))


def event(name: str, revision: int, type_: Any = "MODIFIED") -> WatchEvent:
    return WatchEvent(type_, f"pods/default/{name}", pod(name, revision))


def started(*pods: Pod, revision: int = 10) -> Owner:
    owner = Owner()
    owner.informer.start()
    owner.answer_list(revision, *pods)
    owner.port.sent.clear()
    return owner


def test_it_lists_and_watches_from_the_revision_of_the_list() -> None:
    """kubernetes#141529: a watch that starts "now" misses what falls between list and watch."""
    owner = Owner()
    owner.informer.start()
    owner.answer_list(17, pod("a", 3))
    (watch,) = owner.port.taken(WatchObjects)
    assert watch.from_revision == 17
    assert owner.informer.synced
    assert owner.names == ["a"]


def test_a_repeat_is_dropped() -> None:
    owner = started()
    owner.batch(1, 11, event("a", 11))
    owner.batch(1, 11, event("a", 11))
    assert owner.changes == [("pods/default/a", 0, 11)]


def test_pieces_out_of_order_are_taken_in_order() -> None:
    owner = started()
    owner.batch(2, 12, event("b", 12))
    owner.batch(3, 13, event("a", 13, "DELETED"))
    assert owner.changes == []
    owner.batch(1, 11, event("a", 11))
    assert owner.changes == [("pods/default/a", 0, 11), ("pods/default/b", 0, 12), ("pods/default/a", 11, 0)]


def test_a_gap_that_is_not_filled_ends_in_a_new_list() -> None:
    owner = started(pod("a", 5))
    owner.batch(2, 12, event("b", 12))
    (timer,) = owner.port.timers
    assert timer.due_s - owner.port.now() == SETTINGS.gap_wait_s
    owner.informer.gap_expired(timer.message.subscription, timer.message.seq)
    assert len(owner.lists) == 2
    assert owner.port.taken(StopWatch)
    owner.answer_list(12, pod("b", 12))
    assert owner.names == ["b"]


def test_a_second_gap_behind_the_first_is_waited_for_too() -> None:
    owner = started()
    owner.batch(2, 12)
    owner.batch(4, 14)
    owner.batch(1, 11)
    timers = [timer.message for timer in owner.port.timers if isinstance(timer.message, GapExpired)]
    assert [timer.seq for timer in timers] == [1, 3]
    owner.informer.gap_expired(timers[0].subscription, timers[0].seq)
    assert len(owner.lists) == 1
    owner.informer.gap_expired(timers[1].subscription, timers[1].seq)
    assert len(owner.lists) == 2


def test_a_list_turns_what_has_vanished_into_deletions_and_tells_no_change_twice() -> None:
    """static-provisioner 222: phantoms."""
    owner = started(pod("a", 5), pod("b", 6))
    owner.changes.clear()
    owner.informer.relist()
    owner.answer_list(20, pod("b", 6), pod("c", 18))
    assert owner.changes == [("pods/default/a", 5, 0), ("pods/default/c", 0, 18)]


def test_a_list_that_was_given_up_for_a_newer_one_says_nothing() -> None:
    owner = started(pod("a", 5))
    owner.informer.relist()
    first = owner.lists[-1]
    owner.informer.relist()
    owner.answer_list(20, pod("a", 5), pod("b", 19))
    owner.informer.listed(Listed(first, (), 12))
    assert owner.names == ["a", "b"]


def test_a_list_older_than_what_is_known_is_asked_for_again() -> None:
    owner = started(revision=10)
    owner.batch(1, 15, event("a", 15))
    owner.informer.relist()
    owner.answer_list(12)
    assert owner.names == ["a"]
    assert not owner.informer._subscription
    owner.informer.retry()
    owner.answer_list(16, pod("a", 15))
    assert owner.informer.revision == 16


def test_the_end_of_an_earlier_object_does_not_end_its_successor() -> None:
    owner = started(pod("a", 20), revision=20)
    owner.batch(1, 21, event("a", 12, "DELETED"))
    assert owner.names == ["a"]
    owner.batch(2, 22, event("a", 22, "DELETED"))
    assert owner.names == []


def test_an_older_state_never_replaces_a_newer_one() -> None:
    owner = started(pod("a", 20), revision=20)
    owner.batch(1, 21, event("a", 12))
    assert owner.informer.objects["pods/default/a"].metadata.resource_version == 20


def test_410_leads_to_a_new_list_at_once_and_a_second_one_to_a_pause() -> None:
    owner = started()
    owner.informer.heard(WatchClosed(owner.stream, 1, 410, "Expired", "too old"))
    assert len(owner.lists) == 2
    owner.answer_list(30)
    owner.informer.heard(WatchClosed(owner.stream, 1, 410, "Expired", "too old"))
    assert len(owner.lists) == 2, "list and watch must not chase each other"
    owner.informer.retry()
    assert len(owner.lists) == 3


def test_any_other_end_is_resumed_where_it_stood() -> None:
    owner = started()
    owner.batch(1, 14, event("a", 14))
    owner.informer.heard(WatchClosed(owner.stream, 2, 500, "InternalError", "going down"))
    owner.port.sent.clear()
    owner.informer.retry()
    (watch,) = owner.port.taken(WatchObjects)
    assert watch.from_revision == 14
    assert len(owner.lists) == 1


def test_refused_lists_are_tried_again_ever_later_up_to_a_limit() -> None:
    owner = Owner()
    owner.informer.start()
    pauses = []
    for _ in range(9):
        owner.informer.listed(Refused(owner.lists[-1], 503, "ServiceUnavailable", ""))
        pauses.append(owner.port.timers.pop().due_s - owner.port.now())
        owner.informer.retry()
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(SETTINGS.retry_s)
    assert pauses[-1] == pytest.approx(SETTINGS.retry_limit_s)


def test_acknowledgements_and_goodbyes_go_to_the_server_of_the_stream() -> None:
    owner = started()
    owner.server = "apiserver-1"
    for seq in range(1, ACK_EVERY_BATCHES + 1):
        owner.batch(seq, 10 + seq)
    owner.informer.relist()
    assert [to for to, message in owner.port.sent if isinstance(message, AckWatch | StopWatch)] == ["apiserver-0", "apiserver-0"]


def test_a_heartbeat_moves_the_revision_and_silence_is_noticed() -> None:
    owner = started()
    owner.port.time_s += 20
    assert owner.informer.silent_since(owner.port.now() - 5)
    owner.batch(1, 40)
    assert (owner.informer.revision, owner.reached[-1]) == (40, 40)
    assert not owner.informer.silent_since(owner.port.now() - 5)


def test_to_catch_up_it_lists_only_if_it_is_behind() -> None:
    owner = started(revision=10)
    owner.informer.catch_up(10)
    assert len(owner.lists) == 1
    owner.informer.catch_up(11)
    owner.informer.catch_up(12)
    assert len(owner.lists) == 2


CHANGES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["web", "db", None])), max_size=25)
FATES = st.lists(st.sampled_from(["come", "come", "come", "late", "twice", "lost", "closed", "expired"]), max_size=25)


@given(changes=CHANGES, fates=FATES)
def test_whatever_happens_to_the_stream_it_equals_the_store_when_all_is_quiet(
    changes: list[tuple[int, str | None]], fates: list[str]
) -> None:
    store: dict[str, Pod] = {}
    history: list[tuple[int, WatchEvent]] = []
    owner = started()
    seq: dict[int, int] = {}
    late: list[WatchBatch] = []
    revision = 10

    def revived() -> None:
        """Answer the list, or let the pause pass, so that there is a stream again."""
        if owner.informer._listing:
            owner.answer_list(revision, *store.values())
        if not owner.informer._subscription:
            owner.informer.retry()
        if owner.informer._listing:
            owner.answer_list(revision, *store.values())
        opened.setdefault(owner.stream, owner.informer.revision)

    def piece() -> WatchBatch:
        """All that the stream has not been given yet."""
        revived()
        from_revision = opened[owner.stream]
        events = tuple(entry for at, entry in history if at > from_revision)
        seq[owner.stream] = seq.get(owner.stream, 0) + 1
        opened[owner.stream] = revision
        return WatchBatch(owner.stream, seq[owner.stream], events, revision)

    opened = {owner.stream: revision}
    for number, (name, app) in enumerate(changes):
        revision += 1
        key = f"pods/default/p{name}"
        if app is None:
            gone = store.pop(key, None)
            if gone is None:
                continue
            history.append((revision, WatchEvent("DELETED", key, pod(f"p{name}", revision))))
        else:
            store[key] = pod(f"p{name}", revision, app)
            history.append((revision, WatchEvent("MODIFIED", key, store[key])))
        fate = fates[number] if number < len(fates) else "come"
        if fate in ("closed", "expired"):
            revived()
            seq[owner.stream] = seq.get(owner.stream, 0) + 1
            owner.informer.heard(WatchClosed(owner.stream, seq[owner.stream], 410 if fate == "expired" else 500, "", ""))
            continue
        sent = piece()
        if fate == "late":
            late.append(sent)
        elif fate != "lost":
            for _ in range(2 if fate == "twice" else 1):
                owner.informer.heard(sent)
        if fate == "come":
            while late:
                owner.informer.heard(late.pop())
    while late:
        owner.informer.heard(late.pop())
    owner.informer.heard(piece())  # a heartbeat shows every gap
    for timer in [one.message for one in owner.port.timers if isinstance(one.message, GapExpired)]:
        owner.informer.gap_expired(timer.subscription, timer.seq)
    owner.informer.heard(piece())
    assert owner.informer.objects == store
    for app in ("web", "db"):
        assert dict(owner.informer.by("app", app)) == {key: one for key, one in store.items() if one.metadata.labels["app"] == app}
