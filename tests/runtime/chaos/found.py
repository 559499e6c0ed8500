"""Schedules in which the harness found bugs of this project: seed, what was wrong. They stay as they were, written down as plans.

Each has a plain example beside it, in the tests of the component that was mended; `docs/chaos.md` tells the stories.
"""

from __future__ import annotations

from callboard.models.base import freeze
from callboard.runtime.faults.plan import Apply, Change, Evict, Hold, Plan, Remove
from callboard.runtime.faults.vocabulary import ApiServerCrash, ClockJump, Compaction, Partition, ServerGone, WatchDelay, WatchDrop

_LABELS = {"app": "b"}
_POD = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "web:1"}]}
_SPEC = {"replicas": 3, "selector": {"matchLabels": _LABELS}, "template": {"metadata": {"labels": _LABELS}, "spec": _POD}}
_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "b"}, "spec": _SPEC}

_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b"}, "spec": {**_SPEC, "replicas": 1}}
_ALONE = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b", "labels": _LABELS}, "spec": _POD}
_OTHER = {**_ALONE, "metadata": {"name": "a", "labels": _LABELS}}

_PATIENT = {"key": "maintenance", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}
_CRASHING = {"terminationGracePeriodSeconds": 8, "containers": [{"name": "web", "image": "crashing:1"}]}
_TAINTED = {"spec": {"taints": [{"key": "maintenance", "value": "yes", "effect": "NoExecute"}]}}

_TEMPLATE = {"selector": {"matchLabels": _LABELS}, "template": {"metadata": {"labels": _LABELS}, "spec": _POD}}
_STUBBORN = {"terminationGracePeriodSeconds": 8, "containers": [{"name": "web", "image": "stubborn:1"}]}
_LASTING = {"selector": {"matchLabels": _LABELS}, "template": {"metadata": {"labels": _LABELS}, "spec": _STUBBORN}}
_DAEMONS = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "b"}, "spec": _LASTING}
_NAMED = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "b"}, "spec": {"serviceName": "b", **_TEMPLATE}}
_SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}, "spec": {"selector": _LABELS, "ports": [{"port": 80}]}}
_SLOW = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "slow:1"}]}

FOUND: dict[str, Plan] = {
    "a deleted ReplicaSet that its controller has not heard of gets pods as fast as the garbage collector takes them (seed 1)": Plan(
        scenario="replica-sets",
        seed=1,
        nodes=1,
        operations=(Apply(at_s=0.0, tree=freeze(_SET)), Remove(at_s=5.0, resource="replicasets.apps", name="b")),
        faults=(WatchDelay(target="controller/replicaset", resource="replicasets.apps", at_s=4.0, for_s=6.0),),
    ),
    "a deleted Deployment that its controller has not heard of gets ReplicaSets as fast as they are collected (seed 1368)": Plan(
        scenario="rollouts",
        seed=1368,
        nodes=1,
        operations=(Apply(at_s=0.0, tree=freeze(_DEPLOYMENT)), Remove(at_s=5.0, resource="deployments.apps", name="b")),
        faults=(WatchDelay(target="controller/deployment", resource="deployments.apps", at_s=4.0, for_s=6.0),),
    ),
    "a node that was cut off is not Ready before its kubelet's view of it is new, though its lease is renewed (seed 1167)": Plan(
        scenario="places",
        seed=1167,
        nodes=2,
        apiservers=2,
        operations=(Apply(at_s=9.99, tree=freeze(_ALONE)),),
        faults=(Partition(at_s=0.0, for_s=14.0, a="kubelet/*", b="apiserver-*"), ServerGone(at_s=0.1, target="apiserver-1")),
    ),
    "who watched ahead of an apiserver is not told of what had come and gone when that is given a picture of the store (seed 1500)": Plan(
        scenario="places",
        seed=1500,
        nodes=2,
        apiservers=2,
        operations=(
            Apply(at_s=0.0, tree=freeze(_OTHER)),
            Apply(at_s=5.1, tree=freeze(_ALONE)),
            Remove(at_s=12.0, resource="pods", name="b"),
        ),
        faults=(
            Partition(at_s=5.0, for_s=5.0, a="store", b="apiserver-0"),
            ClockJump(at_s=9.0, for_s=0.1, target="control-plane", skew_s=60.0),
            Compaction(at_s=9.0),
        ),
    ),
    "a node that was read with a taint that has gone since does not start the time of a pod that comes to it (seed 1141)": Plan(
        scenario="names",
        seed=1141,
        nodes=1,
        operations=(
            Apply(at_s=0.0, tree=freeze({**_ALONE, "spec": _CRASHING})),
            Change(at_s=3.96, resource="nodes", name="node-1", namespace="", patch=freeze(_TAINTED)),
            Remove(at_s=3.96, resource="pods", name="b"),
            Apply(at_s=4.06, tree=freeze({**_ALONE, "spec": {**_POD, "terminationGracePeriodSeconds": 8, "tolerations": [_PATIENT]}})),
            Change(at_s=4.46, resource="nodes", name="node-1", namespace="", patch=freeze({"spec": {"taints": []}})),
            Change(at_s=9.64, resource="nodes", name="node-1", namespace="", patch=freeze(_TAINTED)),
        ),
        faults=(WatchDrop(at_s=0.1, for_s=2.0, target="controller/nodelifecycle", every=1),),
    ),
    "a deleted DaemonSet that its controller has not heard of gets revisions as fast as they are collected (seed 50107)": Plan(
        scenario="daemons",
        seed=50107,
        nodes=1,
        operations=(Apply(at_s=0.0, tree=freeze(_DAEMONS)), Remove(at_s=5.0, resource="daemonsets.apps", name="b")),
        faults=(WatchDelay(target="controller/daemonset", resource="daemonsets.apps", at_s=4.0, for_s=3.0),),
    ),
    "a deleted StatefulSet that its controller has not heard of gets revisions as fast as they are collected (seed 51798)": Plan(
        scenario="identities",
        seed=51798,
        nodes=1,
        operations=(Apply(at_s=0.0, tree=freeze(_NAMED)), Remove(at_s=5.35, resource="statefulsets.apps", name="b")),
        faults=(
            ApiServerCrash(at_s=2.0, for_s=0.1, target="apiserver-0"),
            Partition(at_s=4.0, for_s=2.0, a="store", b="apiserver-0"),
            ApiServerCrash(at_s=5.55, for_s=3.98, target="apiserver-0"),
        ),
    ),
    "a deleted Service that its controller has not heard of gets slices as fast as they are collected (seed 52703)": Plan(
        scenario="owners",
        seed=52703,
        nodes=1,
        operations=(
            Apply(at_s=0.0, tree=freeze(_DEPLOYMENT)),
            Apply(at_s=0.2, tree=freeze(_SERVICE)),
            Remove(at_s=5.0, resource="services", name="b"),
        ),
        faults=(WatchDelay(target="controller/endpointslice", resource="services", at_s=4.0, for_s=3.0),),
    ),
    "a pod that is evicted while its container is being started is not said to have failed before it has (seed 1019)": Plan(
        scenario="budgets",
        seed=1019,
        nodes=1,
        operations=(
            Apply(at_s=0.0, tree=freeze({**_ALONE, "spec": _SLOW})),
            Evict(at_s=0.3, labels="app=b"),
        ),
        holds=(Hold("kubelet/node-1", "runtime/node-1", 1, "RemoveSandbox", "f76fec3d-698d-4b6f-af77-45fe223fa500", 1, 2.0),),
    ),
}
