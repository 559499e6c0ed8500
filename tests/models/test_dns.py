"""Names of Services, endpoints and pods: the tables of the specification "Kubernetes DNS-Based Service Discovery"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api import core, discovery, meta
from callboard.models.base import FrozenMap
from callboard.models.dns import Record, Zone, questions, records_of, search_list

KINDS = ("A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "ANY", "MX")


def service(name: str = "web", *ports: core.ServicePort, namespace: str = "default", **spec: Any) -> core.Service:
    chosen = ports or (core.ServicePort(name="http", port=80, protocol="TCP"),)
    given_ = {"cluster_ip": "10.96.0.7", **spec}
    return core.Service(metadata=meta.ObjectMeta(name=name, namespace=namespace), spec=core.ServiceSpec(ports=chosen, **given_))


def endpoint(address: str, hostname: str = "", **conditions: bool) -> discovery.Endpoint:
    known = discovery.EndpointConditions(**conditions) if conditions else None
    return discovery.Endpoint(addresses=(address,), hostname=hostname, conditions=known)


def piece(*endpoints: discovery.Endpoint, name: str = "s", family: str = "IPv4", ports: dict[str, int] | None = None) -> Any:
    numbers = tuple(discovery.EndpointPort(name=n, port=p, protocol="TCP") for n, p in ({"http": 8080} if ports is None else ports).items())
    labels = FrozenMap({"kubernetes.io/service-name": "web"})
    metadata = meta.ObjectMeta(name=name, namespace="default", labels=labels)
    return discovery.EndpointSlice(metadata=metadata, address_type=family, endpoints=endpoints, ports=numbers)


def zone(*services: core.Service, slices: tuple[Any, ...] = (), namespaces: tuple[str, ...] = ("default", "other")) -> Zone:
    made = Zone("cluster.local", "10.96.0.10")
    made.serve_namespaces(namespaces)
    for number, one in enumerate(services):
        made.put(f"{number}", records_of(one, slices))
    return made


def data(of: Zone, name: str, kind: str = "A") -> Any:
    """The code, or what the records say."""
    reply = of.answer(name, kind)
    return [one.data for one in reply.answers] if reply.code == "NOERROR" else reply.code


def test_the_schema_says_its_version() -> None:
    assert data(zone(), "dns-version.cluster.local", "TXT") == ["1.1.0"]


# 2.3 Services with an address


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("web.default.svc.cluster.local", "A", ["10.96.0.7"]),
        ("WEB.Default.svc.CLUSTER.local.", "A", ["10.96.0.7"]),
        ("web.default.svc.cluster.local", "AAAA", []),
        ("web.default.svc.cluster.local", "SRV", []),
        ("web.default.svc.cluster.local", "MX", []),
        ("web.default.svc.cluster.local", "ANY", ["10.96.0.7"]),
        ("_http._tcp.web.default.svc.cluster.local", "SRV", ["web.default.svc.cluster.local"]),
        ("_http._tcp.web.default.svc.cluster.local", "A", []),
        ("_tcp.web.default.svc.cluster.local", "SRV", []),
        ("_http._udp.web.default.svc.cluster.local", "SRV", "NXDOMAIN"),
        ("_other._tcp.web.default.svc.cluster.local", "SRV", "NXDOMAIN"),
        ("7.0.96.10.in-addr.arpa", "PTR", ["web.default.svc.cluster.local"]),
        ("8.0.96.10.in-addr.arpa", "PTR", "NXDOMAIN"),
        ("web.other.svc.cluster.local", "A", "NXDOMAIN"),
        ("x.web.default.svc.cluster.local", "A", "NXDOMAIN"),
        ("web.default.svc", "A", "NXDOMAIN"),
        ("web", "A", "NXDOMAIN"),
        ("ns.dns.cluster.local", "A", ["10.96.0.10"]),
        ("10.0.96.10.in-addr.arpa", "PTR", ["ns.dns.cluster.local"]),
    ],
)
def test_a_service_with_an_address_has_a_srv_and_ptr_records(name: str, kind: str, said: Any) -> None:
    assert data(zone(service()), name, kind) == said


def test_an_srv_record_tells_the_services_port_and_the_address_comes_along() -> None:
    reply = zone(service()).answer("_http._tcp.web.default.svc.cluster.local", "SRV")
    assert reply.answers == (Record("_http._tcp.web.default.svc.cluster.local", "SRV", "web.default.svc.cluster.local", 80, 100),)
    assert [one.data for one in reply.additional] == ["10.96.0.7"]


def test_a_port_without_a_name_has_no_srv_record() -> None:
    made = zone(service("web", core.ServicePort(port=80)))
    assert not [one for one in made.part("0") if one.type == "SRV"]


def test_a_service_of_both_families_has_both_kinds_of_address() -> None:
    made = zone(service(cluster_ips=("10.96.0.7", "fd00::7")))
    assert data(made, "web.default.svc.cluster.local", "A") == ["10.96.0.7"]
    assert data(made, "web.default.svc.cluster.local", "AAAA") == ["fd00::7"]
    reverse = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"
    assert data(made, reverse, "PTR") == ["web.default.svc.cluster.local"]


def test_a_service_without_an_address_yet_has_no_name() -> None:
    made = zone(service(cluster_ip=""))
    assert data(made, "web.default.svc.cluster.local") == "NXDOMAIN"
    assert data(made, "_http._tcp.web.default.svc.cluster.local", "SRV") == "NXDOMAIN"


# 2.4 headless Services


def headless(**spec: Any) -> core.Service:
    return service(cluster_ip="None", **spec)


def test_a_headless_service_is_called_as_its_ready_endpoints_are() -> None:
    slices = (
        piece(endpoint("10.244.1.2", "web-0", ready=True), endpoint("10.244.1.3", ready=False, serving=True)),
        piece(endpoint("10.244.2.9"), name="t"),
    )
    made = zone(headless(), slices=slices)
    assert data(made, "web.default.svc.cluster.local") == ["10.244.1.2", "10.244.2.9"]
    assert data(made, "web.default.svc.cluster.local", "AAAA") == []
    assert data(made, "web-0.web.default.svc.cluster.local") == ["10.244.1.2"]
    assert data(made, "10-244-2-9.web.default.svc.cluster.local") == ["10.244.2.9"]
    assert data(made, "10-244-1-3.web.default.svc.cluster.local") == "NXDOMAIN"
    assert data(made, "2.1.244.10.in-addr.arpa", "PTR") == ["web-0.web.default.svc.cluster.local"]
    assert data(made, "9.2.244.10.in-addr.arpa", "PTR") == ["10-244-2-9.web.default.svc.cluster.local"]


def test_a_headless_service_has_one_srv_record_per_ready_endpoint_and_named_port() -> None:
    slices = (piece(endpoint("10.244.1.2", "web-0"), endpoint("10.244.1.3", "web-1"), ports={"http": 8080, "admin": 9090, "": 7}),)
    reply = zone(headless(), slices=slices).answer("_http._tcp.web.default.svc.cluster.local", "SRV")
    assert [(one.data, one.port, one.weight) for one in reply.answers] == [
        ("web-0.web.default.svc.cluster.local", 8080, 50),
        ("web-1.web.default.svc.cluster.local", 8080, 50),
    ]
    assert [one.data for one in reply.additional] == ["10.244.1.2", "10.244.1.3"]
    assert data(zone(headless(), slices=slices), "_admin._tcp.web.default.svc.cluster.local", "SRV") == [
        "web-0.web.default.svc.cluster.local",
        "web-1.web.default.svc.cluster.local",
    ]


def test_a_headless_service_without_a_ready_endpoint_does_not_exist() -> None:
    made = zone(headless(), slices=(piece(endpoint("10.244.1.3", ready=False)),))
    assert data(made, "web.default.svc.cluster.local") == "NXDOMAIN"


def test_a_headless_service_without_ports_still_has_addresses() -> None:
    made = zone(headless(), slices=(piece(endpoint("10.244.1.3"), ports={}),))
    assert data(made, "web.default.svc.cluster.local") == ["10.244.1.3"]


def test_a_host_name_with_two_addresses_is_answered_with_both() -> None:
    slices = (piece(endpoint("10.244.1.2", "db")), piece(endpoint("fd00::2", "db"), name="t", family="IPv6"))
    made = zone(headless(), slices=slices)
    assert data(made, "db.web.default.svc.cluster.local", "A") == ["10.244.1.2"]
    assert data(made, "db.web.default.svc.cluster.local", "AAAA") == ["fd00::2"]
    assert data(zone(headless(), slices=(piece(endpoint("web.example", "db"), family="FQDN"),)), "db.web.default.svc.cluster.local") == (
        "NXDOMAIN"
    )


def test_an_address_behind_two_headless_services_has_two_names() -> None:
    made = zone()
    for name in ("a", "b"):
        made.put(name, records_of(service(name, cluster_ip="None"), (piece(endpoint("10.244.1.2", "h")),)))
    assert data(made, "2.1.244.10.in-addr.arpa", "PTR") == ["h.a.default.svc.cluster.local", "h.b.default.svc.cluster.local"]
    made.put("a", ())
    assert data(made, "2.1.244.10.in-addr.arpa", "PTR") == ["h.b.default.svc.cluster.local"]


def test_addresses_take_turns() -> None:
    made = zone(headless(), slices=(piece(*(endpoint(f"10.244.1.{n}") for n in (2, 3, 4))),))
    first = [made.answer("web.default.svc.cluster.local", "A", turn).answers[0].data for turn in range(6)]
    assert first == ["10.244.1.2", "10.244.1.3", "10.244.1.4"] * 2


# 2.5 aliases


def alias(to: str, name: str = "old") -> core.Service:
    return service(name, type="ExternalName", external_name=to, cluster_ip="")


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME"])
def test_an_external_name_is_an_alias_and_nobody_is_asked_for_what_is_outside(kind: str) -> None:
    reply = zone(alias("db.Example.com.")).answer("old.default.svc.cluster.local", kind)
    assert (reply.code, [(one.type, one.data) for one in reply.answers]) == ("NOERROR", [("CNAME", "db.example.com")])


def test_an_alias_of_a_name_of_the_cluster_is_followed() -> None:
    made = zone(service(), alias("web.default.svc.cluster.local"))
    assert data(made, "old.default.svc.cluster.local") == ["web.default.svc.cluster.local", "10.96.0.7"]
    assert data(made, "old.default.svc.cluster.local", "AAAA") == ["web.default.svc.cluster.local"]
    made.put("0", ())
    reply = made.answer("old.default.svc.cluster.local", "A")
    assert (reply.code, len(reply.answers)) == ("NXDOMAIN", 1)


def test_aliases_in_a_circle_are_a_failure_and_end() -> None:
    made = zone(alias("b.default.svc.cluster.local", "a"), alias("a.default.svc.cluster.local", "b"))
    assert made.answer("a.default.svc.cluster.local", "A").code == "SERVFAIL"
    many = zone(*(alias(f"n{number + 1}.default.svc.cluster.local", f"n{number}") for number in range(20)))
    assert many.answer("n0.default.svc.cluster.local", "A").code == "SERVFAIL"


def test_an_external_name_that_is_an_address_has_no_record() -> None:
    assert data(zone(alias("192.0.2.1")), "old.default.svc.cluster.local") == "NXDOMAIN"


# 2.6 pods, and names that only have others below


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("10-244-1-2.default.pod.cluster.local", "A", ["10.244.1.2"]),
        ("1-2-3-4.other.pod.cluster.local", "A", ["1.2.3.4"]),
        ("10-244-1-2.default.pod.cluster.local", "AAAA", []),
        ("fd00--2.default.pod.cluster.local", "AAAA", ["fd00::2"]),
        ("10-244-1-256.default.pod.cluster.local", "A", "NXDOMAIN"),
        ("10-244-1.default.pod.cluster.local", "A", "NXDOMAIN"),
        ("web-0.default.pod.cluster.local", "A", "NXDOMAIN"),
        ("x.10-244-1-2.default.pod.cluster.local", "A", "NXDOMAIN"),
        ("10-244-1-2.absent.pod.cluster.local", "A", "NXDOMAIN"),
        ("default.pod.cluster.local", "A", []),
        ("default.svc.cluster.local", "A", []),
        ("absent.svc.cluster.local", "A", "NXDOMAIN"),
        ("svc.cluster.local", "A", []),
        ("cluster.local", "A", []),
        ("kubernetes.io", "A", "NXDOMAIN"),
        ("local", "A", "NXDOMAIN"),
        ("notcluster.local", "A", "NXDOMAIN"),
        ("", "A", "NXDOMAIN"),
    ],
)
def test_pods_have_computed_names_and_what_has_names_below_it_exists(name: str, kind: str, said: Any) -> None:
    assert data(zone(service()), name, kind) == said


def test_only_what_is_the_clusters_is_answered_with_authority() -> None:
    made = zone(service())
    assert made.answer("absent.default.svc.cluster.local", "A").authoritative
    assert made.answer("9.9.9.9.in-addr.arpa", "PTR").authoritative
    assert not made.answer("example.com", "A").authoritative


# what clients ask


def test_a_short_name_is_looked_up_in_the_search_domains_first() -> None:
    searches = search_list("shop")
    assert searches == ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
    assert questions("web", searches) == ("web.shop.svc.cluster.local", "web.svc.cluster.local", "web.cluster.local", "web")
    assert questions("web.default", searches)[1] == "web.default.svc.cluster.local"
    assert questions("a.b.c.d.e.f", searches)[0] == "a.b.c.d.e.f"
    assert questions("web.shop.svc.cluster.local.", searches) == ("web.shop.svc.cluster.local",)


# a zone that changes


STATES = st.one_of(
    st.none(),
    st.just(("address",)),
    st.tuples(st.just("headless"), st.lists(st.sampled_from(["10.244.1.2", "10.244.1.3", "10.244.2.2"]), unique=True, max_size=3)),
    st.tuples(st.just("alias"), st.sampled_from(["b.default.svc.cluster.local", "example.com"])),
)


def _records(name: str, state: Any) -> tuple[Record, ...]:
    if state is None:
        return ()
    if state[0] == "address":
        return records_of(service(name), ())
    if state[0] == "alias":
        return records_of(alias(state[1], name), ())
    return records_of(service(name, cluster_ip="None"), (piece(*(endpoint(one, "h" if one.endswith(".2") else "") for one in state[1])),))


@given(st.lists(st.tuples(st.sampled_from("abc"), STATES), max_size=12))
def test_a_zone_that_has_changed_answers_as_one_that_was_made_at_once(changes: list[tuple[str, Any]]) -> None:
    changed, final = zone(), {}
    for name, state in changes:
        changed.put(name, _records(name, state))
        final[name] = state
    made = zone()
    for name, state in final.items():
        made.put(name, _records(name, state))
    names = {record.name for key in made.keys for record in made.part(key)}
    names |= {record.name for name, state in changes for record in _records(name, state)}
    names |= {name.partition(".")[2] for name in names}
    for name in sorted(names):
        for kind in KINDS:
            one, other = changed.answer(name, kind), made.answer(name, kind)
            assert (one.code, sorted(one.answers), sorted(one.additional)) == (other.code, sorted(other.answers), sorted(other.additional))


def test_a_hosts_file_gets_names_with_addresses_only() -> None:
    made = zone(service(), alias("web.default.svc.cluster.local"), alias("example.com", "out"))
    made.put("h", records_of(service("db", cluster_ip="None"), (piece(endpoint("10.244.1.2", "db-0")),)))
    assert made.addresses() == {
        "web.default.svc.cluster.local": ("10.96.0.7",),
        "old.default.svc.cluster.local": ("10.96.0.7",),
        "db.default.svc.cluster.local": ("10.244.1.2",),
        "db-0.db.default.svc.cluster.local": ("10.244.1.2",),
    }
