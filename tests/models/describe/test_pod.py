"""The description of a pod and of its Events, by the layout and words of kubectl pkg/describe/describe.go."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from callboard.models.decode import from_dict
from callboard.models.describe import Related, event_rows
from callboard.models.describe.containers import probe_text
from callboard.models.look import Look
from callboard.models.times import rfc3339
from tests.models.describe.kit import NOW_S, SCHEME, holds, lines_of, squeezed, stored

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {tier: front, app: web}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"secret": 1}', note: hello}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: u, controller: true}]
spec:
  priority: 0
  serviceAccountName: default
  nodeName: n1
  nodeSelector: {disk: ssd}
  tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  - {operator: Exists}
  - {key: dedicated, value: db, effect: NoSchedule}
  initContainers: [{name: prepare, image: busybox, command: [sh, -c, "one\\ntwo"]}]
  containers:
  - name: app
    image: app:1
    ports: [{name: http, containerPort: 8080, protocol: TCP}, {containerPort: 9090, protocol: UDP}]
    resources: {limits: {cpu: 1000m, memory: 256Mi}, requests: {cpu: 250m}}
    livenessProbe:
      {httpGet: {path: /healthz, port: 8080, scheme: HTTP}, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3}
    env:
    - {name: PLAIN, value: x}
    - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: api}}}
    - {name: MODE, valueFrom: {configMapKeyRef: {name: conf, key: mode, optional: true}}}
    - {name: WHO, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}
    - {name: APP, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: "metadata.labels['app']"}}}
    - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    envFrom: [{configMapRef: {name: conf}, prefix: C_}, {secretRef: {name: keys, optional: true}}]
    volumeMounts: [{name: data, mountPath: /data, subPath: a}, {name: conf, mountPath: /conf, readOnly: true}]
  volumes:
  - {name: data, emptyDir: {sizeLimit: 1Gi}}
  - {name: conf, configMap: {name: conf}}
  - {name: keys, secret: {secretName: keys, optional: true}}
status:
  phase: Running
  qosClass: Burstable
  hostIP: 10.0.0.1
  podIP: 10.1.0.7
  podIPs: [{ip: 10.1.0.7}]
  startTime: "2027-01-15T07:00:00Z"
  conditions: [{type: Ready, status: "False"}]
  initContainerStatuses:
  - {name: prepare, image: busybox, imageID: i, ready: true, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed,
     startedAt: "2027-01-15T07:00:00Z", finishedAt: "2027-01-15T07:00:05Z"}}}
  containerStatuses:
  - name: app
    image: app:1
    imageID: app@1
    containerID: sim://1
    ready: false
    restartCount: 3
    state: {waiting: {reason: CrashLoopBackOff}}
    lastState:
      terminated:
        {exitCode: 137, signal: 9, reason: OOMKilled, startedAt: "2027-01-15T07:30:00Z", finishedAt: "2027-01-15T07:31:00Z"}
"""

POD_PARTS = {
    "head": """
Name:             web
Namespace:        shop
Priority:         0
Service Account:  default
Node:             n1/10.0.0.1
Start Time:       Fri, 15 Jan 2027 07:00:00 +0000
Labels:           app=web
                  tier=front
Annotations:      note: hello
Status:           Running
IP:               10.1.0.7
IPs:
  IP:           10.1.0.7
Controlled By:  ReplicaSet/web-1
""",
    "an init container that is done": """
Init Containers:
  prepare:
    Container ID:
    Image:         busybox
    Image ID:      i
    Port:          <none>
    Host Port:     <none>
    Command:
      sh
      -c
      one
      two
    State:          Terminated
      Reason:       Completed
      Exit Code:    0
      Started:      Fri, 15 Jan 2027 07:00:00 +0000
      Finished:     Fri, 15 Jan 2027 07:00:05 +0000
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:         <none>
""",
    "a container in a crash loop": """
Containers:
  app:
    Container ID:   sim://1
    Image:          app:1
    Image ID:       app@1
    Ports:          8080/TCP (http), 9090/UDP
    Host Ports:     0/TCP (http), 0/UDP
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Signal:       9
      Started:      Fri, 15 Jan 2027 07:30:00 +0000
      Finished:     Fri, 15 Jan 2027 07:31:00 +0000
    Ready:          False
    Restart Count:  3
    Limits:
      cpu:     1
      memory:  256Mi
    Requests:
      cpu:     250m
    Liveness:  http-get http://:8080/healthz delay=0s timeout=1s period=10s #success=1 #failure=3
    Environment Variables from:
      conf  ConfigMap with prefix 'C_'  Optional: false
      keys  Secret                      Optional: true
    Environment:
      PLAIN:  x
      KEY:    <set to the key 'api' in secret 'keys'>           Optional: false
      MODE:   <set to the key 'mode' of config map 'conf'>      Optional: true
      WHO:    web (v1:metadata.name)
      APP:    web (v1:metadata.labels['app'])
      CPUS:   1 (limits.cpu)
    Mounts:
      /conf from conf (ro)
      /data from data (rw,path="a")
Conditions:
  Type    Status
  Ready   False
""",
    "its volumes and where it may go": """
Volumes:
  data:
    Type:       EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:
    SizeLimit:  1Gi
  conf:
    Type:      ConfigMap (a volume populated by a ConfigMap)
    Name:      conf
    Optional:  false
  keys:
    Type:        Secret (a volume populated by a Secret)
    SecretName:  keys
    Optional:    true
QoS Class:       Burstable
Node-Selectors:  disk=ssd
Tolerations:     op=Exists
                 dedicated=db:NoSchedule
                 node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
Events:          <none>
""",
}


