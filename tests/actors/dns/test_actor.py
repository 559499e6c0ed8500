"""The name service: when it looks, what it answers, and what it tells a server of packets."""

from __future__ import annotations

from typing import Any

import structlog

from callboard.actors.dns.actor import QUESTIONS_WAITING_LIMIT, NameService
from callboard.actors.informer import ClientSettings
from callboard.models.api import core, discovery, meta
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import Listed, ListObjects, WatchBatch, WatchEvent, WatchObjects, object_key
from callboard.models.messages.base import Address, Message
from callboard.models.messages.dns import NameResolved, NamesServerStarted, ResolveName, ServeNames
from callboard.runtime.systems.hooks import LoopHooks

SLICES = "endpointslices.discovery.k8s.io"
ZONE = "default.svc.cluster.local"


class Alarm:
    """A timer that never fires."""

    def cancel(self) -> None:
        """Nothing to be done."""


class World:
    """A name service with a port that remembers what was sent, and an apiserver that is the test."""

    def __init__(self, server: str = "") -> None:
        self.name = "dns"
        self.me = "dns#1"
        self.log: Any = structlog.get_logger()
        self.sent: list[tuple[Address, Message]] = []
        self.subscriptions: dict[str, tuple[int, int]] = {}
        self.revision = 0
        self.asked = 0
        hooked = type("Names", (LoopHooks, NameService), {})
        self.service = hooked(self, ClientSettings(), "cluster.local", "10.96.0.10", server)
        self.service.on_start()

    def send(self, to: Address, message: Message) -> None:
        self.sent.append((to, message))

    def after(self, delay_s: float, message: Message, *, periodic: bool = False) -> Alarm:
        return Alarm()

    def now(self) -> float:
        return 1000.0

    def random(self) -> float:
        return 0.5

    def new_id(self) -> str:
        return "uid"

    def taken(self, kind: type[Any]) -> list[Any]:
        """Messages of this kind that were sent since the last time."""
        found = [message for _, message in self.sent if isinstance(message, kind)]
        self.sent = [entry for entry in self.sent if not isinstance(entry[1], kind)]
        return found

    def told(self) -> list[ServeNames]:
        """What the server was told since the last time."""
        own = [message for to, message in self.sent if to == self.me]
        self.sent = [entry for entry in self.sent if entry[0] != self.me]
        for message in own:
            self.service.on_receive(message)
        return self.taken(ServeNames)

    def fill(self, **objects: list[Any]) -> None:
        """Answer the lists."""
        for request in self.taken(ListObjects):
            self.revision += 1
            kept = objects.get(request.resource.partition(".")[0], [])
            stamped = tuple(replace(obj, metadata=replace(obj.metadata, resource_version=self.revision)) for obj in kept)
            self.service.on_receive(Listed(request.id, stamped, self.revision))
        for watch in self.taken(WatchObjects):
            self.subscriptions[watch.resource] = (watch.id, 0)

    def change(self, resource: str, obj: Any, type_: Any = "ADDED") -> None:
        """One batch of a watch."""
        number, seq = self.subscriptions[resource]
        self.subscriptions[resource] = (number, seq + 1)
        self.revision += 1
        stamped = replace(obj, metadata=replace(obj.metadata, resource_version=self.revision))
        event = WatchEvent(type_, object_key(resource, obj.metadata.namespace, obj.metadata.name), stamped)
        self.service.on_receive(WatchBatch(number, seq + 1, (event,), self.revision))

    def ask(self, name: str, kind: str = "A") -> int:
        """Ask; the number of the question."""
        self.asked += 1
        self.service.on_receive(ResolveName(self.asked, "user#1", name, kind))
        return self.asked

    def answer(self, name: str, kind: str = "A") -> Any:
        """Ask and hear: the code, or the data of the records."""
        number = self.ask(name, kind)
        (resolved,) = self.taken(NameResolved)
        assert resolved.id == number
        reply = resolved.reply
        return [one.data for one in reply.answers] if reply.code == "NOERROR" else reply.code


def service(name: str = "web", ip: str = "10.96.0.7") -> core.Service:
    ports = (core.ServicePort(name="http", port=80, protocol="TCP"),)
    return core.Service(metadata=meta.ObjectMeta(name=name, namespace="default"), spec=core.ServiceSpec(cluster_ip=ip, ports=ports))


def piece(of: str, *addresses: str, name: str = "s") -> discovery.EndpointSlice:
    labels = FrozenMap({"kubernetes.io/service-name": of} if of else {})
    endpoints = tuple(discovery.Endpoint(addresses=(one,)) for one in addresses)
    metadata = meta.ObjectMeta(name=name, namespace="default", labels=labels)
    return discovery.EndpointSlice(metadata=metadata, address_type="IPv4", endpoints=endpoints)


def namespace(name: str) -> core.Namespace:
    return core.Namespace(metadata=meta.ObjectMeta(name=name))


