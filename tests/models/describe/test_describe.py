"""Descriptions of all kinds but pods, by the layout and words of kubectl pkg/describe/describe.go; and that no object breaks them or
gives a secret away."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.models.decode import from_dict
from callboard.models.describe import Related, describe_object
from callboard.models.describe.generic import title_of
from callboard.models.times import rfc3339
from tests.models.describe.kit import NO_EVENTS, NOW_S, SCHEME, holds, lines_of, squeezed, stored
from tests.models.test_round_trips import full, trees


def test_a_node_tells_what_its_pods_take_of_it() -> None:
    node = stored("""
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {node-role.kubernetes.io/worker: ""}}
spec: {unschedulable: true, taints: [{key: b, effect: NoSchedule}, {key: a, value: x, effect: NoExecute}], podCIDR: 10.1.0.0/24}
status:
  capacity: {cpu: "4", memory: 8Gi, pods: "110", example.com/gpu: "2"}
  allocatable: {cpu: "2", memory: 4Gi, pods: "110", example.com/gpu: "2"}
  conditions: [{type: Ready, status: "True", reason: KubeletReady, message: fine}]
""")
    pods = tuple(
        stored(f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, creationTimestamp: "{rfc3339(NOW_S - 90)}"}}
spec:
  initContainers: [{{name: i, image: i, resources: {{requests: {{memory: 1Gi}}}}}}]
  containers: [{{name: c, image: i, resources: {{requests: {{cpu: 250m}}, limits: {{cpu: "1", example.com/gpu: "1"}}}}}}]
""")
        for name in ("a", "b")
    )
    lease = stored("{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: n1}, spec: {holderIdentity: n1}}")
    lines = lines_of(node, Related(events=(), pods=pods, lease=lease))
    words = squeezed(lines)
    for wanted in (
        "Roles: worker",
        "Unschedulable: true",
        "HolderIdentity: n1",
        "RenewTime: <unset>",
        "PodCIDR: 10.1.0.0/24",
        "Non-terminated Pods: (2 in total)",
        "shop a 250m (12%) 1 (50%) 1Gi (25%) 0 (0%) 90s",
        "cpu 500m (25%) 2 (100%)",
        "memory 2Gi (50%) 0 (0%)",
        "ephemeral-storage 0 (0%) 0 (0%)",
        "example.com/gpu 0 2",
    ):
        assert wanted in words, f"{wanted}\n" + "\n".join(lines)
    assert holds(words, "Taints: a=x:NoExecute\nb:NoSchedule")


def test_a_deployment_names_its_old_and_new_replica_sets() -> None:
    template = "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: VERSION}]}}"
    deployment = stored(f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
spec:
  replicas: 3
  minReadySeconds: 5
  selector: {{matchLabels: {{app: web}}}}
  strategy: {{type: RollingUpdate, rollingUpdate: {{maxSurge: 1, maxUnavailable: 25%}}}}
  {template.replace("VERSION", "two")}
status:
  replicas: 4
  updatedReplicas: 1
  availableReplicas: 3
  unavailableReplicas: 1
  conditions: [{{type: Available, status: "True", reason: M}}]
""")

    def replica_set(name: str, version: str, owner: str, made: int) -> Any:
        return stored(f"""
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: {name}
  namespace: shop
  ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: web, uid: {owner}, controller: true}}]
spec: {{replicas: {made}, selector: {{matchLabels: {{app: web}}}}, {template.replace("VERSION", version)}}}
status: {{replicas: {made}}}
""")

    sets = (replica_set("web-1", "one", "d", 3), replica_set("web-2", "two", "d", 1), replica_set("foreign", "two", "e", 9))
    words = squeezed(lines_of(deployment, Related(events=(), replica_sets=sets)))
    for wanted in (
        "Replicas: 3 desired | 1 updated | 4 total | 3 available | 1 unavailable",
        "StrategyType: RollingUpdate",
        "MinReadySeconds: 5",
        "RollingUpdateStrategy: 25% max unavailable, 1 max surge",
        "Available True M",
        "OldReplicaSets: web-1 (3/3 replicas created)",
        "NewReplicaSet: web-2 (1/1 replicas created)",
    ):
        assert wanted in words, wanted


def test_a_replica_set_counts_the_phases_of_its_own_pods() -> None:
    replica_set = stored("""
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: r, uid: r}
spec: {replicas: 3, selector: {matchLabels: {a: b}}}
status: {replicas: 2}
""")

    def pod(owner: str, phase: str) -> Any:
        owners = f"[{{apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: {owner}, controller: true}}]"
        return stored(f"{{apiVersion: v1, kind: Pod, metadata: {{name: p, ownerReferences: {owners}}}, status: {{phase: {phase}}}}}")

    lines = lines_of(replica_set, Related(pods=(pod("r", "Running"), pod("r", "Pending"), pod("other", "Running"), pod("r", "Failed"))))
    assert "Pods Status:  1 Running / 1 Waiting / 0 Succeeded / 1 Failed" in lines
    assert "Replicas:     2 current / 3 desired" in lines


def test_stateful_and_daemon_sets_count_their_pods() -> None:
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: p, ownerReferences: [OWNER]}, status: {phase: Running}}"
    stateful = stored("""
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, uid: db}
spec:
  replicas: 2
  serviceName: db
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}}
  selector: {matchLabels: {app: db}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}}]
