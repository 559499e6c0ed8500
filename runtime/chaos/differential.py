"""The end of a schedule beside that of the same schedule without its faults and holds: users must not be able to tell them apart.

After Sieve (Sun et al., OSDI 2022), whose oracle this is. Compared is what users see and what chance does not decide: not names that were
generated, UIDs, revisions, times, addresses, or where pods are. Some ends may differ by right, and are not compared: those of plans in
which what an act does depends on the moment (undoing a rollout, orphaning), or where a user was told something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from callboard.models.base import replace
from callboard.models.jobs import CONTROLLER_UID, LEGACY_CONTROLLER_UID
from callboard.models.messages.api import object_key
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active
from callboard.runtime.chaos.oracles import every
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong
from callboard.runtime.chaos.schedule import OracleMaker, Run
from callboard.runtime.chaos.user import NAME as USER
from callboard.runtime.faults import plan as p
from callboard.runtime.faults.vocabulary import NodeReplace

NAME = "the end is as without faults"
EVERY = 8
"""Of so many schedules one is played a second time."""
PER_POD = frozenset(
    {
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        CONTROLLER_UID,
        LEGACY_CONTROLLER_UID,
    }
)
"""Labels that controllers give pods."""
ALLOCATED = frozenset({"clusterIP", "clusterIPs", "healthCheckNodePort", "nodePort"})
"""What an apiserver chooses for a Service."""
UNSEEN = (
    "events/",
    "leases.coordination.k8s.io/",
    "ipaddresses.networking.k8s.io/",
    "nodeports.callboard/",
    "endpointslices.discovery.k8s.io/",
)
SERVICE_LABEL = "kubernetes.io/service-name"
Shape = tuple[tuple[tuple[str, str], ...], tuple[str, ...]]
"""What pods have in common: labels, images."""


class EndState(msgspec.Struct, frozen=True):
    """What users see at the end. `made` are objects of nobody's, by key; `pods` are those that want to run, counted by owner and shape;
    `bare` are pods of nobody's; `endpoints` are ready ones of a Service; `waiting` tells that some pod
    has no node, `restless` that some container has ended or begun anew, so that who is ready is a matter of the moment."""

    made: Mapping[str, Any]
    pods: Mapping[str, Mapping[Shape, int]]
    bare: Mapping[str, Any]
    endpoints: Mapping[str, int]
    waiting: bool
    restless: bool = False


def end_state(objects: Mapping[str, Any]) -> EndState:
    """What users see of what is stored."""
    made: dict[str, Any] = {}
    bare: dict[str, Any] = {}
    pods: dict[str, dict[Shape, int]] = {}
    endpoints: dict[str, int] = {}
    waiting = restless = False
    for key, obj in objects.items():
        if key.startswith("endpointslices.discovery.k8s.io/"):
            service = obj.metadata.labels.get(SERVICE_LABEL, "")
            if service:
                name = f"services/{obj.metadata.namespace}/{service}"
                endpoints[name] = endpoints.get(name, 0) + sum(
                    one.conditions is None or one.conditions.ready is not False for one in obj.endpoints
                )
        if key.startswith(UNSEEN):
            continue
        owner = controller_of(obj)
        if key.startswith("pods/"):
            restless = restless or _has_ended(obj)
        if not key.startswith("pods/"):
            if owner is None:
                made[key] = _wanted(key, obj)
        elif is_active(obj):
            waiting = waiting or not obj.spec.node_name
            if owner is None:
                bare[key] = _shape(obj)
            else:
                counts = pods.setdefault(_above(owner.kind, obj.metadata.namespace, owner.name, objects), {})
                shape = _shape(obj)
                counts[shape] = counts.get(shape, 0) + 1
    return EndState(made, pods, bare, endpoints, waiting, restless)


def _has_ended(pod: Any) -> bool:
    """Whether a container of a pod has ended, whatever became of it then."""
    statuses = pod.status.container_statuses if pod.status is not None else ()
    return not is_active(pod) or any(one.restart_count > 0 for one in statuses)


def _wanted(key: str, obj: Any) -> Any:
    """What users have said of an object: everything but its status and what the cluster adds."""
    tree = obj.to_dict()
    meta = tree.get("metadata", {})
    labels = {} if key.startswith("nodes/") else _without_allocated(meta.get("labels", {}), obj.metadata.uid)
    left = {name: _without_allocated(value, obj.metadata.uid) for name, value in tree.items() if name not in ("metadata", "status")}
    if key.startswith("nodes/"):
        left = {"spec": {"unschedulable": left.get("spec", {}).get("unschedulable", False)}}
    return {**left, "labels": labels, "going": "deletionTimestamp" in meta}


def _without_allocated(value: Any, uid: str) -> Any:
    """A part of an object without what an apiserver chooses; a Job's selector has its UID."""
    if isinstance(value, dict):
        return {name: _without_allocated(one, uid) for name, one in value.items() if name not in ALLOCATED}
    if isinstance(value, list):
        return [_without_allocated(one, uid) for one in value]
    return "its UID" if value == uid else value


def _shape(pod: Any) -> Shape:
    labels = tuple(sorted((name, value) for name, value in pod.metadata.labels.items() if name not in PER_POD))
    return labels, tuple(container.image for container in pod.spec.containers)


def _above(kind: str, namespace: str, name: str, objects: Mapping[str, Any]) -> str:
    """Whom a pod belongs to: the Deployment, where it is of a ReplicaSet of one."""
    if kind == "ReplicaSet":
        replica_set = objects.get(f"replicasets.apps/{namespace}/{name}")
        deployment = controller_of(replica_set) if replica_set is not None else None
        if deployment is not None:
            return f"{deployment.kind} {namespace}/{deployment.name}"
    return f"{kind} {namespace}/{name}"


