"""A pod that breaks a rule is refused in Kubernetes' own words, at the place where it breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: default}}
spec:
  {spec}
  containers: [{{name: web, image: nginx, {container}}}]
"""


START = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}, spec:"


def pod(container: str = "", spec: str = "") -> str:
    return POD.format(container=container, spec=spec)


def test_a_good_pod_has_no_problem(stored: Reader, problems: Checker) -> None:
    text = pod(
        "ports: [{containerPort: 80, name: http}], env: [{name: A, value: b}], volumeMounts: [{name: v, mountPath: /v}], "
        "readinessProbe: {httpGet: {port: http}}, resources: {requests: {cpu: 1}, limits: {cpu: 1}}",
        "volumes: [{name: v, emptyDir: {}}]",
    )
    assert problems(stored(text)) == []


def test_a_pod_needs_a_container(stored: Reader, problems: Checker) -> None:
    obj = stored("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}, spec: {containers: []}}")
    assert problems(obj) == ["spec.containers: Required value"]


C = "spec.containers[0]"
PORT_RANGE = "must be between 1 and 65535, inclusive"
CONTAINERS = [
    ("ports: [{containerPort: 0}]", [f"{C}.ports[0].containerPort: Required value"]),
    ("ports: [{containerPort: 70000}]", [f"{C}.ports[0].containerPort: Invalid value: 70000: {PORT_RANGE}"]),
    ("ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]", [f'{C}.ports[1].name: Duplicate value: "a"']),
    (
        "ports: [{containerPort: 1, protocol: tcp}]",
        [f'{C}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'],
    ),
    (
        "ports: [{containerPort: 1, name: Web--x}]",
        [
            f'{C}.ports[0].name: Invalid value: "Web--x": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
            f'{C}.ports[0].name: Invalid value: "Web--x": must not contain consecutive hyphens',
        ],
    ),
    ("env: [{value: a}]", [f"{C}.env[0].name: Required value"]),
    (
        "env: [{name: A=B}]",
        [
            (
                f'{C}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII '
                "characters other than '='"
            )
        ],
    ),
    (
        "env: [{name: A, value: b, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
        [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    ("env: [{name: A, valueFrom: {configMapKeyRef: {name: c}}}]", [f"{C}.env[0].valueFrom.configMapKeyRef.key: Required value"]),
    ("volumeMounts: [{name: x, mountPath: /x}]", [f'{C}.volumeMounts[0].name: Not found: "x"']),
    (
        "imagePullPolicy: Sometimes",
        [f'{C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'],
    ),
    (
        "resources: {requests: {cpu: 2}, limits: {cpu: 1}}",
        [f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    (
        "resources: {requests: {memory: -1Mi}}",
        [f'{C}.resources.requests[memory]: Invalid value: "-1Mi": must be greater than or equal to 0'],
    ),
    ("livenessProbe: {periodSeconds: 1}", [f"{C}.livenessProbe: Required value: must specify a handler type"]),
    (
        "livenessProbe: {tcpSocket: {port: 1}, exec: {command: [a]}}",
        [f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    (
        "livenessProbe: {tcpSocket: {port: 0}, initialDelaySeconds: -1, successThreshold: 2}",
        [
            f"{C}.livenessProbe.tcpSocket.port: Invalid value: 0: {PORT_RANGE}",
            f"{C}.livenessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0",
            f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    ),
    ("readinessProbe: {exec: {command: [a]}, successThreshold: 2}", []),
    (
        "readinessProbe: {httpGet: {port: 1, scheme: FTP}}",
        [f'{C}.readinessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"'],
    ),
    (
        "lifecycle: {preStop: {sleep: {seconds: 31}}}",
        [f"{C}.lifecycle.preStop.sleep.seconds: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)"],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), CONTAINERS)
def test_a_container_is_told_what_is_wrong_with_it(stored: Reader, problems: Checker, fields: str, expected: list[str]) -> None:
    assert problems(stored(pod(fields))) == expected


LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
    "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SPECS = [
    ("restartPolicy: Sometimes", ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"']),
    ("terminationGracePeriodSeconds: -1", ["spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"]),
    ("activeDeadlineSeconds: 0", ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"]),
    ("hostname: a.b", ['spec.hostname: Invalid value: "a.b": must not contain dots']),
    ("volumes: [{name: V, emptyDir: {}}]", [f'spec.volumes[0].name: Invalid value: "V": {LABEL}']),
    ("volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]", ['spec.volumes[1].name: Duplicate value: "v"']),
    (
        "volumes: [{name: v, emptyDir: {}, secret: {secretName: s}}]",
        ["spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type"],
    ),
    ("volumes: [{name: v, configMap: {}}]", ["spec.volumes[0].configMap.name: Required value"]),
    (
        "volumes: [{name: v, configMap: {name: c, items: [{key: k, path: ../x}]}}]",
        ["spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"],
    ),
    ("volumes: [{name: v, hostPath: {path: a/../b}}]", ["spec.volumes[0].hostPath.path: Invalid value: \"a/../b\": must not contain '..'"]),
    (
        "initContainers: [{name: i, image: a, livenessProbe: {exec: {command: [a]}}}]",
        ["spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"],
    ),
    ("initContainers: [{name: i, image: a, restartPolicy: Always, livenessProbe: {exec: {command: [a]}}}]", []),
    ("initContainers: [{name: web, image: a}]", ['spec.initContainers[0].name: Duplicate value: "web"']),
    (
        "tolerations: [{operator: Equal, value: a}]",
        [
            (
                'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means '
                '"match all values and all keys"'
            )
        ],
    ),
    (
        "tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 1}]",
        ["spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set"],
    ),
    (
        "topologySpreadConstraints: [{maxSkew: 0, topologyKey: '', whenUnsatisfiable: No}]",
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            (
                'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "No": supported values: "DoNotSchedule", '
                '"ScheduleAnyway"'
            ),
        ],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), SPECS)
def test_a_spec_is_told_what_is_wrong_with_it(stored: Reader, problems: Checker, fields: str, expected: list[str]) -> None:
    assert problems(stored(pod(spec=fields.replace("whenUnsatisfiable: No", "whenUnsatisfiable: 'No'")))) == expected


def test_one_place_can_be_mounted_once_only(stored: Reader, problems: Checker) -> None:
    text = pod("volumeMounts: [{name: v, mountPath: /v}, {name: v, mountPath: /v}]", "volumes: [{name: v, emptyDir: {}}]")
    assert problems(stored(text)) == [f'{C}.volumeMounts[1].mountPath: Invalid value: "/v": must be unique']


def test_a_name_that_is_used_twice_is_found(stored: Reader, problems: Checker) -> None:
    obj = stored(f"{START} {{containers: [{{name: a, image: x}}, {{name: a, image: y}}]}}}}")
    assert problems(obj) == ['spec.containers[1].name: Duplicate value: "a"']


def test_an_image_is_needed(stored: Reader, problems: Checker) -> None:
    obj = stored("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}, spec: {containers: [{name: a}]}}")
    assert problems(obj) == ["spec.containers[0].image: Required value"]
