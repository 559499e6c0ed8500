"""Which endpoints answer at which address, by kube-proxy's rules."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.proxy.table import choose_port, routed_ports, service_ports, table
from callboard.models.api import core, discovery, meta
from callboard.models.base import FrozenMap
from callboard.models.messages.proxy import ProxyTable, ServicePort


def service(name: str = "web", *ports: core.ServicePort, ip: str = "10.96.0.1", **spec: object) -> core.Service:
    chosen = ports or (core.ServicePort(name="http", port=80, protocol="TCP"),)
    metadata = meta.ObjectMeta(name=name, namespace="default")
    return core.Service(metadata=metadata, spec=core.ServiceSpec(cluster_ip=ip, ports=chosen, **spec))  # type: ignore[arg-type]


def endpoint(address: str, node: str = "node-1", **conditions: bool) -> discovery.Endpoint:
    known = discovery.EndpointConditions(**conditions) if conditions else None
    return discovery.Endpoint(addresses=(address,), conditions=known, node_name=node)


def piece(
    name: str,
    *endpoints: discovery.Endpoint,
    of: str = "web",
    ports: dict[str, int] | None = None,
    family: str = "IPv4",
    protocol: str = "TCP",
) -> discovery.EndpointSlice:
    labels = FrozenMap({"kubernetes.io/service-name": of} if of else {})
    numbers = tuple(discovery.EndpointPort(name=n, port=p, protocol="TCP") for n, p in (ports or {"http": 8080}).items())
    metadata = meta.ObjectMeta(name=name, namespace="default", labels=labels)
    return discovery.EndpointSlice(metadata=metadata, address_type=family, endpoints=endpoints, ports=numbers)


def test_ready_endpoints_answer_and_unknown_readiness_counts_as_ready() -> None:
    slices = [piece("a", endpoint("10.0.0.2", ready=True), endpoint("10.0.0.3", ready=False), endpoint("10.0.0.1"))]
    (port,) = service_ports(service(), slices)
    assert port == ServicePort("default/web:http", "10.96.0.1", 80, "TCP", (("10.0.0.1", 8080), ("10.0.0.2", 8080)))


def test_without_a_ready_endpoint_those_answer_that_serve_while_they_terminate() -> None:
    leaving = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    failing = endpoint("10.0.0.2", ready=False, serving=False, terminating=True)
    unready = endpoint("10.0.0.3", ready=False, serving=True, terminating=False)
    (port,) = service_ports(service(), [piece("a", leaving, failing, unready)])
    assert port.endpoints == (("10.0.0.1", 8080),)
    (port,) = service_ports(service(), [piece("a", leaving, endpoint("10.0.0.9", ready=True))])
    assert port.endpoints == (("10.0.0.9", 8080),)


def test_ports_are_matched_by_name_and_protocol() -> None:
    http, dns = core.ServicePort(name="http", port=80), core.ServicePort(name="dns", port=53, protocol="UDP")
    slices = [piece("a", endpoint("10.0.0.1"), ports={"http": 8080, "dns": 5353}), piece("b", endpoint("10.0.0.2"), ports={"http": 9090})]
    first, second = service_ports(service("web", http, dns), slices)
    assert first.endpoints == (("10.0.0.1", 8080), ("10.0.0.2", 9090)), "slices may give one name different numbers"
    assert (second.protocol, second.endpoints) == ("UDP", ())


def test_a_port_without_a_name_has_the_services_own_key() -> None:
    (port,) = service_ports(service("web", core.ServicePort(port=80)), [piece("a", endpoint("10.0.0.1"), ports={"": 8080})])
    assert (port.service_key, port.endpoints) == ("default/web", (("10.0.0.1", 8080),))


def test_the_same_endpoint_in_two_slices_answers_once() -> None:
    (port,) = service_ports(service(), [piece("a", endpoint("10.0.0.1")), piece("b", endpoint("10.0.0.1"))])
    assert port.endpoints == (("10.0.0.1", 8080),)


def test_services_without_an_address_are_not_served() -> None:
    for odd in (service(ip="None"), service(ip=""), service(type="ExternalName", external_name="example.com")):
        assert service_ports(odd, [piece("a", endpoint("10.0.0.1"))]) == ()


def test_each_family_has_its_own_endpoints() -> None:
    both = service(ip="10.96.0.1", cluster_ips=("10.96.0.1", "fd00::1"))
    slices = [piece("a", endpoint("10.0.0.1")), piece("b", endpoint("fd00::2"), family="IPv6"), piece("c", endpoint("x"), family="FQDN")]
    four, six = service_ports(both, slices)
    assert (four.cluster_ip, four.endpoints) == ("10.96.0.1", (("10.0.0.1", 8080),))
    assert (six.cluster_ip, six.endpoints) == ("fd00::1", (("fd00::2", 8080),))


def test_a_port_is_chosen_by_name_or_number_and_the_first_by_default() -> None:
    two = service("web", core.ServicePort(name="http", port=80), core.ServicePort(name="admin", port=81))
    ports = routed_ports(two, [])
    assert [getattr(choose_port(ports, wanted), "name", None) for wanted in ("", "admin", "81", "82")] == ["http", "admin", "admin", None]


ENDPOINTS = st.builds(
    endpoint,
    st.integers(1, 9).map("10.0.0.{}".format),
    st.sampled_from(["node-1", "node-2"]),
    ready=st.sampled_from([True, False]),
    serving=st.booleans(),
    terminating=st.booleans(),
)
SLICES = st.builds(
    lambda of, endpoints: (of, tuple(endpoints)), st.sampled_from(["web", "db", "gone", ""]), st.lists(ENDPOINTS, max_size=6)
)


@given(st.lists(SLICES, max_size=6), st.randoms(use_true_random=False))
def test_the_table_is_the_ready_endpoints_whatever_the_order(
    parts: list[tuple[str, tuple[discovery.Endpoint, ...]]], shuffle: random.Random
) -> None:
    slices = [piece(f"s{number}", *endpoints, of=of) for number, (of, endpoints) in enumerate(parts)]
    services = [service("web", ip="10.96.0.1"), service("db", ip="10.96.0.2")]
    made = table(services, slices)
    expected = []
    for name, ip in (("db", "10.96.0.2"), ("web", "10.96.0.1")):
        of_service = [one for of, endpoints in parts if of == name for one in endpoints]
        ready = {one.addresses[0] for one in of_service if one.conditions and one.conditions.ready}
        leaving = {one.addresses[0] for one in of_service if one.conditions and one.conditions.serving and one.conditions.terminating}
        chosen = sorted((address, 8080) for address in ready or leaving)
        expected.append(ServicePort(f"default/{name}:http", ip, 80, "TCP", tuple(chosen)))
    assert made == ProxyTable(tuple(expected))
    shuffle.shuffle(services)
    shuffle.shuffle(slices)
    assert table(services, slices) == made


def test_the_order_of_slices_does_not_matter_even_when_they_disagree_on_the_node() -> None:
    slices = [piece("a", endpoint("10.0.0.1", "node-2")), piece("b", endpoint("10.0.0.1", "node-1"))]
    for order in itertools.permutations(slices):
        assert [backend.node_name for port in routed_ports(service(), order) for backend in port.backends] == ["node-1"]
