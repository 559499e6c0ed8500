"""Names and ordinals, and what is remembered of pods that fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.statefulset.identity import ORDINAL_LIMIT, parent_and_ordinal, pod_name, wanted_ordinals
from callboard.actors.statefulset.memory import CREATES_LIMIT, FAILING_PAUSE_LIMIT_S, Memory
from tests.actors.statefulset.kit import NOW, stored


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True), st.integers(0, ORDINAL_LIMIT - 1))
def test_a_name_tells_its_set_and_its_ordinal(name: str, ordinal: int) -> None:
    assert parent_and_ordinal(pod_name(name, ordinal)) == (name, ordinal)


@pytest.mark.parametrize("name", ["db", "db-", "db-x", "db-01", "db-1x", "db--", "7", f"db-{ORDINAL_LIMIT}", "db-\u0663"])
def test_other_names_tell_nothing(name: str) -> None:
    assert parent_and_ordinal(name) == ("", -1)


def test_the_wanted_ordinals_begin_where_they_are_told_to() -> None:
    assert wanted_ordinals(stored(3)) == range(3)
    assert wanted_ordinals(stored(2, start=5)) == range(5, 7)
    assert wanted_ordinals(stored(0, start=5)) == range(5, 5)


def test_the_first_pod_that_fails_is_replaced_at_once_and_the_next_ones_later_and_later() -> None:
    memory = Memory()
    pauses = []
    for _ in range(12):
        memory.pod_failed(2, NOW)
        pauses.append(memory.not_before_s(NOW).get(2, NOW) - NOW)
    assert pauses[:5] == [0, 1, 2, 4, 8]
    assert pauses[-1] == FAILING_PAUSE_LIMIT_S
    assert memory.not_before_s(NOW + FAILING_PAUSE_LIMIT_S) == {}
    assert memory.not_before_s(NOW - 1000) == {}, "the clock was set back"
    memory.pod_ready(2)
    assert memory.not_before_s(NOW) == {}


def test_after_a_refusal_creations_begin_anew_with_one() -> None:
    memory = Memory()
    memory.refused()
    limits = []
    for _ in range(12):
        memory.settled()
        limits.append(memory.creates_limit)
    assert limits[:4] == [1, 2, 4, 8]
    assert limits[-1] == CREATES_LIMIT


def test_memories_do_not_share_anything() -> None:
    one, other = Memory(), Memory()
    one.pod_failed(0, NOW)
    one.pod_failed(0, NOW)
    assert one.not_before_s(NOW) != {}
    assert other.not_before_s(NOW) == {}
