"""Whether a node takes a pod that was bound to it: pkg/kubelet/lifecycle/predicate.go. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.kubelet.admission import Room, is_extended
from callboard.actors.kubelet.pods import PodRecord
from callboard.models.api.core import ResourceRequirements
from callboard.models.base import FrozenMap
from tests.actors.kubelet.kit import container, pod
from tests.actors.kubelet.records import record


def asking(name: str, cpu: str, memory: str = "0") -> PodRecord:
    resources = ResourceRequirements(requests=FrozenMap({"cpu": cpu, "memory": memory}))
    return record(pod(name, container("app", resources=resources)))


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    room = Room({"cpu": "2", "memory": "1Gi", "pods": "10"})
    assert room.take(asking("a", "1500m")) is None
    assert room.take(asking("b", "600m")) == (
        "OutOfcpu",
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000",
    )
    assert room.take(asking("c", "500m", "1Gi")) is None
    refused = room.take(asking("d", "0", "1"))
    assert refused is not None
    assert refused[0] == "OutOfmemory"


def test_what_runs_already_is_held_whether_there_is_room_or_not() -> None:
    room = Room({"cpu": "1", "memory": "1Gi", "pods": "1"})
    room.hold([asking("a", "3"), asking("b", "3")])
    assert room.take(asking("c", "0")) is not None
    room.leave("uid-of-a")
    room.leave("uid-of-b")
    assert room.take(asking("c", "1")) is None


def wants(name: str, resource: str) -> PodRecord:
    resources = ResourceRequirements(requests=FrozenMap({resource: "1"}), limits=FrozenMap({resource: "1"}))
    return record(pod(name, container("app", resources=resources)))


def test_a_resource_of_kubernetes_that_the_node_does_not_have_is_refused() -> None:
    refused = Room({"cpu": "4", "pods": "10"}).take(wants("a", "hugepages-2Mi"))
    assert refused is not None
    assert refused[0] == "OutOfhugepages-2Mi"


def test_an_extended_resource_that_no_node_knows_is_none_of_its_business() -> None:
    """removeMissingExtendedResources: a resource of the cluster, which the scheduler counts elsewhere."""
    assert Room({"cpu": "4", "pods": "10"}).take(wants("a", "example.org/gpu")) is None


def test_an_extended_resource_that_was_patched_into_the_node_is_counted() -> None:
    room = Room({"cpu": "4", "pods": "10"})
    patched = FrozenMap({"example.org/gpu": "1"})
    assert room.take(wants("a", "example.org/gpu"), patched) is None
    refused = room.take(wants("b", "example.org/gpu"), patched)
    assert refused is not None
    assert refused[0] == "OutOfexample.org/gpu"


@pytest.mark.parametrize(
    ("name", "extended"),
    [
        ("example.org/gpu", True),
        ("cpu", False),
        ("kubernetes.io/x", False),
        ("a.kubernetes.io/x", False),
        ("requests.example.org/x", False),
    ],
)
def test_extended_resources_have_a_domain_of_their_own(name: str, extended: bool) -> None:
    assert is_extended(name) is extended


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1500)), max_size=40))
def test_a_node_never_takes_more_than_it_has_and_gives_back_all_of_it(moves: list[tuple[int, int]]) -> None:
    room = Room({"cpu": "2", "memory": "1Gi", "pods": "3"})
    inside: dict[str, int] = {}
    for number, (slot, milli) in enumerate(moves):
        uid = f"uid-of-pod-{slot}"
        if uid in inside:
            room.leave(uid)
            del inside[uid]
            continue
        refused = room.take(asking(f"pod-{slot}", f"{milli}m"))
        fits = len(inside) < 3 and sum(inside.values()) + milli <= 2000
        assert (refused is None) is fits, number
        if fits:
            inside[uid] = milli
