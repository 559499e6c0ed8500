"""What a pod contributes, against Kubernetes' endpointslice/utils.go."""

from __future__ import annotations

import pytest

from callboard.actors.endpointslice.endpoints import placed
from callboard.models.api.core import Container, ContainerPort, ServicePort
from callboard.models.base import replace
from tests.actors.endpointslice.kit import pod, stored


def _conditions(*, ready: bool, terminating: bool, publish: bool = False) -> tuple[bool | None, bool | None, bool | None]:
    one = pod(1, ready=ready)
    if terminating:
        one = replace(one, metadata=replace(one.metadata, deletion_timestamp="2026-11-24T12:00:00Z"))
    entry = placed(stored(publish_not_ready_addresses=publish or None), one)
    assert entry is not None
    found = entry.endpoint.conditions
    assert found is not None
    return found.ready, found.serving, found.terminating


def test_a_ready_pod_is_ready_and_serves() -> None:
    assert _conditions(ready=True, terminating=False) == (True, True, False)
    assert _conditions(ready=False, terminating=False) == (False, False, False)


def test_a_terminating_pod_is_not_ready_but_serves_while_it_is() -> None:
    assert _conditions(ready=True, terminating=True) == (False, True, True)
    assert _conditions(ready=False, terminating=True) == (False, False, True)


def test_a_service_may_publish_addresses_that_are_not_ready() -> None:
    assert _conditions(ready=False, terminating=False, publish=True) == (True, False, False)
    assert _conditions(ready=False, terminating=True, publish=True) == (True, False, True)


def test_an_endpoint_tells_node_pod_and_address() -> None:
    entry = placed(stored(), pod(3))
    assert entry is not None
    assert (entry.endpoint.addresses, entry.endpoint.node_name) == (("10.128.0.4",), "node-1")
    reference = entry.endpoint.target_ref
    assert reference is not None
    assert (reference.kind, reference.namespace, reference.name, reference.uid) == ("Pod", "default", "p3", "uid-p3")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_contributes_nothing(phase: str) -> None:
    one = pod(1)
    assert placed(stored(), replace(one, status=replace(one.status, phase=phase))) is None


def test_a_pod_without_an_ipv4_address_contributes_nothing() -> None:
    assert placed(stored(), replace(pod(1), status=replace(pod(1).status, pod_ip=""))) is None
    assert placed(stored(), replace(pod(1), status=replace(pod(1).status, pod_ip="fd00::1"))) is None


def test_named_ports_are_looked_up_in_each_pod_by_name_and_protocol() -> None:
    port = ServicePort(name="main", port=80, target_port="http", protocol="TCP", app_protocol="http")
    one = pod(1)
    other = Container(name="web", ports=(ContainerPort(name="http", container_port=8080, protocol="TCP"),))
    udp = Container(name="web", ports=(ContainerPort(name="http", container_port=53, protocol="UDP"),))
    for container, expected in ((one.spec.containers[0], [80]), (other, [8080]), (udp, [])):
        entry = placed(stored(ports=(port,)), replace(one, spec=replace(one.spec, containers=(container,))))
        assert entry is not None
        assert [found.port for found in entry.ports] == expected


def test_a_sidecar_may_have_the_port() -> None:
    one = pod(1)
    sidecar = Container(name="proxy", restart_policy="Always", ports=(ContainerPort(name="http", container_port=15001),))
    bare = replace(one.spec.containers[0], ports=())
    entry = placed(stored(), replace(one, spec=replace(one.spec, containers=(bare,), init_containers=(sidecar,))))
    assert entry is not None
    assert [found.port for found in entry.ports] == [15001]


@pytest.mark.parametrize(("target", "expected"), [(9000, 9000), (None, 80), (0, 80)])
def test_numeric_ports_are_the_same_for_every_pod(target: int | None, expected: int) -> None:
    entry = placed(stored(ports=(ServicePort(name="http", port=80, target_port=target),)), pod(1))
    assert entry is not None
    assert [(found.name, found.port, found.protocol) for found in entry.ports] == [("http", expected, "TCP")]


def test_a_hostname_is_told_where_the_pod_names_the_service_as_its_subdomain() -> None:
    one = pod(1)
    named = replace(one, spec=replace(one.spec, hostname="db-0", subdomain="web"))
    entry, elsewhere = placed(stored(), named), placed(stored(), replace(named, spec=replace(named.spec, subdomain="other")))
    assert entry is not None
    assert elsewhere is not None
    assert (entry.endpoint.hostname, elsewhere.endpoint.hostname) == ("db-0", "")
