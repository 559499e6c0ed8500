"""The numbers of a rollout, against Kubernetes' deployment_util.go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.deployment import sizes
from callboard.models.base import replace
from tests.actors.deployment.kit import owned, stored

SHARES = st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda share: f"{share}%"))


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        pytest.param(10, "25%", "25%", (3, 2), id="surge is rounded up, unavailable down"),
        pytest.param(10, 2, 1, (2, 1), id="numbers are taken as they are"),
        pytest.param(10, 0, 0, (0, 1), id="if both are 0 one may be unavailable"),
        pytest.param(1, "0%", "25%", (0, 1), id="if both come to 0 one may be unavailable"),
        pytest.param(1, "25%", "25%", (1, 0), id="a single pod is never taken away before its successor is there"),
    ],
)
def test_fence_posts(replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]) -> None:
    assert sizes.fence_posts(stored(replicas, surge=surge, unavailable=unavailable)) == expected


def test_no_more_than_all_pods_may_be_unavailable() -> None:
    assert sizes.max_unavailable(stored(2, surge=0, unavailable=9)) == 2


def test_recreate_has_neither_surge_nor_unavailable() -> None:
    assert sizes.fence_posts(stored(5, kind="Recreate")) == (0, 0)


def test_a_status_older_than_its_spec_is_trusted_in_neither_direction() -> None:
    """kubernetes#19299: else a second step follows from availability that the first one is about to end."""
    owner = stored(10, image="web:2", surge=2, unavailable=2)
    old = owned(owner, "web:1", 8, has=10, observed=False)
    new = owned(owner, "web:2", 4, available=1)
    assert sizes.shrunk(owner, new, [old]) == {}
    shrinking = owned(owner, "web:1", 7, observed=False)
    assert sizes.grown(owner, 4, [shrinking, new]) == 4
    assert sizes.grown(owner, 4, [owned(owner, "web:1", 7), new]) == 5


def test_no_more_counts_as_available_than_the_replica_set_is_asked_for() -> None:
    owner = stored(10, image="web:2", surge=2, unavailable=2)
    old = owned(owner, "web:1", 8)
    turned_down = owned(owner, "web:2", 4, has=6)
    assert sizes.shrunk(owner, turned_down, [old]) == {old.metadata.uid: 4}


def test_pods_that_are_still_to_go_take_the_room_of_new_ones() -> None:
    owner = stored(4, image="web:2", surge=1, unavailable=1)
    old, new = owned(owner, "web:1", 3, has=4), owned(owner, "web:2", 1)
    assert sizes.grown(owner, 1, [old, new]) == 1
    assert sizes.grown(owner, 1, [replace(old, status=replace(old.status, replicas=3)), new]) == 2


def test_unavailable_old_pods_go_first() -> None:
    owner = stored(10, image="web:3", surge=0, unavailable=2)
    sick = owned(owner, "web:1", 3, available=0, created="2027-01-02T00:00:00Z")
    well = owned(owner, "web:2", 7, created="2027-01-01T00:00:00Z")
    new = owned(owner, "web:3", 0)
    assert sizes.shrunk(owner, new, [well, sick]) == {sick.metadata.uid: 1}


def test_old_pods_that_are_ready_but_not_for_long_enough_are_not_counted_on_to_go_first() -> None:
    """A ReplicaSet's order of deletion knows readiness and not minReadySeconds, so it might take one that is available instead."""
    owner = stored(5, image="web:2", surge=0, unavailable=2)
    new, old = owned(owner, "web:2", 1), owned(owner, "web:1", 4, available=2)
    assert sizes.shrunk(owner, new, [old]) == {old.metadata.uid: 2}
    all_ready = replace(old, status=replace(old.status, ready_replicas=4))
    assert sizes.shrunk(owner, new, [all_ready]) == {}


def test_a_change_of_size_is_spread_in_proportion_and_the_rest_goes_to_the_largest() -> None:
    """The example of Kubernetes' documentation: 10 replicas as 8 + 5 (surge 3) become 15 as 11 + 7."""
    owner = stored(15, image="web:2", surge=3, unavailable=2)
    old, new = owned(owner, "web:1", 8, for_size=10), owned(owner, "web:2", 5, for_size=10)
    assert sizes.proportional(owner, [old, new]) == {old.metadata.uid: 11, new.metadata.uid: 7}


def test_fewer_pods_in_proportion_never_means_fewer_available_ones_than_promised() -> None:
    """8 to 7 pods in the middle of a rollout: 6 must be available before and after, so no available pod may go."""
    owner = stored(7, image="web:2", surge="25%", unavailable="25%")
    old, new = owned(owner, "web:1", 6, for_size=8), owned(owner, "web:2", 4, available=0, for_size=8)
    planned = sizes.proportional(owner, [old, new])
    assert planned[old.metadata.uid] == 5
    kept = sizes.keeping_available(owner, [old, new], planned)
    assert kept == {**planned, old.metadata.uid: 6}
    all_there = owned(owner, "web:2", 4, for_size=8)
    assert sizes.keeping_available(owner, [old, all_there], planned) == planned


@given(
    before=st.integers(1, 40), after=st.integers(0, 40), parts=st.lists(st.integers(1, 20), min_size=2, max_size=4), surge=st.integers(0, 5)
)
def test_proportional_sizes_add_up_to_what_is_allowed(before: int, after: int, parts: list[int], surge: int) -> None:
    owner = stored(after, surge=surge, unavailable=1)
    active = [owned(owner, f"web:{number}", size, for_size=before) for number, size in enumerate(parts)]
    planned = sizes.proportional(owner, active)
    assert all(size >= 0 for size in planned.values())
    allowed = after + surge if after else 0
    if allowed >= sum(parts):
        assert sum(planned.values()) == allowed
    else:
        assert sum(planned.values()) >= allowed, "never fewer than wanted"


@given(
    replicas=st.integers(0, 12),
    surge=SHARES,
    unavailable=SHARES,
    old=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=3),
    new=st.tuples(st.integers(0, 12), st.integers(0, 12)),
)
def test_one_step_never_takes_availability_below_nor_pods_above_the_fence_posts(
    replicas: int, surge: int | str, unavailable: int | str, old: list[tuple[int, int]], new: tuple[int, int]
) -> None:
    owner = stored(replicas, image="web:9", surge=surge, unavailable=unavailable)
    olds = [owned(owner, f"web:{number}", size, available=min(size, live)) for number, (size, live) in enumerate(old)]
    fresh = owned(owner, "web:9", new[0], available=min(new))
    least = replicas - sizes.max_unavailable(owner)
    available = sum(sizes.told_available(one) for one in (*olds, fresh))
    planned = sizes.shrunk(owner, fresh, olds)
    # a ReplicaSet deletes its unavailable pods first, so of n pods with a available k deletions leave at least min(a, n - k)
    left = sizes.told_available(fresh) + sum(
        min(sizes.told_available(one), planned.get(one.metadata.uid, sizes.spec_replicas(one))) for one in olds
    )
    assert left >= min(available, least)
    assert all(planned[uid] >= 0 for uid in planned)
    total = sum(sizes.spec_replicas(one) for one in (*olds, fresh))
    bigger = sizes.grown(owner, new[0], [*olds, fresh])
    assert total - new[0] + bigger <= max(total, replicas + sizes.max_surge(owner))
    assert bigger <= max(new[0], replicas)
