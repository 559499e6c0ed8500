"""Faults of the store's disk and of the store at a step of a write: each does what it says, and ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from callboard import ApiError, Simulation
from callboard.runtime.faults.carrying import needs_disk
from callboard.runtime.faults.vocabulary import WRITE_STEPS, AnyFault, DiskFull, DiskSlow, StoreCrash, TornWrite, WriteStep


@pytest.fixture
def cluster() -> Iterator[Simulation]:
    with Simulation(nodes=1, seed=3, timing="chaos", jitter_s=0.0, durable=True) as found:
        yield found


def _map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": "x" * 300}}


def _there(cluster: Simulation, name: str) -> bool:
    return any(one.metadata.name == name for one in cluster.list("configmaps"))


def _life(cluster: Simulation) -> str:
    """Which incarnation of the store lives."""
    return str(cluster._system.look("store").port.me)


def _apply(cluster: Simulation, name: str) -> bool:
    """Whether it was acknowledged."""
    try:
        cluster.apply(_map(name))
    except ApiError:
        return False
    return True


def test_a_slow_disk_makes_writes_wait_and_not_reads(cluster: Simulation) -> None:
    began_s = cluster.now
    assert _apply(cluster, "quick")
    assert cluster.now - began_s < 0.1
    cluster.faults(DiskSlow(for_s=10, delay_s=0.7))
    cluster.advance(0.01)
    began_s = cluster.now
    assert _apply(cluster, "slow")
    assert 0.7 <= cluster.now - began_s < 2.0
    cluster.advance(20)
    began_s = cluster.now
    assert _apply(cluster, "quick-again")
    assert cluster.now - began_s < 0.1


def test_a_full_disk_refuses_writes_until_there_is_room(cluster: Simulation) -> None:
    cluster.faults(DiskFull(for_s=5))
    cluster.advance(0.01)
    began_s = cluster.now
    assert _apply(cluster, "a"), "it is tried again until there is room"
    assert 4.9 < cluster.now - began_s < 12
    assert _life(cluster) == "store#1", "it has gone on all the while"
    cluster.advance(10)
    assert cluster.get("node/node-1").status.conditions[-1].status == "True"


def test_a_torn_write_is_cut_off_and_what_was_acknowledged_before_it_survives(cluster: Simulation) -> None:
    disk: Any = cluster._stage.disk
    assert _apply(cluster, "before")
    cluster.settle()
    cluster.faults(TornWrite(for_s=1.0))
    acknowledged = _apply(cluster, "torn")
    cluster.advance(5)
    assert disk.counters.crashes == 1
    assert _there(cluster, "before")
    assert _there(cluster, "torn") or not acknowledged
    assert _apply(cluster, "after")


@pytest.mark.parametrize("at", WRITE_STEPS)
@pytest.mark.parametrize("write", [1, 2, 5])
def test_a_crash_at_any_step_of_a_write_loses_nothing_that_was_acknowledged(cluster: Simulation, at: WriteStep, write: int) -> None:
    cluster.faults(StoreCrash(target="store", at=at, write=write, for_s=1.5))
    acknowledged = [name for name in ("a", "b", "c", "d", "e", "f") if _apply(cluster, name)]
    cluster.advance(20)
    assert _life(cluster) == "store#2"
    assert all(_there(cluster, name) for name in acknowledged)
    assert _apply(cluster, "last")
    cluster.settle()


def test_after_the_step_apply_the_write_is_there_though_nobody_was_told(cluster: Simulation) -> None:
    cluster.settle()
    before = cluster._own.revision  # the write that is hit is a renewal of a lease
    cluster.faults(StoreCrash(target="store", at="apply", for_s=1.0))
    cluster.advance(6)
    assert cluster._own.revision > before


def test_only_these_faults_need_a_disk_and_without_one_they_do_nothing() -> None:
    assert needs_disk((DiskFull(),))
    assert needs_disk((StoreCrash(target="store", at="append"),))
    assert not needs_disk((StoreCrash(target="store"),))
    faults: tuple[AnyFault, ...] = (
        DiskFull(for_s=1),
        DiskSlow(for_s=1, delay_s=1),
        TornWrite(for_s=1),
        StoreCrash(target="store", at="apply", for_s=1),
    )
    with Simulation(nodes=1, seed=3, timing="chaos") as cluster:
        cluster.faults(*faults)
        cluster.advance(0.01)
        assert _apply(cluster, "a")
        cluster.advance(3)
        assert _life(cluster) == "store#1"
