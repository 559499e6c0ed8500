"""What a simulated node's containers use, without an actor: what is worked out again, and what is not."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from callboard.models.api.core import Container as ContainerSpec
from callboard.models.api.core import Pod, PodSpec, ResourceRequirements
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.behaviour import Behaviour, Usage
from callboard.models.messages.runtime import ContainerUsage, StartContainer
from callboard.runtime.containers.simulated_pods import Container, Sandbox
from callboard.runtime.containers.simulated_usage import UsageBook, memory_limit

MI = 2**20


class Node:
    """Some sandboxes and the book of their usage."""

    def __init__(self) -> None:
        self.book = UsageBook()
        self.sandboxes: dict[str, Sandbox] = {}

    def run(self, uid: str, *behaviours: Behaviour, limit: str = "") -> list[Container]:
        resources = ResourceRequirements(limits=FrozenMap({"memory": limit} if limit else {}))
        specs = [ContainerSpec(name=f"c{number}", image="x", resources=resources) for number in range(len(behaviours))]
        pod = Pod(metadata=ObjectMeta(name=uid, uid=uid), spec=PodSpec(containers=tuple(specs)))
        sandbox = self.sandboxes[uid] = Sandbox(pod, "10.0.0.1")
        made = []
        for spec, behaviour in zip(specs, behaviours, strict=True):
            one = sandbox.containers[spec.name] = Container(StartContainer(1, "me", uid, spec.name, 0, spec, ()), behaviour, None, "boot")
            one.state = "running"
            self.book.began(one, spec)
            made.append(one)
        return made

    def end(self, one: Container) -> None:
        one.ended(0, 0, 1.0)
        self.book.changed(one.pod_uid, one.id)

    def read(self, now_s: float = 0.0) -> dict[str, tuple[ContainerUsage, ...]]:
        pods, failed = self.book.read(self.sandboxes, now_s)
        assert not failed
        return {one.pod_uid: one.containers for one in pods}


def test_as_long_as_nothing_changes_the_very_tuple_of_before_is_given() -> None:
    node = Node()
    node.run("a", Behaviour())
    (other,) = node.run("b", Behaviour(usage=Usage(5, 6)))
    first, _ = node.book.read(node.sandboxes, 0.0)
    assert node.book.read(node.sandboxes, 60.0)[0] is first
    node.end(other)
    second, _ = node.book.read(node.sandboxes, 61.0)
    assert [one.pod_uid for one in second] == ["a"]
    assert second[0] is first[0]  # what has not changed is not made anew


def test_a_flat_part_of_a_curve_is_no_news_either() -> None:
    node = Node()
    node.run("a", Behaviour(usage=lambda seconds: Usage(cpu_milli=min(seconds, 10))))
    rising, _ = node.book.read(node.sandboxes, 5.0)
    flat, _ = node.book.read(node.sandboxes, 20.0)
    assert (rising[0].containers[0].cpu_milli, flat[0].containers[0].cpu_milli) == (5, 10)
    assert node.book.read(node.sandboxes, 30.0)[0] is flat


def test_containers_of_one_pod_are_told_together_and_a_volume_of_two_counts_once() -> None:
    node = Node()
    use = Behaviour(usage=Usage(1, 2, 3, processes=4, volumes={"cache": 5}))
    node.run("a", use, Behaviour(), use)
    (one,), _ = node.book.read(node.sandboxes, 0.0)
    assert one.containers == (ContainerUsage("c0", 1, 2, 3), ContainerUsage("c1", 0, 0, 0), ContainerUsage("c2", 1, 2, 3))
    assert (one.processes, one.volumes) == (9, (("cache", 5),))


@pytest.mark.parametrize(("curve", "name"), [(lambda _: 1 / 0, "ZeroDivisionError"), (lambda _: sys.exit(3), "SystemExit")])
def test_a_curve_that_raises_is_told_once_and_the_others_count(curve: Any, name: str) -> None:
    node = Node()
    broken, _ = node.run("a", Behaviour(usage=curve), Behaviour(usage=Usage(7)))
    (one,), failed = node.book.read(node.sandboxes, 0.0)
    assert [(container, name in text) for container, text in failed] == [(broken, True)]
    assert one.containers == (ContainerUsage("c1", 7, 0),)
    node.end(broken)
    assert node.book.read(node.sandboxes, 1.0)[1] == []


def test_who_uses_more_memory_than_its_limit_is_found_and_only_a_curve_has_to_be_looked_at_again() -> None:
    node = Node()
    (steady,) = node.run("steady", Behaviour(usage=Usage(memory_bytes=65 * MI)), limit="64Mi")
    assert node.book.over_limit(0.0) == [(steady, "")]
    assert not node.book.limit_can_be_reached()
    node.end(steady)
    (growing,) = node.run("growing", Behaviour(usage=lambda seconds: Usage(memory_bytes=MI * seconds)), limit="64Mi")
    node.run("free", Behaviour(usage=lambda seconds: Usage(memory_bytes=MI * seconds)))
    assert node.book.limit_can_be_reached()
    assert node.book.over_limit(64.0) == []
    assert node.book.over_limit(65.0) == [(growing, "")]
    node.end(growing)
    assert not node.book.limit_can_be_reached()


def test_a_container_without_a_limit_has_none() -> None:
    assert memory_limit(ContainerSpec(name="c", image="x")) == 0
    assert memory_limit(ContainerSpec(name="c", image="x", resources=ResourceRequirements(limits=FrozenMap({"memory": "1Ki"})))) == 1024
