"""ClusterIPs and node ports: chosen, asked for, kept, released, and never given twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.api.core import ServicePort
from callboard.models.base import freeze, replace
from callboard.models.messages.api import CreateObject, DeleteObject, PatchObject, UpdateObject


def _addresses(world: Any) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in world.items if key.startswith("ipaddresses."))


def _ports(world: Any) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in world.items if key.startswith("nodeports."))


def test_a_service_gets_an_address_that_it_holds_until_it_goes(world: Any, objects: Any) -> None:
    spec = world.ok(CreateObject, resource="services", obj=objects.service("web")).obj.spec
    assert spec.cluster_ip.startswith("10.")
    assert spec.cluster_ips == (spec.cluster_ip,)
    assert _addresses(world) == [spec.cluster_ip]
    holder = world.items[f"ipaddresses.networking.k8s.io//{spec.cluster_ip}"].to_dict()
    assert holder["spec"]["parentRef"] == {"group": "", "resource": "services", "namespace": "default", "name": "web"}
    world.ok(DeleteObject, resource="services", namespace="default", name="web")
    assert _addresses(world) == []


def test_a_headless_service_and_an_external_name_get_none(world: Any, objects: Any) -> None:
    headless = world.ok(CreateObject, resource="services", obj=objects.service("a", cluster_ip="None")).obj.spec
    assert (headless.cluster_ip, headless.cluster_ips) == ("None", ("None",))
    external = objects.service("b", type="ExternalName", external_name="example.com", ports=())
    assert world.ok(CreateObject, resource="services", obj=external).obj.spec.cluster_ip == ""
    assert _addresses(world) == []


def test_an_address_that_was_asked_for_is_given_once(world: Any, objects: Any) -> None:
    asked = objects.service("a", cluster_ip="10.96.0.10")
    assert world.ok(CreateObject, resource="services", obj=asked).obj.spec.cluster_ip == "10.96.0.10"
    refusal = world.refused(CreateObject, resource="services", obj=objects.service("b", cluster_ip="10.96.0.10"))
    assert refusal.code == 422
    assert "spec.clusterIPs: Invalid value: " in refusal.message
    assert "failed to allocate IP 10.96.0.10: provided IP is already allocated" in refusal.message


def test_the_name_services_address_is_given_to_nobody(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(service_cidr="10.96.0.0/30", reserved_address="10.96.0.2")
    refusal = world.refused(CreateObject, resource="services", obj=objects.service("a", cluster_ip="10.96.0.2"))
    assert "failed to allocate IP 10.96.0.2: provided IP is already allocated" in refusal.message
    world.ok(CreateObject, resource="services", obj=objects.service("b"))
    assert world.refused(CreateObject, resource="services", obj=objects.service("c")).code == 500
    assert _addresses(world) == ["10.96.0.1"]


def test_an_address_outside_the_range_is_refused(world: Any, objects: Any) -> None:
    refusal = world.refused(CreateObject, resource="services", obj=objects.service("b", cluster_ip="192.168.0.1"))
    words = "the provided IP (192.168.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12"
    assert words in refusal.message


def test_a_full_range_is_an_internal_error_and_a_released_address_is_given_again(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(service_cidr="10.96.0.0/30")
    for name in ("a", "b"):
        world.ok(CreateObject, resource="services", obj=objects.service(name))
    refusal = world.refused(CreateObject, resource="services", obj=objects.service("c"))
    assert (refusal.code, refusal.message) == (500, "Internal error occurred: failed to allocate a serviceIP: range is full")
    world.ok(DeleteObject, resource="services", namespace="default", name="a")
    world.ok(CreateObject, resource="services", obj=objects.service("c"))
    assert _addresses(world) == ["10.96.0.1", "10.96.0.2"]


def test_the_last_addresses_of_a_loopback_range_are_not_given(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(service_cidr="127.9.128.0/17")
    assert world.refused(CreateObject, resource="services", obj=objects.service("a", cluster_ip="127.9.255.7")).code == 422
    assert world.ok(CreateObject, resource="services", obj=objects.service("b")).obj.spec.cluster_ip.startswith("127.9.")


def test_two_apiservers_never_give_one_address_twice(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2, service_cidr="10.96.0.0/29")
    given: list[Any] = []
    address = world.system.outlet(given.append)
    for number in range(6):
        world.system.post(f"apiserver-{number % 2}", CreateObject(number, address, "services", objects.service(f"s{number}")))
    world.run(1.0)
    addresses = [answer.obj.spec.cluster_ip for answer in given if hasattr(answer, "obj")]
    assert len(given) == 6
    assert len({*addresses}) == len(addresses) >= 4
    assert sorted(addresses) == _addresses(world)


def test_an_update_that_does_not_mention_the_address_keeps_it(world: Any, objects: Any) -> None:
    before = world.ok(CreateObject, resource="services", obj=objects.service("web", type="NodePort")).obj
    wanted = objects.service("web", type="NodePort", session_affinity="ClientIP")
    after = world.ok(UpdateObject, resource="services", obj=wanted).obj
    assert after.spec.cluster_ip == before.spec.cluster_ip
    assert after.spec.ports[0].node_port == before.spec.ports[0].node_port
    assert after.metadata.generation == 2


def test_node_ports_come_and_go_with_the_type(world: Any, objects: Any) -> None:
    spec = world.ok(CreateObject, resource="services", obj=objects.service("web", type="NodePort")).obj.spec
    assert 30000 <= spec.ports[0].node_port <= 32767
    assert _ports(world) == [str(spec.ports[0].node_port)]
    patch = freeze({"spec": {"type": "ClusterIP"}})
    fields = {"resource": "services", "namespace": "default", "name": "web", "type": "merge"}
    assert world.ok(PatchObject, patch=patch, **fields).obj.spec.ports[0].node_port is None
    assert _ports(world) == []


def test_a_node_port_is_given_once_and_from_its_range(world: Any, objects: Any) -> None:
    def wanted(name: str, port: int) -> Any:
        return objects.service(name, type="NodePort", ports=(ServicePort(port=80, node_port=port),))

    world.ok(CreateObject, resource="services", obj=wanted("a", 30080))
    refusal = world.refused(CreateObject, resource="services", obj=wanted("b", 30080))
    assert "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated" in refusal.message
    refusal = world.refused(CreateObject, resource="services", obj=wanted("b", 80))
    assert "provided port is not in the valid range. The range of valid ports is 30000-32767" in refusal.message


def test_two_protocols_share_one_node_port(world: Any, objects: Any) -> None:
    ports = (
        ServicePort(name="a", port=53, protocol="TCP", node_port=30053),
        ServicePort(name="b", port=53, protocol="UDP", node_port=30053),
    )
    world.ok(CreateObject, resource="services", obj=objects.service("dns", type="NodePort", ports=ports))
    assert _ports(world) == ["30053"]


def test_a_service_that_becomes_external_releases_all(world: Any, objects: Any) -> None:
    before = world.ok(CreateObject, resource="services", obj=objects.service("web", type="NodePort")).obj
    spec = replace(before.spec, type="ExternalName", external_name="example.com", cluster_ip="", cluster_ips=(), ports=())
    world.ok(UpdateObject, resource="services", obj=replace(before, spec=spec))
    assert _addresses(world) == []
    assert _ports(world) == []


def _change(world: Any, **spec: Any) -> Any:
    wanted = freeze({"spec": spec})
    patch = {"resource": "services", "namespace": "default", "name": "web", "type": "merge", "patch": wanted}
    return world.ok(PatchObject, **patch).obj.spec


def test_what_a_new_type_has_no_use_for_goes_with_the_old_one(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="services", obj=objects.service("web", type="NodePort"))
    inside = _change(world, type="ClusterIP")
    assert (inside.external_traffic_policy, inside.ports[0].node_port, _ports(world)) == ("", None, [])
    elsewhere = _change(world, type="ExternalName", externalName="example.com")
    assert (elsewhere.cluster_ip, elsewhere.cluster_ips, elsewhere.ip_families, _addresses(world)) == ("", (), (), [])
    back = _change(world, type="NodePort", externalTrafficPolicy="Local")
    assert (back.cluster_ip in _addresses(world), str(back.ports[0].node_port)) == (True, _ports(world)[0])
    assert back.external_traffic_policy == "Local"
