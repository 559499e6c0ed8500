"""Pressure and eviction as decisions: thresholds, ranking, words, admission. The documented rules are named where they are tested."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.kubelet.eviction import (
    Amounts,
    Candidate,
    crossed,
    last_observed,
    limits_storage,
    over_own_limit,
    ranked,
    refusal,
    standing,
    thresholds,
    to_evict,
    used_by,
)
from callboard.models.api.core import (
    Container,
    EmptyDirVolumeSource,
    Pod,
    PodSpec,
    PodStatus,
    ResourceRequirements,
    Toleration,
    Volume,
)
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.messages.runtime import ContainerUsage, PodMeasured

MI = 2**20
GI = 2**30
CAPACITY = Amounts(memory=8 * GI, storage=100 * GI, pids=1000)


def pod(name: str, *, priority: int = 0, qos: str = "Burstable", **spec: Any) -> Pod:
    spec.setdefault("containers", (Container(name="c", image="x"),))
    return Pod(metadata=ObjectMeta(name=name, uid=name), spec=PodSpec(priority=priority, **spec), status=PodStatus(qos_class=qos))


def candidate(
    name: str, memory: int | None, *, request: int = 0, priority: int = 0, storage: int = 0, storage_request: int = 0, processes: int = 1
) -> Candidate:
    measured = None if memory is None else PodMeasured(name, (ContainerUsage("c", 0, memory, storage),), processes)
    return Candidate(pod(name, priority=priority), request, storage_request, measured)


def order(resource: Any, *candidates: Candidate) -> list[str]:
    return [one.uid for one in ranked(resource, candidates)]


# -- thresholds -----------------------------------------------------------------------------------------------------------------------


def test_the_default_hard_thresholds_are_those_of_the_kubelet() -> None:
    """Documentation "Node-pressure Eviction", hard eviction thresholds: memory.available<100Mi, nodefs.available<10%."""
    assert thresholds(CAPACITY) == Amounts(memory=100 * MI, storage=10 * GI, pids=100)


def test_a_small_node_keeps_a_tenth_of_its_memory_free_instead_of_all_of_it() -> None:
    assert thresholds(Amounts(memory=100 * MI, storage=GI, pids=100)).memory == 10 * MI
    assert crossed(Amounts(memory=100 * MI, storage=GI, pids=100), Amounts()) == ()


def test_a_threshold_is_crossed_when_less_is_free_than_it_says_and_not_when_just_that_much_is() -> None:
    assert crossed(CAPACITY, Amounts(memory=8 * GI - 100 * MI)) == ()
    (signal,) = crossed(CAPACITY, Amounts(memory=8 * GI - 100 * MI + 1))
    assert (signal.resource, signal.pressure, signal.threshold, signal.available) == ("memory", "MemoryPressure", 100 * MI, 100 * MI - 1)


def test_memory_is_reclaimed_before_anything_else() -> None:
    """helpers.go, byEvictionPriority: memory before all other resources."""
    signals = crossed(CAPACITY, Amounts(memory=9 * GI, storage=99 * GI, pids=999))
    assert [one.pressure for one in signals] == ["MemoryPressure", "DiskPressure", "PIDPressure"]
    assert signals[0].available == 0  # more in use than declared leaves nothing, never less than that


def test_what_pods_use_counts_containers_and_volumes_together() -> None:
    measured = PodMeasured("a", (ContainerUsage("c", 5, 10, 100), ContainerUsage("d", 5, 20, 200)), 3, (("cache", 1000),))
    assert used_by((measured, measured)) == Amounts(memory=60, storage=2600, pids=6)


def test_a_pressure_stands_until_it_was_not_observed_for_the_transition_period() -> None:
    """--eviction-pressure-transition-period, 5 minutes: keeps the condition from oscillating."""
    signals = crossed(CAPACITY, Amounts(memory=8 * GI))
    observed = last_observed({}, signals, 100.0)
    assert standing(observed, 300.0, 100.0) == ("MemoryPressure",)
    again = last_observed(observed, (), 399.0)
    assert standing(again, 300.0, 399.0) == ("MemoryPressure",)
    assert standing(again, 300.0, 400.0) == ()


# -- ranking --------------------------------------------------------------------------------------------------------------------------


def test_pods_that_exceed_their_request_go_before_those_that_do_not_whatever_their_priority() -> None:
    """Documentation "Pod selection for kubelet eviction": first whether usage exceeds requests, then priority, then how far it does."""
    modest = candidate("modest", 500 * MI, request=600 * MI, priority=0)
    greedy = candidate("greedy", 700 * MI, request=600 * MI, priority=1000)
    assert order("memory", modest, greedy) == ["greedy", "modest"]


def test_of_those_that_exceed_the_lower_priority_goes_first() -> None:
    low = candidate("low", 2 * MI, request=MI, priority=1)
    high = candidate("high", 900 * MI, request=MI, priority=2)
    assert order("memory", high, low) == ["low", "high"]


def test_of_one_priority_the_one_that_exceeds_its_request_most_goes_first() -> None:
    little = candidate("little", 900 * MI, request=899 * MI)
    much = candidate("much", 300 * MI, request=0)
    assert order("memory", little, much) == ["much", "little"]


def test_a_pod_that_nobody_measured_goes_first() -> None:
    """helpers.go: "prioritize evicting the pod for which no stats were found"."""
    assert order("memory", candidate("known", GI, priority=-5), candidate("unknown", None, priority=9)) == ["unknown", "known"]


def test_disk_is_ranked_by_storage_and_its_requests() -> None:
    saver = candidate("saver", GI, storage=50 * MI, storage_request=100 * MI)
    waster = candidate("waster", MI, storage=60 * MI)
    assert order("ephemeral-storage", saver, waster) == ["waster", "saver"]


def test_processes_are_ranked_by_priority_and_number_alone() -> None:
    """helpers.go, rankPIDPressure: processes have no requests."""
    few, many = candidate("few", GI, processes=3), candidate("many", MI, processes=300)
    important = candidate("important", MI, processes=900, priority=5)
    assert order("pids", few, important, many) == ["many", "few", "important"]


AMOUNTS = st.integers(0, 3)
CANDIDATES = st.lists(st.tuples(st.one_of(st.none(), AMOUNTS), AMOUNTS, st.integers(-1, 1), AMOUNTS), max_size=8).map(
    lambda rows: [
        candidate(f"pod-{index}", memory, request=request, priority=priority, processes=processes)
        for index, (memory, request, priority, processes) in enumerate(rows)
    ]
)


def rule(resource: str, one: Candidate, other: Candidate) -> int:
    """Kubernetes' comparison of two pods (helpers.go, orderedBy): below 0 if `one` goes first, above if the other does."""

    def amounts(which: Candidate) -> tuple[bool, bool, int]:
        if which.measured is None:
            return False, False, 0
        used = which.measured.containers[0].memory_bytes if resource == "memory" else which.measured.processes
        request = which.memory_request if resource == "memory" else 0
        return True, used > request, used - request

    (here, exceeds, over), (there, other_exceeds, other_over) = amounts(one), amounts(other)
    found = (here > there) - (here < there) or other_exceeds - exceeds if resource == "memory" else 0
    found = found or one.priority - other.priority
    return found or (here > there) - (here < there) or other_over - over


