"""A folder of sockets of each test's own, a host that does what it is told, and a served cluster."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard import Cluster
from callboard.models.api import core, meta
from callboard.models.base import FrozenMap
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.runtime.face.connection import Remote
from callboard.runtime.remote.server import RemoteServer
from callboard.runtime.remote.wire import greeting

WAIT_S = 20.0


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("CALLBOARD_SOCKET", raising=False)
    return folder


def config(name: str, revision: int = 1, **data: str) -> core.ConfigMap:
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name, namespace="default", resource_version=revision), data=FrozenMap(data))


def added(name: str, revision: int = 1, **data: str) -> api.WatchEvent:
    return api.WatchEvent("ADDED", f"configmaps/default/{name}", config(name, revision, **data))


class FakeHost:
    """Answers at once, or when `go` is set where the name of what is asked for begins with `slow`; remembers who watches."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: queue.SimpleQueue[tuple[type[Request], dict[str, Any]]] = queue.SimpleQueue()
        self.watching: queue.SimpleQueue[Callable[[api.WatchEvent], None]] = queue.SimpleQueue()
        self.closed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.failure: Exception | None = None
        self.objects: tuple[Any, ...] = ()

    def ask(self, request: type[Request], timeout_s: float, /, **fields: Any) -> Answer:
        self.asked.put((request, fields))
        if self.failure is not None:
            raise self.failure
        if request is api.ListObjects:
            return api.Listed(0, self.objects, 7)
        if fields.get("name", "").startswith("slow"):
            assert self.go.wait(WAIT_S)
        return api.Got(0, config(fields.get("name", "")), 7)

    def observe(
        self, tell: Callable[[api.WatchEvent], None], resource: str, namespace: str, labels: str, fields: str
    ) -> Callable[[], None]:
        self.watching.put(tell)
        return lambda: self.closed.put(resource)

    def carry(self, *_: Any) -> Any:
        raise NotImplementedError

    locate = now = scheme = await_change = stream = resolve = enter = gate = carry


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def server(host: FakeHost) -> Iterator[RemoteServer]:
    running = RemoteServer(host, "test")
    yield running
    host.go.set()
    running.stop()


@pytest.fixture
def remote(server: RemoteServer) -> Iterator[Remote]:
    reached = Remote(Path(server.path))
    yield reached
    reached.link.close()


def get(remote: Remote, name: str, timeout_s: float = WAIT_S) -> str:
    answer = remote.ask(api.GetObject, timeout_s, resource="configmaps", namespace="default", name=name)
    assert isinstance(answer, api.Got)
    return str(answer.obj.metadata.name)


def until(met: Callable[[], bool]) -> None:
    """Wait for something that another thread does; fails when it never comes."""
    deadline_s = time.monotonic() + WAIT_S
    while not met():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.005)


@contextlib.contextmanager
def raw(server: RemoteServer, *, greeted: bool = True) -> Iterator[socket.socket]:
    """A connection on which the test writes its own bytes."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(WAIT_S)
    connection.connect(server.path)
    if greeted:
        connection.sendall(greeting())
        assert connection.recv(65536)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=2, timing="fast") as running:
        yield running
