"""The service proxy: what it sends to a data plane, and how it carries requests where containers are simulated."""

from __future__ import annotations

from typing import Any

import structlog

from callboard.actors.informer import ClientSettings
from callboard.actors.proxy.actor import REQUESTS_IN_FLIGHT_LIMIT, ServiceProxy
from callboard.models.base import replace
from callboard.models.messages.api import Listed, ListObjects, RecordEvent, WatchBatch, WatchEvent, WatchObjects
from callboard.models.messages.base import Address, Message
from callboard.models.messages.proxy import DataPlaneStarted, ListenFailed, ProxyTable, ServeTable
from callboard.models.messages.runtime import Routed, RouteRequest, Served, ServeRequest
from callboard.runtime.systems.hooks import LoopHooks

from .test_table import endpoint, piece, service

SLICES = "endpointslices.discovery.k8s.io"


class Alarm:
    """A timer that the test fires by hand."""

    def __init__(self, message: Message) -> None:
        self.message: Message | None = message

    def cancel(self) -> None:
        self.message = None


class World:
    """A proxy with a port that remembers what was sent, and an apiserver that is the test."""

    def __init__(self, data_plane: str = "") -> None:
        self.name = "proxy/node-1"
        self.me = "proxy/node-1#1"
        self.log: Any = structlog.get_logger()
        self.sent: list[tuple[Address, Message]] = []
        self.alarms: list[Alarm] = []
        self.subscriptions: dict[str, tuple[int, int]] = {}
        self.revision = 0
        hooked = type("Proxy", (LoopHooks, ServiceProxy), {})
        self.proxy = hooked(self, ClientSettings(), data_plane)
        self.proxy.on_start()

    def send(self, to: Address, message: Message) -> None:
        self.sent.append((to, message))

    def after(self, delay_s: float, message: Message, *, periodic: bool = False) -> Alarm:
        self.alarms.append(Alarm(message))
        return self.alarms[-1]

    def now(self) -> float:
        return 1000.0

    def random(self) -> float:
        return 0.5

    def new_id(self) -> str:
        return "uid"

    def taken(self, kind: type[Message]) -> list[Any]:
        """Messages of this kind that were sent since the last time, with their receiver; they count once."""
        found = [(to, message) for to, message in self.sent if isinstance(message, kind)]
        self.sent = [entry for entry in self.sent if entry not in found]
        return found

    def run_own(self) -> None:
        """Deliver what the proxy has sent to itself."""
        own = [message for to, message in self.sent if to == self.me]
        self.sent = [entry for entry in self.sent if entry[0] != self.me]
        for message in own:
            self.proxy.on_receive(message)

    def fill(self, **objects: list[Any]) -> None:
        """Answer the lists."""
        for _, request in self.taken(ListObjects):
            kept = objects.get(request.resource.partition(".")[0], [])
            self.revision += 1
            stamped = tuple(replace(obj, metadata=replace(obj.metadata, resource_version=self.revision)) for obj in kept)
            self.proxy.on_receive(Listed(request.id, stamped, self.revision))
        for _, watch in self.taken(WatchObjects):
            self.subscriptions[watch.resource] = (watch.id, 0)

    def change(self, resource: str, *objects: Any, type_: str = "MODIFIED") -> None:
        """One batch of a watch."""
        number, seq = self.subscriptions[resource]
        self.subscriptions[resource] = (number, seq + 1)
        self.revision += 1
        events = []
        for obj in objects:
            stamped = replace(obj, metadata=replace(obj.metadata, resource_version=self.revision))
            events.append(WatchEvent(type_, f"{resource}/{obj.metadata.namespace}/{obj.metadata.name}", stamped))  # type: ignore[arg-type]
        self.proxy.on_receive(WatchBatch(number, seq + 1, tuple(events), self.revision))

    def tables(self) -> list[ProxyTable]:
        self.run_own()
        return [message.table for to, message in self.taken(ServeTable) if to == "dataplane"]

    def route(self, port: str = "", name: str = "web", number: int = 1) -> None:
        self.proxy.on_receive(RouteRequest(number, "client#1", "default", name, port, "GET", "/", (), b""))

    def asked(self) -> list[tuple[str, ServeRequest]]:
        return self.taken(ServeRequest)

    def answers(self) -> list[Routed]:
        return [message for to, message in self.taken(Routed) if to == "client#1"]


def test_a_data_plane_hears_nothing_before_both_lists_are_in_and_then_even_of_nothing() -> None:
    world = World("dataplane")
    assert world.tables() == []
    world.fill()
    assert world.tables() == [ProxyTable()]


