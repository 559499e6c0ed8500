"""A node that is disturbed in every way, by seed: in the end it runs what it should, once, and the API says so."""

from __future__ import annotations

import random

import pytest

from callboard.models.behaviour import Behaviour
from callboard.models.timing import CHAOS
from tests.actors.kubelet.kit import API, KUBELET, NODE, RUNTIME, World, container, pod

IMAGES = {
    "flaky:*": Behaviour(start="0.4s", exits=[1], runs_for="3s", stops_in="0.5s"),
    "job:*": Behaviour(exits=[1, 0], runs_for="1s"),
    "slow:*": Behaviour(start="0.7s", ready_after="0.3s", stops_in="2s"),
}
STEPS = 25


def disturb(world: World, chance: random.Random) -> None:
    """One thing that may happen to a node."""
    match chance.choice(["kubelet", "runtime", "machine", "cut", "repeat", "lose", "slow", "calm", "calm", "calm"]):
        case "kubelet":
            world.system.restart(KUBELET)
        case "runtime":
            world.system.restart(RUNTIME)
        case "machine":
            world.system.crash_machine(NODE)
            world.run(chance.random())
            world.system.restart_machine(NODE)
        case "cut":
            world.system.links.partition(NODE, API)
        case "repeat":
            world.system.links.duplicate(RUNTIME, KUBELET)
            world.system.links.duplicate(KUBELET, RUNTIME)
        case "lose":
            world.system.links.drop(*chance.choice([(RUNTIME, KUBELET), (KUBELET, RUNTIME)]))
        case "slow":
            world.system.links.delay(*chance.choice([(RUNTIME, KUBELET), (KUBELET, RUNTIME)]), chance.random() * 2)
        case _:
            world.system.links.clear()
    world.run(chance.random() * 3)


@pytest.mark.parametrize("seed", range(40))
def test_a_disturbed_node_ends_up_with_what_it_should_run(seed: int) -> None:
    chance = random.Random(seed)
    world = World(seed, IMAGES, timing=CHAOS, runtime_timeout_s=1.5)
    kept, number = {"first"}, 0
    world.create(pod("first"))
    for _ in range(STEPS):
        if chance.random() < 0.5:
            number += 1
            name = f"pod-{number}"
            image = chance.choice(["web:1", "flaky:1", "slow:1", "job:1"])
            policy = "OnFailure" if image == "job:1" else "Always"
            world.create(pod(name, container(image=image), restart_policy=policy, termination_grace_period_seconds=3))
            kept.add(name)
        elif chance.random() < 0.5:
            name = chance.choice(sorted(kept))
            if name != "first" and world.find(name) is not None:
                kept.discard(name)
                world.delete(name, chance.choice([-1, 0, 1]))
        disturb(world, chance)
        assert len(world.runtime.sandboxes) == len({one.ip for one in world.runtime.sandboxes.values()}), "no address is given twice"
    world.system.links.clear()
    world.run(60)
    existing = {name: world.find(name) for name in [*sorted(kept), *(f"pod-{one}" for one in range(1, number + 1))]}
    gone = [name for name, found in existing.items() if found is not None and name not in kept]
    assert gone == [], "what was deleted is gone"
    running = {one.rpartition("/")[0] for one in world.running()}
    for name in kept:
        found = existing[name]
        assert found is not None
        status = found.status.container_statuses[0]
        if found.status.phase == "Succeeded":
            assert f"{name}/web" not in running
            continue
        assert (found.status.phase, status.ready, f"{name}/web" in running) == ("Running", True, True), name
        sandbox = world.runtime.sandboxes[found.metadata.uid]
        assert status.container_id == sandbox.containers["web"].id
        assert status.restart_count == sandbox.containers["web"].attempt
        assert found.status.pod_ip == sandbox.ip
    uids = {found.metadata.uid for found in existing.values() if found is not None}
    assert set(world.runtime.sandboxes) <= uids
    assert set(world.kubelet.pods) == uids
