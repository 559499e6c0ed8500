"""Properties of scheduling whole batches, against a brute-force checker that knows nothing of tables and views."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.scheduler import view as view_module
from callboard.actors.scheduler.decision import Unschedulable
from callboard.actors.scheduler.scoring import best
from callboard.actors.scheduler.view import FactsView, TemplateView
from callboard.models.api.core import Node, Pod
from callboard.models.base import FrozenMap
from callboard.models.quantity import parse_quantity

from .objects import Desk, key_of, node, pod, taint, tolerate

nodes = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": st.sampled_from(["0", "500m", "1", "2", "3500m"]),
            "memory": st.sampled_from(["256Mi", "1Gi", "3G"]),
            "pods": st.sampled_from(["1", "3", "110"]),
            "labels": st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}]),
            "taints": st.sampled_from([(), (taint("x"),), (taint("x", effect="NoExecute"),), (taint("x", effect="PreferNoSchedule"),)]),
            "cordoned": st.booleans(),
        }
    ),
    max_size=8,
)
pods = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": st.sampled_from(["0", "100m", "250m", "1", "1500m"]),
            "memory": st.sampled_from(["0", "100Mi", "1Gi"]),
            "owner": st.sampled_from(["", "web", "db"]),
            "port": st.sampled_from([0, 0, 8080]),
            "node_selector": st.sampled_from([FrozenMap(), FrozenMap(zone="a")]),
            "tolerations": st.sampled_from([(), (tolerate("x"),)]),
        }
    ),
    max_size=25,
)


def _fits(candidate: Node, one: Pod, mates: list[Pod]) -> bool:
    """Straight from the words of the documentation, in exact decimals."""
    assert candidate.spec is not None
    assert candidate.status is not None
    assert one.spec is not None
    if candidate.spec.unschedulable:
        return False
    if any(each.effect in ("NoSchedule", "NoExecute") for each in candidate.spec.taints) and not one.spec.tolerations:
        return False
    if any(candidate.metadata.labels.get(key) != value for key, value in one.spec.node_selector.items()):
        return False
    if len(mates) + 1 > int(candidate.status.allocatable["pods"]):
        return False
    if _port(one) and any(_port(mate) == _port(one) for mate in mates):
        return False
    for resource in ("cpu", "memory"):
        wanted = _request(one, resource)
        if wanted and sum((_request(mate, resource) for mate in mates), wanted) > parse_quantity(candidate.status.allocatable[resource]):
            return False
    return True


def _request(one: Pod, resource: str) -> Decimal:
    assert one.spec is not None
    assert one.spec.containers[0].resources is not None
    return parse_quantity(one.spec.containers[0].resources.requests[resource])


def _port(one: Pod) -> int:
    assert one.spec is not None
    return one.spec.containers[0].ports[0].host_port or 0 if one.spec.containers[0].ports else 0


def _cluster(node_facts: list[Any], pod_facts: list[Any]) -> tuple[list[Node], list[Pod]]:
    return (
        [node(f"node-{number}", **facts) for number, facts in enumerate(node_facts)],
        [pod(f"pod-{number}", **facts) for number, facts in enumerate(pod_facts)],
    )


@given(nodes, pods)
@settings(max_examples=200, deadline=None)
def test_every_pod_is_placed_where_it_fits_and_only_if_it_fits_somewhere(node_facts: list[Any], pod_facts: list[Any]) -> None:
    candidates, wanted = _cluster(node_facts, pod_facts)
    desk = Desk(*candidates)
    there: dict[str, list[Pod]] = {one.metadata.name: [] for one in candidates}
    for one in wanted:
        fitting = [each.metadata.name for each in candidates if _fits(each, one, there[each.metadata.name])]
        result = desk.choose(one)
        if isinstance(result, Unschedulable):
            assert not fitting
            _check_message(result.message, len(candidates))
        else:
            assert result.node in fitting
            there[desk.place(one)].append(one)


def _check_message(message: str, count: int) -> None:
    if not count:
        assert message == "no nodes available to schedule pods"
        return
    assert message.startswith(f"0/{count} nodes are available: ")
    assert message.endswith(".")
    counts = {reason: int(number) for number, reason in re.findall(r"(\d+) ([^,]+?)(?:, |\.$)", message.split(": ", 1)[1])}
    lacking = {reason: number for reason, number in counts.items() if reason.startswith(("Insufficient", "Too many"))}
    others = sum(counts.values()) - sum(lacking.values())
    # each node is counted once, or once per thing that it lacks
    assert others + max(lacking.values(), default=0) <= count <= sum(counts.values())


@given(nodes, pods, st.data())
@settings(max_examples=100, deadline=None)
def test_numpy_and_plain_integers_give_the_same_scores(node_facts: list[Any], pod_facts: list[Any], data: st.DataObject) -> None:
    candidates, wanted = _cluster(node_facts, pod_facts)
    desk = Desk(*candidates)
    for one in wanted:
        kept = desk.decider.view(desk.book.of(one))  # renewed row by row, over all that happened so far
        template = desk.book.of(one)
        fresh = TemplateView(desk.table, template, FactsView(desk.table, template.demand.constraints))
        fresh.renew()
        plain = list(fresh.total)
        assert list(kept.total) == plain
        rows = data.draw(st.none() | st.lists(st.integers(0, desk.table.size - 1), unique=True))
        for row in range(desk.table.size) if rows is None else rows:
            fresh.total[row] = -7
        fresh.score_many(rows)
        assert list(fresh.total) == plain
        desk.place(one)
        if data.draw(st.booleans()) and desk.table.pods:
            desk.table.remove(data.draw(st.sampled_from(sorted(desk.table.pods))))


@given(nodes.filter(bool), pods, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_large_cluster_chooses_as_a_small_one_would(node_facts: list[Any], pod_facts: list[Any], start: int) -> None:
    candidates, wanted = _cluster(node_facts, pod_facts)
    desk = Desk(*candidates)
    for one in wanted:
        case = desk.decider.case(key_of(one), one, desk.book.of(one))
        small = desk.decider.rank(case)
        limit, view_module.VECTOR_FROM_ROWS = view_module.VECTOR_FROM_ROWS, 1
        try:
            large = desk.decider.rank(case)
        finally:
            view_module.VECTOR_FROM_ROWS = limit
        assert list(small) == list(large)
        assert best(small, start % desk.table.size) == best(large, start % desk.table.size)
        desk.place(one)


@given(nodes, pods, st.data())
@settings(max_examples=100, deadline=None)
def test_the_table_forgets_everything_that_was_taken_back(node_facts: list[Any], pod_facts: list[Any], data: st.DataObject) -> None:
    candidates, wanted = _cluster(node_facts, pod_facts)
    desk = Desk(*candidates)
    for one in data.draw(st.permutations(wanted)):
        desk.place(one)
    for each in data.draw(st.permutations(candidates)):
        if data.draw(st.booleans()):
            desk.table.remove_node(each.metadata.name)
            desk.table.set_node(each)
    for one in data.draw(st.permutations(wanted)):
        desk.gone(one)
    table = desk.table
    assert not any(any(numbers) for numbers in (*table.used.values(), table.score_cpu, table.score_memory))
    assert not any(any(counter.rows) or counter.total for counter in table.census.counters)
    assert not table.by_node
    assert not any(table.ports.values())