@pytest.mark.parametrize("part", POD_PARTS)
def test_a_pod_is_described_as_kubectl_does(part: str) -> None:
    lines = lines_of(stored(POD))
    assert holds(squeezed(lines), "\n".join(squeezed(POD_PARTS[part].splitlines())))
    if part in ("head", "its volumes and where it may go"):
        assert holds(lines, POD_PARTS[part]), "\n".join(lines)


def test_a_pod_that_goes_says_for_how_long_and_how_long_it_may() -> None:
    tree = yaml.safe_load(POD)
    tree["metadata"] |= {"deletionTimestamp": rfc3339(NOW_S - 10), "deletionGracePeriodSeconds": 30}
    lines = lines_of(from_dict(tree, SCHEME))
    assert any(line.split("  ")[-1].strip() == "Terminating (lasts 10s)" for line in lines)
    assert any(line.startswith("Termination Grace Period:") and line.endswith("30s") for line in lines)


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        ({"httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"}}, "http-get http://:8080/"),
        ({"httpGet": {"port": "web", "scheme": "HTTPS", "host": "a"}}, "http-get https://a:web"),
        ({"exec": {"command": ["cat", "/x"]}}, "exec [cat /x]"),
        ({"tcpSocket": {"port": 53}}, "tcp-socket :53"),
        ({"grpc": {"port": 9, "service": "s"}}, "grpc <pod>:9 s"),
        ({}, "unknown"),
    ],
)
def test_a_probe_is_one_line_as_describe_probe_writes_it(probe: dict[str, Any], text: str) -> None:
    timings = {"initialDelaySeconds": 1, "timeoutSeconds": 2, "periodSeconds": 3, "successThreshold": 4, "failureThreshold": 5}
    assert probe_text(Look({**probe, **timings})) == f"{text} delay=1s timeout=2s period=3s #success=4 #failure=5"


def event(reason: str, ago_s: float, **more: Any) -> Any:
    """An Event that happened last so long ago."""
    moment = rfc3339(NOW_S - ago_s)
    tree = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"e-{reason}", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "web"},
        "type": "Normal",
        "reason": reason,
        "message": f"{reason}!\n",
        "source": {"component": "kubelet"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
    return from_dict({**tree, **more}, SCHEME)


def test_events_come_last_the_newest_at_the_end_repeated_ones_with_their_count() -> None:
    again = event("Again", 5, count=7, firstTimestamp=rfc3339(NOW_S - 300), type="Warning")
    part = event("Part", 20, involvedObject={"kind": "Pod", "name": "web", "fieldPath": "spec.containers{app}"})
    lines = lines_of(stored(POD), Related(events=(again, event("First", 60), part)))
    assert holds(
        lines,
        """
Events:
  Type     Reason  Age              From     Message
  ----     ------  ----             ----     -------
  Normal   First   60s              kubelet  First!
  Normal   Part    20s              kubelet  spec.containers{app}: Part!
  Warning  Again   5s (x7 over 5m)  kubelet  Again!
""",
    ), "\n".join(lines)


def test_who_did_not_look_for_events_says_nothing_of_them() -> None:
    assert not any(line.startswith("Events") for line in lines_of(stored(POD), Related()))


def test_lines_of_events_name_the_object_and_cut_long_messages_at_their_first_line() -> None:
    two = event("Two", 20, message="one\ntwo")
    assert event_rows([two], NOW_S, with_namespace=True) == [
        ("NAMESPACE", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"),
        ("shop", "20s", "Normal", "Two", "Pod/web", "one..."),
    ]
