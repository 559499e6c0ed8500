"""Who says an Event: the names that Kubernetes' own components give themselves there, for the processes of a cluster.

Sources: kubernetes pkg/controller/*/ (NewRecorder's component names), pkg/kubelet, kube-scheduler's default profile.
"""

from __future__ import annotations

_KNOWN = {
    "scheduler": "default-scheduler",
    "controller/deployment": "deployment-controller",
    "controller/replicaset": "replicaset-controller",
    "controller/statefulset": "statefulset-controller",
    "controller/daemonset": "daemonset-controller",
    "controller/job": "job-controller",
    "controller/cronjob": "cronjob-controller",
    "controller/endpointslice": "endpoint-slice-controller",
    "controller/nodelifecycle": "node-controller",
    "controller/garbagecollector": "garbage-collector-controller",
    "controller/namespace": "namespace-controller",
    "controller/resourcequota": "resourcequota-controller",
    "ingress": "ingress-controller",
    "controller/disruption": "controllermanager",
}
_ON_NODES = {"kubelet": "kubelet", "proxy": "kube-proxy"}


def event_source(process: str) -> tuple[str, str]:
    """The component and the host that an Event of this process names: `kubelet/node-1` is ("kubelet", "node-1").

    Copies of a controller are one component. A user's controller has its own name.
    """
    name, dash, copy = process.rpartition("-")
    known = _KNOWN.get(process) or (_KNOWN.get(name) if dash and copy.isdigit() else None)
    if known is not None:
        return known, ""
    kind, _slash, rest = process.partition("/")
    if kind in _ON_NODES:
        return _ON_NODES[kind], rest
    return (rest if kind == "controller" and rest else process), ""
