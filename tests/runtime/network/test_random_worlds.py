"""Random sequences of what can be asked, helpers killed in between: in the end the kernel holds what was asked for, and nothing else."""

from __future__ import annotations

import queue
import random
from typing import Any

import pytest

from callboard.runtime.network.messages import NetworkFailed
from tests.runtime.network.world import LIMIT_S, World, state_of

STEPS = 150
NODES = 4
PODS_PER_NODE = 5


@pytest.mark.parametrize("seed", [1, 2])
def test_the_kernel_holds_what_was_asked_for_and_nothing_else(own_world: World, seed: int) -> None:
    world, rng = own_world, random.Random(seed)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    nodes: dict[str, int] = {}
    pods: dict[str, tuple[str, str]] = {}
    asked = 0
    for step in range(STEPS):
        index = rng.randrange(NODES)
        node, choice = f"n{index}", rng.random()
        if choice < 0.2:
            nodes[node] = index
            world.driver.ensure_node(node, index, answers.put)
        elif choice < 0.3:
            nodes.pop(node, None)
            pods = {uid: place for uid, place in pods.items() if place[0] != node}
            rng.choice([world.driver.remove_node, world.driver.crash_node])(node, answers.put)
        elif choice < 0.7 and node in nodes:
            ip = f"10.244.{index + 1}.{2 + rng.randrange(PODS_PER_NODE)}"
            if not any(place[1] == ip for place in pods.values()):
                pods[f"p{step}"] = node, ip
                world.driver.ensure_pod(f"p{step}", node, ip, answers.put)
                asked += 1
            continue
        elif choice < 0.95 and pods:
            uid = rng.choice(sorted(pods))
            del pods[uid]
            world.driver.remove_pod(uid, answers.put)
        elif choice > 0.98:
            world.kill_helper()
            continue
        else:
            continue
        asked += 1
    for _ in range(asked):
        answers.get(timeout=LIMIT_S)  # also of those that were lost with a helper: what they asked for is asked for anew
    state = state_of(world.driver)
    assert {told.node: told.address for told in state.nodes} == {node: f"172.31.0.{index + 1}" for node, index in nodes.items()}
    assert {told.uid: (told.node, told.ip) for told in state.pods} == pods
    assert world.spaces() == sorted([*(f"node-{node}" for node in nodes), *(f"pod-{uid}" for uid in pods)])
    world.until(lambda: sorted(world.links()) == sorted(["fab0", "lo", *(f"n{index + 1}" for index in nodes.values())]))
    for node in nodes:
        links = ["eth0", "lo", *(f"v{ip.rpartition('.')[2]}" for on, ip in pods.values() if on == node)]
        world.until(lambda node=node, links=links: sorted(world.links(f"node-{node}")) == sorted(links))  # type: ignore[misc]


def test_the_driver_gives_up_nothing_that_it_was_told_while_the_helper_is_killed_again_and_again(own_world: World) -> None:
    world = own_world
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    world.driver.ensure_node("n0", 0, heard.put)
    for number in range(2, 32):
        world.driver.ensure_pod(f"p{number}", "n0", f"10.244.1.{number}", heard.put)
        if number % 10 == 0:
            state_of(world.driver)
            world.kill_helper()
    failed = sum(isinstance(heard.get(timeout=LIMIT_S), NetworkFailed) for _ in range(31))
    assert failed < 31
    world.until(lambda: len(state_of(world.driver).pods) == 30)
