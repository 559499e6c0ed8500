"""Cells for the tests of the network, of each level that this machine has. Those of one module share one and use nodes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.programs import in_ci
from tests.runtime.network.world import PREFIXES, World, asked, refused

Nodes = Callable[[int], list[str]]
"""So many new nodes, each with one pod: node `x` has the pod `x-pod`, at the second address of its network."""


@pytest.fixture(scope="module", params=list(PREFIXES))
def level(request: pytest.FixtureRequest) -> str:
    """A level of isolation that this machine has; in CI root has both, and everybody else B."""
    level: str = request.param
    if words := refused(level):
        pytest.fail(words, pytrace=False) if in_ci() and (level == "B" or os.geteuid() == 0) else pytest.skip(words)
    return level


@pytest.fixture(scope="module")
def world(level: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("state"), level)
    yield world
    world.end()


@pytest.fixture
def own_world(level: str, tmp_path: Path) -> Iterator[World]:
    """A cell for one test, which may break it."""
    world = World(tmp_path, level)
    yield world
    world.end()


@pytest.fixture
def nodes(world: World) -> Iterator[Nodes]:
    made: list[str] = []

    def more(count: int) -> list[str]:
        for _ in range(count):
            made.append(f"n{len(made)}")
            with_pod(world, made[-1], len(made) - 1)
        return made[-count:]

    yield more
    for node in made:
        asked(world.driver.remove_node, node)


def with_pod(world: World, node: str, index: int) -> None:
    """Make a node and a pod `<node>-pod` on it."""
    asked(world.driver.ensure_node, node, index)
    asked(world.driver.ensure_pod, f"{node}-pod", node, f"10.244.{index + 1}.2")