def test_many_changes_are_one_table_and_no_change_is_none() -> None:
    world = World("dataplane")
    world.fill(services=[service()], endpointslices=[piece("a", endpoint("10.0.0.1"))])
    (first,) = world.tables()
    assert [port.endpoints for port in first.services] == [(("10.0.0.1", 8080),)]
    for number in range(5):
        world.change(SLICES, piece("a", endpoint(f"10.0.0.{number}")))
    (second,) = world.tables()
    assert second == world.proxy.current_table()
    assert [port.endpoints for port in second.services] == [(("10.0.0.4", 8080),)]
    world.change(SLICES, piece("a", endpoint("10.0.0.4")))
    assert world.tables() == []
    world.change("services", service(), type_="DELETED")
    assert world.tables() == [ProxyTable()]


def test_a_slice_that_changes_its_service_leaves_the_old_one() -> None:
    world = World("dataplane")
    both = [service("web", ip="10.96.0.1"), service("db", ip="10.96.0.2")]
    world.fill(services=both, endpointslices=[piece("a", endpoint("10.0.0.1"))])
    world.tables()
    world.change(SLICES, piece("a", endpoint("10.0.0.1"), of="db"))
    (table,) = world.tables()
    assert {port.service_key: len(port.endpoints) for port in table.services} == {"default/db:http": 1, "default/web:http": 0}


def test_a_data_plane_that_has_just_started_gets_the_table_again() -> None:
    world = World("dataplane")
    world.fill(services=[service()])
    tables = world.tables()
    world.proxy.on_receive(DataPlaneStarted())
    assert world.tables() == tables


def test_a_service_that_cannot_be_listened_for_gets_a_warning_event() -> None:
    world = World("dataplane")
    world.fill(services=[service()])
    world.proxy.on_receive(ListenFailed("default/web:http", "10.96.0.1", 80, "another program listens there"))
    ((_, event),) = world.taken(RecordEvent)
    assert (event.type, event.reason, event.involved_kind, event.name) == ("Warning", "FailedToListen", "Service", "web")
    assert event.message == "another program listens there"


def test_a_proxy_without_a_data_plane_does_nothing_about_a_change() -> None:
    world = World()
    world.fill(services=[service()])
    world.sent.clear()
    world.change(SLICES, piece("a", endpoint("10.0.0.1")))
    assert world.sent == []


def routed(*nodes: str) -> World:
    world = World()
    endpoints = [endpoint(f"10.0.0.{number}", node) for number, node in enumerate(nodes, 1)]
    world.fill(services=[service()], endpointslices=[piece("a", *endpoints)])
    return world


def test_requests_go_round_the_ready_endpoints_to_the_runtimes_of_their_nodes() -> None:
    world = routed("node-1", "node-2", "node-1")
    seen = []
    for _ in range(6):
        world.route()
        ((to, request),) = world.asked()
        seen.append((to, request.ip, request.port))
        world.proxy.on_receive(Served(request.id, True, 200, (), b"ok"))
        (answer,) = world.answers()
        assert (answer.status, answer.body, answer.endpoint) == (200, b"ok", f"{request.ip}:8080")
    first = [("runtime/node-1", "10.0.0.1", 8080), ("runtime/node-2", "10.0.0.2", 8080), ("runtime/node-1", "10.0.0.3", 8080)]
    assert seen == first * 2


def test_a_refused_or_silent_endpoint_is_followed_by_the_next_and_each_is_tried_once() -> None:
    world = routed("node-1", "node-2")
    world.route()
    ((_, first),) = world.asked()
    world.proxy.on_receive(Served(first.id, False))
    ((to, second),) = world.asked()
    assert (to, second.ip) == ("runtime/node-2", "10.0.0.2")
    alarm = world.alarms[-1].message
    assert alarm is not None
    world.proxy.on_receive(alarm)
    (answer,) = world.answers()
    assert (answer.status, answer.problem) == (0, 'no endpoint of service "web" could be reached; the last tried was 10.0.0.2:8080')
    world.proxy.on_receive(Served(second.id, True, 200))
    assert world.answers() == [], "an answer that comes too late is nobody's"


def test_what_cannot_be_routed_is_answered_with_the_reason() -> None:
    world = routed()
    problems = []
    for name, port in (("web", ""), ("web", "81"), ("other", "")):
        world.route(port, name)
        problems += [answer.problem for answer in world.answers()]
    assert problems == [
        'no endpoints available for service "web"',
        'service "web" has no port 81; it has http (80)',
        'services "other" not found',
    ]
    world.change("services", service(ip="None"))
    world.route()
    assert "has no address of its own" in world.answers()[0].problem


def test_a_proxy_that_has_just_started_says_so() -> None:
    world = World()
    world.route()
    assert world.answers()[0].problem == "proxy/node-1 has not seen the cluster's Services yet"


def test_the_requests_under_way_are_bounded() -> None:
    world = routed("node-1")
    for number in range(REQUESTS_IN_FLIGHT_LIMIT + 1):
        world.route(number=number)
    (answer,) = world.answers()
    assert (answer.id, "try again later" in answer.problem) == (REQUESTS_IN_FLIGHT_LIMIT, True)
