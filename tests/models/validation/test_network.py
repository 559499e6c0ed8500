"""Services and EndpointSlices that break a rule are refused in Kubernetes' own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import replace

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {%s}}"
_LOCAL_BALANCER = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
HEALTH = f"spec.healthCheckNodePort: Invalid value: 31000: {_LOCAL_BALANCER}"
SERVICES = [
    ("ports: [{port: 80}]", []),
    ("selector: {a: b}", ["spec.ports: Required value"]),
    ("clusterIP: None", []),
    ("type: ExternalName, externalName: a.example", []),
    ("type: ExternalName", ["spec.externalName: Required value"]),
    (
        "type: Odd, ports: [{port: 80}]",
        ['spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
    ),
    ("ports: [{port: 80}, {port: 81, name: b}]", ["spec.ports[0].name: Required value"]),
    ("ports: [{port: 80, name: a}, {port: 81, name: a}]", ['spec.ports[1].name: Duplicate value: "a"']),
    ("ports: [{port: 80, name: a}, {port: 80, name: b}]", ['spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}']),
    ("ports: [{port: 80, name: a}, {port: 80, name: b, protocol: UDP}]", []),
    (
        "ports: [{port: 0}]",
        [f"spec.ports[0].{field}: Invalid value: 0: must be between 1 and 65535, inclusive" for field in ("port", "targetPort")],
    ),
    ("ports: [{port: 80, nodePort: 30000}]", ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
    ("type: NodePort, ports: [{port: 80, nodePort: 30000}]", []),
    (
        "type: NodePort, ports: [{name: a, port: 80, nodePort: 30000}, {name: b, port: 81, nodePort: 30000}]",
        ['spec.ports[1].nodePort: Duplicate value: {"nodePort":30000,"protocol":"TCP"}'],
    ),
    (
        "externalTrafficPolicy: Local, ports: [{port: 80}]",
        ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
    ),
    ("externalTrafficPolicy: Local, externalIPs: [192.0.2.7], ports: [{port: 80}]", []),
    (
        "type: NodePort, externalTrafficPolicy: Here, ports: [{port: 80}]",
        ['spec.externalTrafficPolicy: Unsupported value: "Here": supported values: "Cluster", "Local"'],
    ),
    (
        "type: NodePort, externalTrafficPolicy: Local, healthCheckNodePort: 31000, ports: [{port: 80}]",
        [HEALTH],
    ),
    (
        "type: NodePort, clusterIP: None, ports: [{port: 80}]",
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ),
    (
        "clusterIP: here, ports: [{port: 80}]",
        ['spec.clusterIPs[0]: Invalid value: "here": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ),
    ("clusterIP: 127.3.128.7, externalIPs: [127.0.0.9], ports: [{port: 80}]", []),
    (
        "sessionAffinity: Often, ports: [{port: 80}]",
        ['spec.sessionAffinity: Unsupported value: "Often": supported values: "ClientIP", "None"'],
    ),
    (
        "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, ports: [{port: 80}]",
        ["spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400"],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), SERVICES)
def test_a_service_is_told_what_is_wrong_with_it(stored: Reader, problems: Checker, fields: str, expected: list[str]) -> None:
    assert problems(stored(SERVICE % fields)) == expected


def test_the_name_of_a_service_begins_with_a_letter(stored: Reader, problems: Checker) -> None:
    (problem,) = problems(stored((SERVICE % "ports: [{port: 1}]").replace("name: web", "name: 1web")))
    assert problem.startswith('metadata.name: Invalid value: "1web": a DNS-1035 label must consist of lower case alphanumeric characters')


def test_an_address_once_given_stays(stored: Reader, problems: Checker) -> None:
    old = stored(SERVICE % "clusterIP: 10.96.0.7, ports: [{port: 80}]")
    other = stored(SERVICE % "clusterIP: 10.96.0.8, ports: [{port: 80}]")
    assert problems(other, old) == ['spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set']
    without = stored(SERVICE % "ports: [{port: 80}]")
    assert problems(without, old) == ['spec.clusterIP: Invalid value: "": field is immutable']
    assert problems(stored(SERVICE % "type: ExternalName, externalName: a.example"), old) == []


SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-x, namespace: default}}
addressType: {type_}
endpoints: [{{addresses: [{addresses}]}}]
ports: [{ports}]
"""


def endpoints(type_: str = "IPv4", addresses: str = "10.0.0.1", ports: str = "{port: 80}") -> str:
    return SLICE.format(type_=type_, addresses=addresses, ports=ports)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"addresses": "127.3.0.5"}, []),
        ({"addresses": ""}, ["endpoints[0].addresses: Required value: must contain at least 1 address"]),
        ({"addresses": "'::1'"}, ['endpoints[0].addresses[0]: Invalid value: "::1": must be an IPv4 address']),
        (
            {"addresses": "0.0.0.0"},
            ['endpoints[0].addresses[0]: Invalid value: "0.0.0.0": may not be unspecified, link-local or multicast'],
        ),
        ({"type_": "IP"}, ['addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"']),
        ({"type_": "FQDN", "addresses": "a.example"}, []),
        ({"ports": "{port: 1, name: a}, {port: 2, name: a}"}, ['ports[1].name: Duplicate value: "a"']),
    ],
)
def test_an_endpointslice_is_told_what_is_wrong_with_it(
    stored: Reader, problems: Checker, change: dict[str, str], expected: list[str]
) -> None:
    assert problems(stored(endpoints(**change))) == expected


def test_an_endpointslice_keeps_its_type_and_its_size_is_bounded(stored: Reader, problems: Checker) -> None:
    obj = stored(endpoints())
    assert problems(replace(obj, address_type="IPv6", endpoints=()), obj) == ['addressType: Invalid value: "IPv6": field is immutable']
    assert problems(replace(obj, endpoints=obj.endpoints * 1001)) == ["endpoints: Too many: 1001: must have at most 1000 items"]
