"""Defaults are Kubernetes' own, in the place where Kubernetes puts them, and are never added twice."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import FrozenMap, replace
from callboard.models.defaults import for_pod, with_defaults
from callboard.models.defaults.images import pull_policy

Reader = Callable[[str], Any]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec:
  containers:
    - name: web
      image: nginx
      ports: [{containerPort: 80}]
      livenessProbe: {httpGet: {port: 80}}
      readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 3}
      lifecycle: {preStop: {httpGet: {port: 80}}}
      env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
      resources: {limits: {cpu: 500m, memory: 64Mi}, requests: {cpu: 100m}}
  volumes:
    - {name: nothing}
    - {name: config, configMap: {name: c}}
    - {name: secret, secret: {secretName: s, defaultMode: 256}}
    - name: all
      projected: {sources: [{serviceAccountToken: {path: t}}, {downwardAPI: {items: [{path: n, fieldRef: {fieldPath: metadata.name}}]}}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1.25", resources: {limits: {cpu: 1}}}]
"""


def test_the_table_of_defaults_is_matched(stored: Reader) -> None:
    pod, deployment = stored(POD).spec, stored(DEPLOYMENT).spec
    probe = pod.containers[0].liveness_probe
    assert (probe.period_seconds, probe.timeout_seconds, probe.failure_threshold, probe.success_threshold) == (10, 1, 3, 1)
    assert pod.termination_grace_period_seconds == 30
    rolling = deployment.strategy.rolling_update
    assert (deployment.strategy.type, rolling.max_surge, rolling.max_unavailable) == ("RollingUpdate", "25%", "25%")
    assert (deployment.revision_history_limit, deployment.progress_deadline_seconds, deployment.replicas) == (10, 600, 1)


def test_a_pod_gets_its_defaults_at_every_depth(stored: Reader) -> None:
    spec = stored(POD).spec
    assert (spec.dns_policy, spec.restart_policy, spec.scheduler_name) == ("ClusterFirst", "Always", "default-scheduler")
    assert spec.enable_service_links is True
    assert spec.security_context is not None
    container = spec.containers[0]
    assert container.image_pull_policy == "Always"
    assert (container.termination_message_path, container.termination_message_policy) == ("/dev/termination-log", "File")
    assert container.ports[0].protocol == "TCP"
    assert (container.liveness_probe.http_get.path, container.liveness_probe.http_get.scheme) == ("/", "HTTP")
    assert (container.readiness_probe.period_seconds, container.readiness_probe.timeout_seconds) == (3, 1)
    assert container.lifecycle.pre_stop.http_get.path == "/"
    assert container.env[0].value_from.field_ref.api_version == "v1"
    nothing, config, secret, everything = spec.volumes
    assert nothing.empty_dir is not None
    assert (config.config_map.default_mode, secret.secret.default_mode, everything.projected.default_mode) == (0o644, 0o400, 0o644)
    token, downward = everything.projected.sources
    assert token.service_account_token.expiration_seconds == 3600
    assert downward.downward_api.items[0].field_ref.api_version == "v1"


def test_requests_come_from_limits_only_where_none_is_written(stored: Reader) -> None:
    assert dict(stored(POD).spec.containers[0].resources.requests) == {"cpu": "100m", "memory": "64Mi"}


def test_a_template_gets_no_requests_from_limits_but_its_pods_do(stored: Reader) -> None:
    spec = stored(DEPLOYMENT).spec.template.spec
    assert spec.dns_policy == "ClusterFirst"
    assert spec.containers[0].resources.requests == {}
    assert spec.enable_service_links is None
    pod = for_pod(spec)
    resources = pod.containers[0].resources
    assert resources is not None
    assert dict(resources.requests) == {"cpu": 1}
    assert pod.enable_service_links is True
    assert for_pod(pod) is pod


