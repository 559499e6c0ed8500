"""A store and apiservers on a simulated system, with a scripted client: what most tests of the apiserver stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard.actors.apiserver.actor import ApiServer, ApiServerSettings
from callboard.actors.store.actor import Store, StoreSettings
from callboard.models.api.core import ConfigMap, Container, Pod, PodSpec, Service, ServicePort, ServiceSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze
from callboard.models.messages.api import Got, Listed, Refused, StopWatch, WatchBatch, WatchClosed, WatchObjects, Written
from callboard.models.messages.base import Message, Request
from callboard.runtime.systems import SimulatedSystem


class Stream:
    """A scripted watcher: remembers all it hears."""

    def __init__(self, world: World, server: str, fields: dict[str, Any], after: int) -> None:
        self.heard: list[Any] = []
        self.world = world
        self.server = server
        self.address = world.system.outlet(self.heard.append)
        world.system.post(server, WatchObjects(1, self.address, fields.pop("resource"), after, **fields))

    @property
    def events(self) -> list[tuple[str, str]]:
        """Type and name of every event, in order."""
        return [(event.type, event.obj.metadata.name) for batch in self.heard if isinstance(batch, WatchBatch) for event in batch.events]

    @property
    def closed(self) -> WatchClosed | None:
        """How the stream ended, if it did."""
        return next((message for message in self.heard if isinstance(message, WatchClosed)), None)

    def stop(self) -> None:
        """Lose interest."""
        self.world.system.post(self.server, StopWatch(1, self.address))


class World:
    """A store and some apiservers. `ask` and what is built on it wait on virtual time."""

    def __init__(self, *, servers: int = 1, seed: int = 1, store: StoreSettings | None = None, **settings: Any) -> None:
        self.system = SimulatedSystem(seed=seed)
        machine = self.system.add_machine("control-plane")
        self.system.start("store", Store, machine.disk, "", store or StoreSettings())
        for number in range(servers):
            self.system.start(f"apiserver-{number}", ApiServer, ApiServerSettings(**settings))
        self.system.run_for(1.0)

    def ask(self, request: type[Request], *, server: int = 0, timeout_s: float = 60.0, **fields: Any) -> Any:
        """The answer to a request, whatever it is."""
        return self.system.ask(f"apiserver-{server}", lambda number, me: request(number, me, **fields), timeout_s)

    def ok(self, request: type[Request], **fields: Any) -> Any:
        """The answer to a request that is not refused."""
        answer = self.ask(request, **fields)
        assert isinstance(answer, Got | Listed | Written), answer
        return answer

    def refused(self, request: type[Request], **fields: Any) -> Refused:
        """The refusal of a request."""
        answer = self.ask(request, **fields)
        assert isinstance(answer, Refused), answer
        return answer

    def watch(self, resource: str, *, after: int = -1, server: int = 0, **fields: Any) -> Stream:
        """Open a stream after this revision (-1: after all that has happened), and let it settle."""
        stream = Stream(self, f"apiserver-{server}", {"resource": resource, **fields}, self.revision if after < 0 else after)
        self.system.run_for(0.01)
        return stream

    def run(self, seconds: float = 0.1) -> None:
        """Let virtual time pass."""
        self.system.run_for(seconds)

    @property
    def items(self) -> dict[str, Any]:
        """What the store holds."""
        found: dict[str, Any] = self.system.look("store")._keyspace.items
        return found

    @property
    def revision(self) -> int:
        """The store's revision."""
        return int(self.system.look("store")._keyspace.revision)

    def server(self, number: int = 0) -> Any:
        """An apiserver, to be looked at."""
        return self.system.look(f"apiserver-{number}")

    def make_stale(self, number: int) -> int:
        """Keep the changes of the store from an apiserver; returns the number of the rule."""
        return self.system.links.drop("store", f"apiserver-{number}", lambda passage, _: passage.type == "StoreChanged")

    def drop_once(self, source: str, target: str, type_: str, subject: str = "") -> None:
        """Lose the next message of this type."""
        lost: list[Message] = []

        def judge(passage: Any, message: Message) -> bool:
            if lost or passage.type != type_ or (subject and passage.subject != subject):
                return False
            lost.append(message)
            return True

        self.system.links.drop(source, target, judge)


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Makes worlds, and fails if one of their components has failed."""
    worlds: list[World] = []

    def make(**arguments: Any) -> World:
        worlds.append(World(**arguments))
        return worlds[-1]

    yield make
    for world in worlds:
        assert not world.system.failures
        world.system.stop()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A store and one apiserver."""
    return make_world()


def config(name: str, namespace: str = "default", labels: dict[str, str] | None = None, **data: str) -> ConfigMap:
    """A ConfigMap."""
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace, labels=FrozenMap(labels or {})), data=FrozenMap(data))


def pod(name: str, **changes: Any) -> Pod:
    """A pod of one container."""
    spec = PodSpec(containers=(Container(name="main", image="nginx"),), **changes)
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


def service(name: str, **changes: Any) -> Service:
    """A Service with one port."""
    fields: dict[str, Any] = {"selector": FrozenMap(app=name), "ports": (ServicePort(port=80),), **changes}
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=ServiceSpec(**fields))


def deployment_tree(name: str = "web", replicas: int = 2, image: str = "nginx") -> Any:
    """A Deployment as a user writes it."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return freeze({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})


@pytest.fixture
def objects() -> Any:
    """The makers of objects: `config`, `pod`, `service`, `deployment_tree`."""

    class Makers:
        pass

    makers = Makers()
    for maker in (config, pod, service, deployment_tree):
        setattr(makers, maker.__name__, maker)
    return makers