def filled(server: str = "", **objects: list[Any]) -> World:
    world = World(server)
    if not server:
        world.ask("x")
    world.fill(**{"namespaces": [namespace("default")], **objects})
    world.taken(NameResolved)
    return world


def test_without_a_server_nothing_is_watched_until_somebody_asks() -> None:
    world = World()
    assert not world.sent
    number = world.ask(f"web.{ZONE}")
    assert {request.resource for request in world.taken(ListObjects)} == {"services", SLICES, "namespaces"}
    assert not world.taken(NameResolved), "half a picture is no answer"
    assert number == 1


def test_questions_that_came_before_the_first_lists_are_answered_after_them() -> None:
    world = World()
    world.ask(f"web.{ZONE}")
    world.ask(f"absent.{ZONE}")
    world.fill(services=[service()])
    replies = world.taken(NameResolved)
    assert [(one.id, one.reply.code) for one in replies] == [(1, "NOERROR"), (2, "NXDOMAIN")]


def test_too_many_questions_before_the_first_lists_are_told_so() -> None:
    world = World()
    for _ in range(QUESTIONS_WAITING_LIMIT + 2):
        world.ask(f"web.{ZONE}")
    assert [one.reply.code for one in world.taken(NameResolved)] == ["SERVFAIL"] * 2


def test_an_answer_is_of_what_is_known_now() -> None:
    world = filled()
    assert world.answer(f"web.{ZONE}") == "NXDOMAIN"
    world.change("services", service())
    assert world.answer(f"web.{ZONE}") == ["10.96.0.7"]
    world.change("services", service(ip="None"), "MODIFIED")
    assert world.answer(f"web.{ZONE}") == "NXDOMAIN"
    world.change(SLICES, piece("web", "10.244.1.2"))
    assert world.answer(f"web.{ZONE}") == ["10.244.1.2"]
    world.change(SLICES, piece("", "10.244.1.2"), "MODIFIED")
    assert world.answer(f"web.{ZONE}") == "NXDOMAIN"
    world.change("services", service(), "DELETED")
    assert world.answer(f"web.{ZONE}") == "NXDOMAIN"


def test_endpoints_that_come_before_their_service_are_found() -> None:
    world = filled()
    world.change(SLICES, piece("web", "10.244.1.2"))
    world.change("services", service(ip="None"))
    assert world.answer(f"web.{ZONE}") == ["10.244.1.2"]


def test_names_of_pods_are_known_in_namespaces_that_there_are() -> None:
    world = filled()
    assert world.answer("10-1-2-3.default.pod.cluster.local") == ["10.1.2.3"]
    assert world.answer("10-1-2-3.new.pod.cluster.local") == "NXDOMAIN"
    world.change("namespaces", namespace("new"))
    assert world.answer("10-1-2-3.new.pod.cluster.local") == ["10.1.2.3"]


def test_a_server_is_told_all_once_and_then_what_changes() -> None:
    world = filled("names", services=[service()])
    (first,) = world.told()
    assert (first.number, first.whole, first.namespaces, [one.key for one in first.parts]) == (
        1,
        True,
        ("default",),
        ["services/default/web"],
    )
    world.change("services", service("db"))
    world.change("services", service("mq"))
    (second,) = world.told()
    assert (second.number, second.whole, [one.key for one in second.parts]) == (2, False, ["services/default/db", "services/default/mq"])
    world.change("services", service("db"), "DELETED")
    (third,) = world.told()
    assert (third.number, [(one.key, one.records) for one in third.parts]) == (3, [("services/default/db", ())])
    world.change("namespaces", namespace("new"))
    (fourth,) = world.told()
    assert (fourth.namespaces, fourth.parts) == (("default", "new"), ())


def test_what_changes_no_name_is_not_told() -> None:
    world = filled("names", services=[service()])
    world.told()
    world.change("services", replace(service(), metadata=replace(service().metadata, labels=FrozenMap(a="b"))), "MODIFIED")
    world.change(SLICES, piece("web", "10.244.1.2"))
    world.change("namespaces", namespace("default"), "MODIFIED")
    assert world.told() == []


def test_a_server_is_told_nothing_before_all_is_known_and_hears_of_an_empty_cluster_too() -> None:
    world = World("names")
    world.service.on_receive(NamesServerStarted())
    assert world.told() == []
    world.fill()
    (first,) = world.told()
    assert (first.whole, first.parts) == (True, ())


def test_a_server_that_starts_again_is_told_all() -> None:
    world = filled("names", services=[service()])
    world.told()
    world.change("services", service("db"))
    world.told()
    world.service.on_receive(NamesServerStarted())
    (again,) = world.told()
    assert (again.number, again.whole, [one.key for one in again.parts]) == (3, True, ["services/default/web", "services/default/db"])


def test_with_a_server_questions_are_answered_as_it_answers_them() -> None:
    world = filled("names", services=[service()])
    world.told()
    assert world.answer(f"web.{ZONE}") == ["10.96.0.7"]
