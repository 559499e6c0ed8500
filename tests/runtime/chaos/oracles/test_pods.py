"""Oracles of pods: each with a history that breaks its promise, and one that looks odd and is right."""

from __future__ import annotations

import pytest

from callboard.models.messages.api import DeleteObject, WriteStatus
from callboard.runtime.chaos.oracles import pods as o

from .fake import FakeWorld, node, pod, running

KEY = "pods/default/a"


def test_a_pod_that_is_bound_again_is_noticed_and_another_one_of_its_name_is_not() -> None:
    world, oracle = FakeWorld(), o.BoundOnce()
    assert world.put(oracle, KEY, pod("a", node="")) is None
    assert world.put(oracle, KEY, pod("a", node="node-1")) is None
    assert world.put(oracle, KEY, pod("a", uid="new", node="node-2")) is None
    found = world.put(oracle, KEY, pod("a", uid="new", node="node-1"))
    assert found is not None
    assert found.words == "it was bound to node-2 and is on node-1 now"


def test_a_finished_pod_that_runs_again_is_noticed_and_one_that_is_only_said_again_is_not() -> None:
    world, oracle = FakeWorld(), o.PhasesGoForward()
    for phase in ("Pending", "Running", "Pending", "Failed", "Failed"):
        assert world.put(oracle, KEY, pod("a", phase=phase)) is None
    assert world.put(oracle, KEY, pod("a", phase="Running")) is not None


@pytest.mark.parametrize(
    ("by", "container_id", "wrong"), [("kubelet/node-1#1", "c2", True), ("kubelet/node-1#1", "c1", False), ("x#1", "c2", False)]
)
def test_a_container_that_starts_after_its_kubelet_has_said_the_end_is_noticed(by: str, container_id: str, wrong: bool) -> None:
    world, oracle, one = FakeWorld(), o.FinishedPodsRunNothing(), pod("a", phase="Failed")
    world.containers["node-1"] = (running(one, container_id="c1"),)
    assert oracle.ran("node-1", world) is None
    assert one.status is not None
    oracle.delivered(by, "apiserver-0#1", WriteStatus(1, by, "pods", "default", "a", one.status, uid="uid-a"), world)
    world.put(oracle, KEY, one)
    world.containers["node-1"] = (running(one, container_id=container_id),)
    assert (oracle.ran("node-1", world) is not None) == wrong


def test_a_deletion_that_is_taken_back_is_noticed() -> None:
    world, oracle = FakeWorld(), o.DeletionsStand()
    assert world.put(oracle, KEY, pod("a")) is None
    assert world.put(oracle, KEY, pod("a", going=True)) is None
    assert world.put(oracle, KEY, pod("a", uid="new")) is None, "another one under its name"
    assert world.put(oracle, KEY, pod("a", uid="new", going=True)) is None
    assert world.put(oracle, KEY, pod("a", uid="new")) is not None


def test_a_readiness_that_no_container_ever_had_is_noticed_and_old_news_are_not() -> None:
    world, oracle, one = FakeWorld(), o.ReadyIsTrue(), pod("a", container_id="c1")
    assert world.run(oracle, "node-1", running(one, container_id="c1")) is None
    assert world.run(oracle, "node-1") is None
    assert world.put(oracle, KEY, one) is None, "it was so a moment ago"
    found = world.put(oracle, KEY, pod("a", container_id="c2"))
    assert found is not None
    assert "c2 of this pod (UID uid-a) never was" in found.words
    assert world.put(oracle, KEY, pod("a", uid="uid-new", container_id="c1")) is not None, "of another pod of its name"
    assert world.put(oracle, KEY, pod("a", container_id="c3", ready=False)) is None


def test_a_pod_on_two_nodes_is_noticed() -> None:
    world, oracle, one = FakeWorld(), o.OneNodeEach(), pod("a")
    assert world.run(oracle, "node-1", running(one, "node-1")) is None
    assert world.run(oracle, "node-2", running(pod("b"), "node-2")) is None
    found = world.run(oracle, "node-2", running(one, "node-2"))
    assert found is not None
    assert found.words == "it runs on node-2 and on node-1"