def test_on_the_hosts_network_a_port_of_a_container_is_one_of_the_host(read: Reader) -> None:
    pod = read(POD)
    pod = replace(pod, spec=replace(pod.spec, host_network=True))
    assert with_defaults(pod).spec.containers[0].ports[0].host_port == 80


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "a" * 64, "IfNotPresent"),
        ("nginx:latest@sha256:" + "a" * 64, "Always"),
    ],
)
def test_an_image_that_may_move_is_always_pulled(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_both_names_of_the_service_account_are_kept_equal(read: Reader) -> None:
    pod = read("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {serviceAccount: robot, containers: []}}")
    spec = with_defaults(pod).spec
    assert (spec.service_account_name, spec.service_account) == ("robot", "robot")


@pytest.mark.parametrize("strategy", ["{}", "{type: RollingUpdate}", "{rollingUpdate: {}}"])
def test_a_strategy_written_in_part_is_completed(read: Reader, strategy: str) -> None:
    obj = with_defaults(read(DEPLOYMENT + f"  strategy: {strategy}\n"))
    assert obj.spec.strategy.type == "RollingUpdate"
    assert (obj.spec.strategy.rolling_update.max_surge, obj.spec.strategy.rolling_update.max_unavailable) == ("25%", "25%")


def test_a_strategy_keeps_what_is_written(read: Reader) -> None:
    obj = with_defaults(read(DEPLOYMENT + "  strategy: {rollingUpdate: {maxSurge: 0}}\n"))
    assert (obj.spec.strategy.rolling_update.max_surge, obj.spec.strategy.rolling_update.max_unavailable) == (0, "25%")
    recreate = with_defaults(read(DEPLOYMENT + "  strategy: {type: Recreate}\n"))
    assert recreate.spec.strategy.rolling_update is None


def test_zero_replicas_stay_zero(read: Reader) -> None:
    assert with_defaults(read(DEPLOYMENT + "  replicas: 0\n")).spec.replicas == 0


NODE = "{apiVersion: v1, kind: Node, metadata: {name: n}, spec: {podCIDR: 10.0.0.0/24}, status: {capacity: {cpu: 4}}}"
NAMESPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: team}}"
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e}
addressType: IPv4
endpoints: []
ports: [{port: 1}]
"""
SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: %s}"


def test_a_service_gets_its_defaults(read: Reader) -> None:
    spec = with_defaults(read(SERVICE % "{selector: {app: web}, ports: [{port: 80}]}")).spec
    assert (spec.type, spec.session_affinity, spec.internal_traffic_policy) == ("ClusterIP", "None", "Cluster")
    assert (spec.ip_families, spec.ip_family_policy) == (("IPv4",), "SingleStack")
    assert (spec.ports[0].protocol, spec.ports[0].target_port) == ("TCP", 80)
    assert spec.external_traffic_policy == ""


def test_a_service_that_is_reached_from_outside_has_an_external_policy(read: Reader) -> None:
    spec = with_defaults(read(SERVICE % "{type: NodePort, ports: [{port: 80, targetPort: http}]}")).spec
    assert (spec.external_traffic_policy, spec.ports[0].target_port) == ("Cluster", "http")
    balanced = with_defaults(read(SERVICE % "{type: LoadBalancer, ports: [{port: 80}]}")).spec
    assert balanced.allocate_load_balancer_node_ports is True


def test_a_headless_service_says_so_twice(read: Reader) -> None:
    selected = with_defaults(read(SERVICE % "{clusterIP: None, selector: {a: b}}")).spec
    assert (selected.cluster_ips, selected.ip_families) == (("None",), ("IPv4",))
    unselected = with_defaults(read(SERVICE % "{clusterIP: None}")).spec
    assert (unselected.ip_family_policy, unselected.ip_families) == ("RequireDualStack", ("IPv4", "IPv6"))


def test_session_affinity_has_a_time_only_where_it_is_wanted(read: Reader) -> None:
    sticky = with_defaults(read(SERVICE % "{sessionAffinity: ClientIP, ports: [{port: 80}]}")).spec
    assert sticky.session_affinity_config.client_ip.timeout_seconds == 10800
    config = "sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}"
    assert with_defaults(read(SERVICE % f"{{{config}, ports: [{{port: 80}}]}}")).spec.session_affinity_config is None


def test_an_external_name_gets_no_families(read: Reader) -> None:
    spec = with_defaults(read(SERVICE % "{type: ExternalName, externalName: a.example}")).spec
    assert (spec.ip_families, spec.internal_traffic_policy) == ((), "")


def test_text_of_a_secret_becomes_data_and_wins(read: Reader) -> None:
    secret = with_defaults(read("{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: eA==}, stringData: {a: 'ü', b: c}}"))
    assert dict(secret.data) == {"a": b64encode("ü".encode()).decode(), "b": "Yw=="}
    assert (secret.string_data, secret.type) == ({}, "Opaque")


def test_a_namespace_is_active_labelled_and_kept_by_its_finalizer(read: Reader) -> None:
    obj = with_defaults(read(NAMESPACE))
    assert obj.metadata.labels["kubernetes.io/metadata.name"] == "team"
    assert (obj.spec.finalizers, obj.status.phase) == (("kubernetes",), "Active")


def test_a_namespace_that_is_being_deleted_does_not_get_its_finalizer_back(read: Reader) -> None:
    obj = with_defaults(read(NAMESPACE))
    ending = replace(obj, metadata=replace(obj.metadata, deletion_timestamp="2026-01-01T00:00:00Z"), spec=replace(obj.spec, finalizers=()))
    assert with_defaults(ending).spec.finalizers == ()


def test_what_a_node_has_can_be_allocated_unless_it_says_otherwise(read: Reader) -> None:
    node = with_defaults(read(NODE))
    assert node.status.allocatable == FrozenMap(cpu=4)
    assert node.spec.pod_cidrs == ("10.0.0.0/24",)


def test_a_definition_gets_its_other_names(read: Reader) -> None:
    obj = with_defaults(
        read(
            "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: jobs.x.io}, "
            "spec: {group: x.io, names: {plural: jobs, kind: Job}, scope: Cluster, versions: []}}"
        )
    )
    assert (obj.spec.names.singular, obj.spec.names.list_kind, obj.spec.conversion.strategy) == ("job", "JobList", "None")


def test_ports_of_an_endpointslice_speak_tcp(read: Reader) -> None:
    obj = with_defaults(read(SLICE))
    assert obj.ports[0].protocol == "TCP"


@pytest.mark.parametrize("text", [POD, DEPLOYMENT, SERVICE % "{ports: [{port: 80}]}", NAMESPACE])
def test_what_has_its_defaults_comes_back_as_the_very_same_object(read: Reader, text: str) -> None:
    once = with_defaults(read(text))
    assert with_defaults(once) is once


@pytest.mark.parametrize("kind", ["ConfigMap", "ServiceAccount"])
def test_kinds_without_defaults_come_back_as_they_are(read: Reader, kind: str) -> None:
    obj = read(f"{{apiVersion: v1, kind: {kind}, metadata: {{name: a}}}}")
    assert with_defaults(obj) is obj


def test_kinds_that_are_only_stored_come_back_as_they_are(read: Reader) -> None:
    target = "{apiVersion: apps/v1, kind: Deployment, name: a}"
    obj = read(f"{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: a}}, spec: {{scaleTargetRef: {target}}}}}")
    assert with_defaults(obj) is obj