@given(CANDIDATES, st.sampled_from(["memory", "pids"]))
def test_the_ranking_is_total_and_equals_stay_in_the_order_in_which_they_came(candidates: list[Candidate], resource: Any) -> None:
    once = ranked(resource, candidates)
    places = {one.uid: index for index, one in enumerate(candidates)}
    assert sorted(one.uid for one in once) == sorted(places)
    for index, first in enumerate(once):
        for second in once[index + 1 :]:
            verdict = rule(resource, first, second)
            assert verdict < 0 or (verdict == 0 and places[first.uid] < places[second.uid])


@given(st.lists(st.tuples(st.integers(1, 2 * GI), st.integers(-2, 2)), min_size=1, max_size=12))
def test_evicting_one_pod_after_the_other_stops_as_soon_as_enough_is_free_and_never_before(rows: list[tuple[int, int]]) -> None:
    pods = [candidate(f"pod-{index}", memory, priority=priority) for index, (memory, priority) in enumerate(rows)]
    gone: list[str] = []
    while True:
        here = [one for one in pods if one.uid not in gone]
        used = used_by([one.measured for one in here if one.measured is not None])
        signals = crossed(CAPACITY, used)
        eviction = to_evict(signals, here)
        enough = CAPACITY.memory - used.memory >= 100 * MI
        assert (eviction is None) == enough
        if eviction is None:
            break
        assert eviction.uid == ranked("memory", here)[0].uid
        gone.append(eviction.uid)


# -- who is spared, and words -----------------------------------------------------------------------------------------------------------


