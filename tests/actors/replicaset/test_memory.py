"""What the ReplicaSet controller remembers between decisions."""

from __future__ import annotations

from callboard.actors.replicaset.decision import CREATES_LIMIT
from callboard.actors.replicaset.memory import FAILING_PAUSE_LIMIT_S, Memory


def test_creations_begin_with_one_after_a_failure_and_double_while_they_succeed() -> None:
    memory = Memory()
    memory.refused("FailedCreate", "no")
    memory.settled()
    assert (memory.creates_limit, memory.failure) == (1, ("FailedCreate", "no"))
    limits = []
    for _ in range(4):
        memory.settled()
        limits.append(memory.creates_limit)
    assert limits == [2, 4, 8, 16]
    assert memory.failure is None
    for _ in range(20):
        memory.settled()
    assert memory.creates_limit == CREATES_LIMIT


def test_a_pod_that_is_seen_is_no_longer_lost() -> None:
    memory = Memory()
    memory.lost(3)
    memory.lost(4)
    memory.seen(3)
    assert (list(memory.lost_indices), memory.highest_index) == ([4], 3)


def test_the_first_pods_that_fail_are_replaced_at_once_and_their_replacements_ever_later() -> None:
    memory = Memory()
    memory.seen(2)
    for index in range(3):
        memory.pod_failed(index, 100.0)
    assert memory.create_not_before_s == 0.0
    pauses = []
    for index in range(3, 15):
        memory.seen(index)
        memory.pod_failed(index, 100.0)
        pauses.append(memory.create_not_before_s - 100.0)
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses[-1] == FAILING_PAUSE_LIMIT_S
    memory.pod_ready()
    assert memory.create_not_before_s == 0.0


def test_a_clock_that_is_set_back_ends_a_pause_instead_of_making_it_longer() -> None:
    memory = Memory()
    for generation in range(4):
        memory.seen(generation)
        memory.pod_failed(generation, 10_000.0)
    pause_until_s = memory.not_before_s(10_000.0)
    assert pause_until_s > 10_000.0
    assert memory.not_before_s(10_000.0) == pause_until_s
    assert memory.not_before_s(100.0) == 100.0


def test_pods_that_somebody_else_takes_away_before_they_are_ready_are_replaced_ever_later() -> None:
    memory = Memory()
    pauses = []
    for index in range(5):
        memory.seen(index)
        memory.pod_taken(index, ready=False, now=100.0)
        pauses.append(max(0.0, memory.create_not_before_s - 100.0))
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0]


def test_pods_that_were_ready_or_whose_end_was_asked_for_here_are_replaced_at_once() -> None:
    memory = Memory()
    for index in range(10):
        memory.seen(index)
        if index % 2:
            memory.doom(index)
        memory.pod_taken(index, ready=not index % 2, now=100.0)
    assert memory.create_not_before_s == 0.0
    assert not memory.doomed
