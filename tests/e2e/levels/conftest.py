"""One cluster per level, shared by the tests of a worker; each test has a namespace of its own in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from callboard import Cluster
from callboard.models.images import Program
from tests.e2e.levels import choice
from tests.e2e.levels.cells import Cell
from tests.e2e.levels.table import PAGE, read
from tests.e2e.levels.yard import Yard

IMAGES = {"greeter": Program(["echo", "hello"], args=["world"]), "ghost": Program(["no-such-program"], install="apt-get install ghost")}
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "row(name): the row of docs/isolation.md that the test speaks for")


@pytest.fixture(scope="session", params=choice.to_test())
def level(request: pytest.FixtureRequest) -> str:
    """A level that this machine has."""
    name: str = request.param
    if words := choice.why_not(name):
        text = f"this machine has no level {name}: {words}"
        pytest.fail(text, pytrace=False) if choice.is_obligatory(name) else pytest.skip(text)
    return name


@pytest.fixture(scope="session")
def cluster(level: str) -> Iterator[Cluster]:
    """Two nodes of real processes at this level."""
    with Cluster(nodes=2, containers="process", isolation=level, timing="fast", images=IMAGES) as running:
        yield running


@pytest.fixture
def cell(request: pytest.FixtureRequest, level: str) -> Cell:
    """What the page says of the test's row at this level."""
    marker = request.node.get_closest_marker("row")
    assert marker is not None, "a test that asks for its cell says @row(...)"
    (name,) = marker.args
    return Cell(name, level, read(PAGE.read_text(encoding="utf-8"))[name][level])


@pytest.fixture
def yard(cluster: Cluster) -> Iterator[Yard]:
    """A namespace of the level's cluster, gone with all in it when the test is over."""
    name = f"yard-{next(_numbers)}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield Yard(cluster, name)
    cluster.delete(f"namespace/{name}")