def test_two_of_one_name_on_a_node_are_noticed_and_on_two_nodes_only_if_it_is_one_of_a_kind() -> None:
    old, new = pod("a"), pod("a", uid="new")
    world, oracle = FakeWorld(), o.OneNodeEach()
    assert world.run(oracle, "node-1", running(old), running(new)) is not None
    world, oracle = FakeWorld(), o.OneNodeEach()
    world.put(oracle, KEY, new)
    world.run(oracle, "node-1", running(old))
    assert world.run(oracle, "node-2", running(new, "node-2")) is None, "nobody waits for a node that can't be heard"
    world, oracle = FakeWorld(), o.OneNodeEach()
    world.put(oracle, KEY, pod("a", uid="new", owner=("StatefulSet", "db", "uid-db")))
    world.run(oracle, "node-1", running(old))
    assert world.run(oracle, "node-2", running(new, "node-2")) is not None


@pytest.mark.parametrize(("by", "wrong"), [("user#1", False), ("controller/nodelifecycle#1", True)])
def test_who_removes_a_pod_by_force_takes_two_of_its_name_into_account_and_no_controller_may(by: str, wrong: bool) -> None:
    old, new = pod("a"), pod("a", uid="new", owner=("StatefulSet", "db", "uid-db"))
    world, oracle = FakeWorld(), o.OneNodeEach()
    world.put(oracle, KEY, old)
    oracle.delivered(by, "apiserver-0#1", DeleteObject(1, by, "pods", "default", "a", grace_period_s=0), world)
    world.put(oracle, KEY, None)
    world.put(oracle, KEY, new)
    world.run(oracle, "node-1", running(old))
    assert (world.run(oracle, "node-2", running(new, "node-2")) is not None) == wrong


def test_what_a_kubelet_has_removed_and_runs_again_is_noticed_and_what_others_have_removed_is_not() -> None:
    world, oracle, one = FakeWorld(), o.EndedStaysEnded(), pod("a")

    def deleted(sender: str) -> None:
        oracle.delivered(sender, "apiserver-0#1", DeleteObject(1, sender, "pods", "default", "a", uid="uid-a", grace_period_s=0), world)

    world.put(oracle, KEY, one)
    deleted("user#1")
    world.put(oracle, KEY, None)
    assert world.run(oracle, "node-1", running(one)) is None, "its kubelet has not heard of that yet"
    world.put(oracle, KEY, one)
    deleted("kubelet/node-1#1")
    world.put(oracle, KEY, None)
    assert world.run(oracle, "node-1") is None
    assert world.run(oracle, "node-1", running(one)) is not None


def test_a_node_whose_pods_ask_for_more_than_it_has_is_noticed() -> None:
    world, oracle = FakeWorld(), o.NodesHold()
    world.put(oracle, "nodes//node-1", node("node-1", cpu="1"))
    pods = [pod(name, cpu="600m") for name in ("a", "b")]
    for one in pods:
        world.put(oracle, f"pods/default/{one.metadata.name}", one)
    assert world.run(oracle, "node-1", running(pods[0])) is None
    found = world.run(oracle, "node-1", *map(running, pods))
    assert found is not None
    assert "1200 m" in found.words


def test_at_rest_what_is_stored_runs_and_what_runs_is_stored() -> None:
    world, oracle, one = FakeWorld(), o.StoredIsRunning(), pod("a")
    world.put(oracle, KEY, one)
    found = oracle.at_rest(world)
    assert found is not None
    assert "nothing of it runs" in found.words
    world.run(oracle, "node-1", running(one))
    assert oracle.at_rest(world) is None
    world.put(oracle, KEY, pod("a", going=True))
    assert oracle.at_rest(world) is not None
    world.put(oracle, KEY, None)
    found = oracle.at_rest(world)
    assert found is not None
    assert "no pod of UID uid-a is stored" in found.words
    world.run(oracle, "node-1")
    world.put(oracle, KEY, pod("a", node=""))
    found = oracle.at_rest(world)
    assert found is not None
    assert found.words == "it has no node"
    world.put(oracle, KEY, pod("a", phase="Succeeded"))
    assert oracle.at_rest(world) is None
