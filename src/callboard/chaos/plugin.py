"""The pytest plugin: fixtures `cluster` and `simulation`, and options for tests under `@chaos`. Loaded by its entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("callboard", "clusters of callboard")
    group.addoption(
        "--callboard-seed", type=int, default=0, metavar="N", help="seed of `simulation`, and the first one of tests under @chaos"
    )
    group.addoption("--callboard-replay", default=None, metavar="FILE", help="play tests under @chaos with this replay file only")
    group.addoption("--callboard-failures", default="chaos-failures", metavar="FOLDER", help="where replay files of failures go")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "callboard(**arguments): what the fixtures cluster and simulation are made with, such as nodes=2")
    seed, replay = config.getoption("--callboard-seed"), config.getoption("--callboard-replay")
    if seed or replay:
        _settings().update(first_seed=seed, replay=replay)
    _folder(config)


def _settings() -> dict[str, Any]:
    from callboard.chaos import decorator

    return decorator.SETTINGS


def _folder(config: pytest.Config) -> None:
    folder = config.getoption("--callboard-failures")
    if folder != "chaos-failures":
        _settings()["folder"] = folder


def _arguments(request: pytest.FixtureRequest) -> dict[str, Any]:
    marker = request.node.get_closest_marker("callboard")
    return dict(marker.kwargs) if marker is not None else {}


@pytest.fixture
def simulation(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A `Simulation` of three nodes at timing "fast", or as `@pytest.mark.callboard(nodes=..., seed=...)` says."""
    from callboard import Simulation

    arguments = {"nodes": 3, "timing": "fast", "seed": request.config.getoption("--callboard-seed"), **_arguments(request)}
    with Simulation(**arguments) as made:
        yield made


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A `Cluster` of three nodes at timing "fast", or as `@pytest.mark.callboard(nodes=..., containers=...)` says."""
    from callboard import Cluster

    with Cluster(**{"nodes": 3, "timing": "fast", **_arguments(request)}) as made:
        yield made
