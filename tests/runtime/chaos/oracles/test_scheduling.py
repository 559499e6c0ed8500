"""What is held of the scheduler: each oracle with a history that breaks it and one that does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from callboard.models.api.core import Container, PodStatus, ResourceRequirements
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import Refused
from callboard.runtime.chaos.oracles import scheduling

from .fake import FakeWorld, node, pod


def _pod_key(name: str) -> str:
    return f"pods/default/{name}"


def test_a_scheduler_that_counts_a_pod_that_is_not_there_is_noticed() -> None:
    oracle = scheduling.SchedulerKnowsRooms()
    for rooms, wrong in (({"node-1": 1}, False), ({"node-1": 2}, True), ({}, True)):
        world = FakeWorld(components={"scheduler": SimpleNamespace(rooms=lambda rooms=rooms: rooms)})
        world.objects = {_pod_key("a"): pod("a")}
        assert (oracle.at_rest(world) is not None) == wrong


@pytest.mark.parametrize(
    ("counted", "receiver", "wrong"), [(["a"], "scheduler#1", True), ([], "scheduler#1", False), (["a"], "dns#1", False)]
)
def test_who_waits_and_is_counted_on_a_node_is_noticed(counted: list[str], receiver: str, wrong: bool) -> None:
    world = FakeWorld(components={"scheduler": SimpleNamespace(counted_waiters=lambda: counted)})
    refused = Refused(1, 409, "Conflict", "it has a node")
    assert (scheduling.WaitersTakeNoRoom().delivered("apiserver-0#1", receiver, refused, world) is not None) == wrong


def _asking(name: str, cpu: str, priority: int, *, on: str = "", promised: str = "", going: bool = False) -> Any:
    made = pod(name, going=going)
    assert made.spec is not None
    container = Container(name="web", resources=ResourceRequirements(requests=FrozenMap({"cpu": cpu})))
    spec = replace(made.spec, containers=(container,), priority=priority, node_name=on)
    return replace(made, spec=spec, status=PodStatus(phase="Running" if on else "Pending", nominated_node_name=promised))


@pytest.mark.parametrize(
    ("cpu", "priority", "promised_before_s", "wrong"),
    [("450m", 0, 5.0, True), ("450m", 0, 0.0, False), ("450m", 1000, 5.0, False), ("100m", 0, 5.0, False)],
)
def test_who_takes_a_place_that_was_promised_to_another_is_noticed(cpu: str, priority: int, promised_before_s: float, wrong: bool) -> None:
    world, oracle = FakeWorld(), scheduling.PromisedPlacesAreKept()
    world.put(oracle, "nodes//node-1", node("node-1", cpu="1"))
    world.put(oracle, _pod_key("victim"), _asking("victim", "450m", 0, on="node-1", going=True))
    world.put(oracle, _pod_key("high"), _asking("high", "900m", 1000, promised="node-1"))
    world.put(oracle, _pod_key("low"), _asking("low", cpu, priority))
    world.now += promised_before_s
    assert (world.put(oracle, _pod_key("low"), _asking("low", cpu, priority, on="node-1")) is not None) == wrong