def test_a_critical_pod_is_passed_over() -> None:
    """kubelettypes.IsCriticalPod: priority of 2000000000 or more."""
    signals = crossed(CAPACITY, Amounts(memory=8 * GI))
    critical, small = candidate("critical", 7 * GI, priority=2_000_000_000), candidate("small", GI, priority=1_999_999_999)
    eviction = to_evict(signals, [critical, small])
    assert eviction is not None
    assert eviction.uid == "small"
    assert to_evict(signals, [critical]) is None


def test_the_message_says_what_was_low_and_which_container_was_to_blame() -> None:
    """helpers.go: nodeLowMessageFmt, thresholdMetMessageFmt, containerMessageFmt."""
    resources = ResourceRequirements(requests=FrozenMap({"memory": "1Gi"}))
    containers = (Container(name="big", image="x", resources=resources), Container(name="small", image="x"))
    measured = PodMeasured("web", (ContainerUsage("big", 0, 2 * GI), ContainerUsage("small", 0, 0)), 2)
    signals = crossed(CAPACITY, Amounts(memory=8 * GI - 50 * MI))
    eviction = to_evict(signals, [Candidate(pod("web", containers=containers), GI, 0, measured)])
    assert eviction is not None
    assert eviction.disruption
    assert eviction.message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container big was using 2Gi, request is 1Gi, has larger consumption of memory. "
    )


# -- own limits -------------------------------------------------------------------------------------------------------------------------


def limited(limit: str | None, *, other_limit: str = "", size: str | None = None) -> Pod:
    resources = ResourceRequirements(limits=FrozenMap({"ephemeral-storage": limit} if limit else {}))
    other = ResourceRequirements(limits=FrozenMap({"ephemeral-storage": other_limit} if other_limit else {}))
    volume = Volume(name="cache", empty_dir=EmptyDirVolumeSource(size_limit=size))
    containers = (Container(name="c", image="x", resources=resources), Container(name="d", image="x", resources=other))
    return pod("web", containers=containers, volumes=(volume,))


def storage(container: int, volume: int = 0) -> PodMeasured:
    return PodMeasured("web", (ContainerUsage("c", 0, 0, container),), 1, (("cache", volume),))


@pytest.mark.parametrize(
    ("made", "measured", "message"),
    [
        (limited(None, size="1Mi"), storage(0, MI + 1), 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". '),
        (limited(None, size="1Mi"), storage(9 * GI, MI), ""),
        (limited(None, size="0"), storage(0, GI), ""),
        (limited("2Mi"), storage(MI, 2 * MI), "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "),
        (limited("2Mi"), storage(MI, MI), ""),
        (limited("2Mi", other_limit="9Mi"), storage(3 * MI), 'Container c exceeded its local ephemeral storage limit "2Mi". '),
    ],
)
def test_a_pod_that_exceeds_its_own_storage_is_evicted_for_that(made: Pod, measured: PodMeasured, message: str) -> None:
    """eviction_manager.go, localStorageEviction: emptyDir sizeLimit, then the pod's containers together, then each container."""
    eviction = over_own_limit(made, measured)
    assert (eviction.message if eviction is not None else "") == message
    assert eviction is None or not eviction.disruption


def test_pods_without_such_limits_need_not_be_looked_at() -> None:
    assert not limits_storage(limited(None).spec or PodSpec())
    assert limits_storage(limited("1Gi").spec or PodSpec())
    assert limits_storage(limited(None, size="1Gi").spec or PodSpec())


# -- admission ----------------------------------------------------------------------------------------------------------------------------


def test_under_memory_pressure_only_pods_that_ask_for_something_or_tolerate_it_are_taken() -> None:
    """eviction_manager.go, Admit."""
    pressures = ("MemoryPressure",)
    best_effort = pod("a", qos="BestEffort")
    assert refusal(best_effort, pressures) == ("Evicted", "The node had condition: [MemoryPressure]. ")
    assert refusal(best_effort, ()) is None
    assert refusal(pod("a", qos="Burstable"), pressures) is None
    tolerant = pod("a", qos="BestEffort", tolerations=(Toleration(key="node.kubernetes.io/memory-pressure", operator="Exists"),))
    assert refusal(tolerant, pressures) is None


def test_under_any_other_pressure_only_critical_pods_are_taken() -> None:
    pressures = ("MemoryPressure", "DiskPressure")
    assert refusal(pod("a", qos="Guaranteed"), pressures) == ("Evicted", "The node had condition: [MemoryPressure DiskPressure]. ")
    assert refusal(pod("a", qos="BestEffort", priority=2_000_001_000), pressures) is None