def difference(without: EndState, here: EndState, removed: Collection[str] = ()) -> Wrong | None:
    """What a user can tell two ends by; `without` is that without faults. A pod that nobody makes again may have gone with its node, or
    have outlived a taint that nobody saw in time; but what users have `removed` (keys) may not be here alone. How far a rollout is that is
    stuck between two templates is not compared, nor are endpoints where pods wait for room (who came first) or containers end."""
    for key in _either(without.made, here.made):
        before, now = without.made.get(key), here.made.get(key)
        if now is None:
            return Wrong(key, "it is not there, and without faults it is")
        if before is None:
            return Wrong(key, "it is there, and without faults it is not")
        if before != now:
            return Wrong(key, f"it is {_only(now, before)}, and without faults {_only(before, now)}")
    for owner in _either(without.pods, here.pods):
        wanted, found = without.pods.get(owner, {}), here.pods.get(owner, {})
        if wanted != found and len(wanted) <= 1:
            return Wrong(owner, f"it has {_counted(found)}, and without faults {_counted(wanted)}")
    for key, shape in here.bare.items():
        if key not in without.bare:
            if key in removed:
                return Wrong(key, "it is there, and without faults it is not")
        elif shape != without.bare[key]:
            return Wrong(key, f"it is {shape}, and without faults {without.bare[key]}")
    steady = not (without.waiting or here.waiting or without.restless or here.restless) and without.bare == here.bare
    if steady and all(len(shapes) <= 1 for shapes in without.pods.values()):
        for service in _either(without.endpoints, here.endpoints):
            wanted_count, count = without.endpoints.get(service, 0), here.endpoints.get(service, 0)
            if wanted_count != count:
                return Wrong(service, f"it has {count} ready endpoints, and without faults {wanted_count}")
    return None


def _either(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterable[str]:
    return sorted({**one, **other})


def _only(tree: Any, other: Any) -> Any:
    """What of a tree is not the same in another one."""
    if not isinstance(tree, dict) or not isinstance(other, dict):
        return tree
    return {name: _only(value, other.get(name)) for name, value in tree.items() if value != other.get(name)}


def _counted(shapes: Mapping[Shape, int]) -> str:
    return " and ".join(f"{count} pods of {', '.join(images)}" for (_, images), count in sorted(shapes.items())) or "no pods"


def _comes_again(applied: p.Apply, operations: Sequence[p.AnyOperation]) -> bool:
    """Whether something is applied after a deletion that takes a while: what is still there then, and goes, is the old one."""
    kind, name = f"{applied.tree['kind'].lower()}s", applied.tree["metadata"]["name"]
    return any(
        isinstance(one, p.Remove)
        and (one.resource.partition(".")[0], one.name) == (kind, name)
        and one.at_s <= applied.at_s
        and (one.propagation == "Foreground" or kind == "namespaces")
        for one in operations
    )


def is_comparable(plan: p.Plan) -> bool:
    """Whether the end of a plan does not depend by right on when what happens: no act of a user means "what is there just then" (nor what
    takes a while to go), and no node is replaced of which users have said something, which goes with it."""
    if not plan.faults and not plan.holds and not plan.strategy:
        return False
    for operation in plan.operations:
        if isinstance(operation, p.Undo | p.Orphan) or (isinstance(operation, p.Remove) and operation.propagation == "Orphan"):
            return False
    if any(isinstance(one, p.Apply) and _comes_again(one, plan.operations) for one in plan.operations):
        return False
    replaced = any(isinstance(fault, NodeReplace) for fault in plan.faults)
    return not (replaced and any(isinstance(operation, p.Change) and operation.resource == "nodes" for operation in plan.operations))


def removed_pods(operations: Sequence[p.AnyOperation]) -> frozenset[str]:
    """Keys of the pods that users have deleted, and not made again after that."""
    found: dict[str, bool] = {}
    for one in sorted(operations, key=lambda operation: operation.at_s):
        if isinstance(one, p.Remove) and one.resource == "pods":
            found[object_key("pods", one.namespace, one.name)] = True
        elif isinstance(one, p.Apply) and one.tree["kind"] == "Pod":
            meta = one.tree["metadata"]
            found[object_key("pods", meta.get("namespace", "default"), meta["name"])] = False
    return frozenset(key for key, gone in found.items() if gone)


class TheEndIsTheSame(Oracle):
    """A schedule that is well in the end leaves what it leaves without its faults and holds. That is played when all else is judged: it
    costs as much as the schedule itself. Nothing is said where it has a finding of its own."""

    name = NAME

    def __init__(self, plan: p.Plan) -> None:
        self._plan = plan

    def over(self, world: World) -> Wrong | None:
        if not is_comparable(self._plan):
            return None
        run = Run(replace(self._plan, faults=(), holds=(), strategy=""), None, every())
        objects: dict[str, Any] = {}
        outcome = run.play(lambda: objects.update(run.world.objects))
        user = world.component(USER)
        if outcome.finding is not None or (outcome.refusals, outcome.missed) != (tuple(user.refusals), tuple(user.missed)):
            return None
        return difference(end_state(objects), end_state(world.objects), removed_pods(self._plan.operations))


def judges(plan: p.Plan, *, twice: bool) -> OracleMaker:
    """All oracles, and if the schedule is to be played `twice`, the one that does so."""
    return lambda: (*every(), TheEndIsTheSame(plan)) if twice else every()
