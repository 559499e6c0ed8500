"""What a controller has written and not yet seen: the rule that keeps it from deciding on what it has forgotten itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.ownwrites import OwnWrites


def test_a_key_waits_for_its_answer_and_then_for_the_cache() -> None:
    own = OwnWrites()
    own.started("a")
    assert not own.may_decide("a")
    own.acknowledged("a", "pods", 7)
    own.finished("a")
    assert not own.may_decide("a")
    assert own.reached("pods", 6) == []
    assert own.reached("pods", 7) == ["a"]
    assert own.may_decide("a")


def test_every_resource_that_was_written_must_have_come_far_enough() -> None:
    own = OwnWrites()
    own.acknowledged("a", "pods", 7)
    own.acknowledged("a", "replicasets.apps", 9)
    assert own.reached("pods", 20) == []
    assert own.reached("replicasets.apps", 9) == ["a"]


def test_a_list_clears_only_what_it_shows() -> None:
    """A relist while a creation is in flight: clearing everything made surplus pods in one schedule of ten."""
    own = OwnWrites()
    own.started("a")
    assert own.reached("pods", 50) == []
    assert not own.may_decide("a")
    own.acknowledged("a", "pods", 51)
    own.finished("a")
    assert not own.may_decide("a")
    assert own.reached("pods", 51) == ["a"]


def test_a_cache_that_is_ahead_already_holds_nothing_up() -> None:
    own = OwnWrites()
    own.reached("pods", 30)
    own.acknowledged("a", "pods", 30)
    assert own.may_decide("a")


def test_the_last_of_several_writes_counts() -> None:
    own = OwnWrites()
    own.acknowledged("a", "pods", 7)
    own.acknowledged("a", "pods", 12)
    own.acknowledged("a", "pods", 9)
    assert own.reached("pods", 11) == []
    assert own.reached("pods", 12) == ["a"]


def test_keys_do_not_hold_up_each_other() -> None:
    own = OwnWrites()
    own.started("a")
    assert own.may_decide("b")


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "ack", "refuse", "reach"]), st.sampled_from("ab"), st.sampled_from(["pods", "sets"]), st.integers(1, 30)
    ),
    max_size=40,
)


@given(EVENTS)
def test_a_key_may_be_decided_exactly_if_nothing_is_open_and_every_cache_shows_its_writes(events: list[tuple[str, str, str, int]]) -> None:
    own = OwnWrites()
    open_writes = {"a": 0, "b": 0}
    awaited: dict[tuple[str, str], int] = {}
    caches = {"pods": 0, "sets": 0}
    for what, key, resource, revision in events:
        if what == "start":
            own.started(key)
            open_writes[key] += 1
        elif what == "reach":
            own.reached(resource, revision)
            caches[resource] = max(caches[resource], revision)
        elif open_writes[key]:
            if what == "ack":
                own.acknowledged(key, resource, revision)
                awaited[key, resource] = max(awaited.get((key, resource), 0), revision)
            own.finished(key)
            open_writes[key] -= 1
        for one in "ab":
            shown = all(revision <= caches[of] for (owner, of), revision in awaited.items() if owner == one)
            assert own.may_decide(one) == (open_writes[one] == 0 and shown)