status: {replicas: 1}
""")
    own = stored(pod.replace("OWNER", "{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: db, controller: true}"))
    words = squeezed(lines_of(stateful, Related(pods=(own,))))
    assert holds(words, "Service Name: db\nReplicas: 2 desired | 1 total\nUpdate Strategy: RollingUpdate\nPartition: 1")
    assert holds(words, "Pods Status: 1 Running / 0 Waiting / 0 Succeeded / 0 Failed\nPod Template:\n<unset>")
    assert holds(words, "Volume Claims:\nName: data\nStorageClass:\nCapacity: 1Gi\nAccess Modes: [ReadWriteOnce]")
    daemon = stored("{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d, uid: d}, status: {desiredNumberScheduled: 3}}")
    assert "Desired Number of Nodes Scheduled: 3" in lines_of(daemon, Related(pods=(own,)))
    assert "Pods Status: 0 Running / 0 Waiting / 0 Succeeded / 0 Failed" in squeezed(lines_of(daemon, Related(pods=(own,))))


def test_endpoints_show_who_is_not_ready() -> None:
    found = stored("""
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], notReadyAddresses: [{ip: 10.0.0.3}], ports: [{port: 80, protocol: TCP}]}]
""")
    assert holds(
        squeezed(lines_of(found)),
        "Addresses: 10.0.0.1,10.0.0.2\nNotReadyAddresses: 10.0.0.3\nPorts:\nName Port Protocol\n---- ---- --------\n<unset> 80 TCP",
    )


SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints:
- {addresses: [10.0.0.1], conditions: {ready: true}, nodeName: n1, targetRef: {kind: Pod, name: a}}
- {addresses: [10.0.0.2], conditions: {ready: false}}
- {addresses: [10.0.0.3]}
- {addresses: [10.0.0.4]}
- {addresses: [10.0.0.5]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: NodePort
  selector: {app: web}
  clusterIP: 10.9.0.1
  clusterIPs: [10.9.0.1]
  ports: [{name: http, port: 80, targetPort: web, nodePort: 30080, protocol: TCP}, {name: other, port: 81, targetPort: 9, protocol: TCP}]
  sessionAffinity: None
"""


def test_a_service_shows_the_ready_endpoints_of_each_port() -> None:
    lines = lines_of(stored(SERVICE), Related(events=(), slices=(stored(SLICE),)))
    assert holds(
        lines,
        """
Port:              http  80/TCP
TargetPort:        web/TCP
NodePort:          http  30080/TCP
Endpoints:         10.0.0.1:8080,10.0.0.3:8080,10.0.0.4:8080 + 1 more...
Port:              other  81/TCP
TargetPort:        9/TCP
Endpoints:
Session Affinity:  None
""",
    ), "\n".join(lines)


def test_a_slice_shows_the_conditions_of_each_endpoint() -> None:
    words = squeezed(lines_of(stored(SLICE)))
    assert holds(words, "- Addresses: 10.0.0.1\nConditions:\nReady: true\nHostname: <unset>\nTargetRef: Pod/a\nNodeName: n1\nZone: <unset>")
    assert holds(words, "- Addresses: 10.0.0.3\nConditions:\nReady: <unset>")


def test_an_ingress_shows_what_is_behind_each_path() -> None:
    ingress = stored("""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: shop}
spec:
  tls: [{hosts: [a.example], secretName: cert}]
  rules:
  - host: a.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /no, pathType: Prefix, backend: {service: {name: none, port: {name: http}}}}
""")
    words = squeezed(lines_of(ingress, Related(services=(stored(SERVICE),), slices=(stored(SLICE),))))
    assert "cert terminates a.example" in words
    assert "/ web:80 (10.0.0.1:8080,10.0.0.3:8080,10.0.0.4:8080 + 1 more...)" in words
    assert '/no none:http (<error: services "none" not found>)' in words
    assert "Default backend: <default>" in words


