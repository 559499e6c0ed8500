"""Which pods go first: each rule of ActivePodsWithRanks in Kubernetes' controller_utils.go, one against the next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.replicaset.ranking import compare_ranks, deletion_cost, first_to_go, rank_of
from tests.actors.replicaset.kit import LONG_AGO, NOW, pod, stored

OWNER = stored(1)
COST = "controller.kubernetes.io/pod-deletion-cost"
RECENT = "2027-01-15T07:59:59Z"


@pytest.mark.parametrize(
    ("first", "other"),
    [
        pytest.param({"node": "", "phase": "Pending"}, {"phase": "Pending", "ready": False}, id="a pod without a node before one with"),
        pytest.param({"phase": "Pending"}, {"phase": "Unknown"}, id="Pending before Unknown"),
        pytest.param({"phase": "Unknown"}, {"phase": "Running"}, id="Unknown before Running"),
        pytest.param({"ready": False}, {"ready": True}, id="not ready before ready"),
        pytest.param({"annotations": {COST: "-5"}}, {"annotations": {}}, id="lower deletion cost first"),
        pytest.param({"node": "crowded"}, {"node": "lonely"}, id="on the node with more pods of the same controller first"),
        pytest.param({"since": RECENT}, {"since": LONG_AGO}, id="ready more recently first"),
        pytest.param({"restarts": 3}, {"restarts": 1}, id="restarted more often first"),
        pytest.param({"created": RECENT}, {"created": LONG_AGO}, id="newer first"),
    ],
)
def test_the_order(first: dict[str, Any], other: dict[str, Any]) -> None:
    neighbours = {"crowded": 3, "lonely": 1, "node-1": 2}
    one, two = pod("z-first", OWNER, **first), pod("a-other", OWNER, **other)
    assert first_to_go([two, one], 1, neighbours, NOW) == [one]
    assert first_to_go([one, two], 1, neighbours, NOW) == [one]


def test_pods_of_about_the_same_age_are_chosen_among_by_uid_as_logarithmic_scale_down_does() -> None:
    one, two = pod("a", OWNER, since="2027-01-15T07:00:00Z"), pod("b", OWNER, since="2027-01-15T07:00:01Z")
    assert first_to_go([two, one], 1, {}, NOW) == [one]


@pytest.mark.parametrize(("text", "cost"), [("7", 7), ("-7", -7), ("0", 0), ("07", 0), ("x", 0), ("99999999999", 0), ("", 0)])
def test_a_deletion_cost_is_a_32_bit_integer_or_nothing(text: str, cost: int) -> None:
    assert deletion_cost(pod("a", OWNER, annotations={COST: text})) == cost


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([LONG_AGO, RECENT]), st.integers(0, 2)), min_size=2, max_size=6))
def test_the_order_has_no_ties_and_does_not_depend_on_where_it_began(drawn: list[tuple[bool, str, int]]) -> None:
    pods = [pod(f"p{number}", OWNER, ready=ready, since=since, restarts=restarts) for number, (ready, since, restarts) in enumerate(drawn)]
    ranks = [rank_of(one, {}) for one in pods]
    for one in ranks:
        for other in ranks:
            assert (
                compare_ranks(one, other, NOW) == 0 if one == other else compare_ranks(one, other, NOW) * compare_ranks(other, one, NOW) < 0
            )
    assert first_to_go(pods, 1, {}, NOW) == first_to_go(list(reversed(pods)), 1, {}, NOW)