def test_a_config_map_shows_its_text_and_the_size_of_its_bytes() -> None:
    found = stored("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {b: two, a: 'one\tx\nmore'}, binaryData: {z: eHl6}}")
    text = describe_object(found, NO_EVENTS, NOW_S)
    assert "\nData\n====\na:\n----\none" in text
    assert text.index("\na:\n") < text.index("\nb:\n----\ntwo\n")
    assert "BinaryData\n====\nz: 3 bytes\n" in text


def test_a_namespace_shows_its_quotas_and_limits() -> None:
    namespace = stored("{apiVersion: v1, kind: Namespace, metadata: {name: shop}, status: {phase: Active}}")
    quota = stored("""
{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {scopes: [BestEffort]}, status: {hard: {pods: "9"}, used: {pods: "2"}}}
""")
    limits = stored("""
{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, max: {cpu: 1000m}, default: {cpu: 500m}}]}}
""")
    words = squeezed(lines_of(namespace, Related(quotas=(quota,), limits=(limits,))))
    assert holds(words, "Resource Quotas\nName: q\nScopes: BestEffort")
    assert holds(words, "Resource Used Hard\n-------- --- ---\npods 2 9")
    assert "Container cpu - 1 - 500m -" in words
    assert holds(squeezed(lines_of(namespace)), "No resource quota.\n\nNo LimitRange resource.")


def test_an_object_of_any_kind_is_a_tree_of_titles() -> None:
    sea = SCHEME.with_definition(
        stored("""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.sea.io}
spec: {group: sea.io, scope: Namespaced, names: {plural: boats, kind: Boat}, versions: [{name: v1, served: true, storage: true}]}
""")
    )
    boat = {
        "apiVersion": "sea.io/v1",
        "kind": "Boat",
        "metadata": {"name": "a", "namespace": "n", "managedFields": [{"manager": "x"}]},
        "spec": {"mainSail": True, "crew": ["x", {"firstName": "y"}], "baseURL": "u"},
    }
    lines = lines_of(from_dict(boat, sea))
    assert holds(
        lines,
        """
Name:         a
Namespace:    n
Labels:       <none>
Annotations:  <none>
API Version:  sea.io/v1
Kind:         Boat
Metadata:
Spec:
  Base URL:  u
  Crew:
    x
    First Name:  y
  Main Sail:     true
Events:          <none>
""",
    ), "\n".join(lines)


@pytest.mark.parametrize(
    ("field", "title"),
    [("observedGeneration", "Observed Generation"), ("uid", "UID"), ("apiVersion", "API Version"), ("my_field", "my_field"), ("a1", "a1")],
)
def test_titles_of_fields(field: str, title: str) -> None:
    assert title_of(field) == title


# -- nothing breaks a description, and no secret leaves it ---------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_every_object_can_be_described(data: st.DataObject) -> None:
    resource = data.draw(st.sampled_from(SCHEME.resources))
    obj = from_dict(full(data.draw(trees(resource.definition)), resource), SCHEME, strict=False)
    text = describe_object(obj, Related(events=(obj,), pods=(obj,), slices=(obj,), lease=obj, quotas=(obj,), limits=(obj,)), NOW_S)
    assert text.startswith("Name:")


def test_a_terminal_obeys_nothing_in_a_description() -> None:
    found = stored('{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: "x\\e[31m\\ry\\u009b"}}')
    assert "x^[[31m\\ry\\x9b\n" in describe_object(found, NO_EVENTS, NOW_S)


PARTS = st.dictionaries(st.sampled_from(["tls.crt", "token", "password", "a"]), st.binary(min_size=12, max_size=40), max_size=3)


@settings(max_examples=60, deadline=None)
@given(parts=PARTS, sort=st.sampled_from(["Opaque", "kubernetes.io/service-account-token", "kubernetes.io/tls"]))
def test_of_a_secret_only_sizes_are_told(parts: dict[str, bytes], sort: str) -> None:
    encoded = {key: base64.b64encode(value).decode() for key, value in parts.items()}
    applied = {"kubectl.kubernetes.io/last-applied-configuration": str(encoded)}
    tree = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": applied}, "type": sort, "data": encoded}
    text = describe_object(from_dict(tree, SCHEME), NO_EVENTS, NOW_S)
    for key, value in parts.items():
        assert encoded[key] not in text
        assert value.decode("latin-1") not in text
        assert f"{key}:" in text
        assert f"{len(value)} bytes" in text
