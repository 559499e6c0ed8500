"""Which nodes should have a pod of a DaemonSet, what that pod is like, and which node a pod is meant for. Pure.

Sources: kubernetes pkg/controller/daemon/daemon_controller.go (NodeShouldRunDaemonPod, NewPod), util/daemonset_util.go
(AddOrUpdateDaemonPodTolerations, ReplaceDaemonSetPodNodeNameNodeAffinity, GetTargetNodeName).

The name of a pod: a node has two names with each DaemonSet, the second one for a surge. A name is computed from the owner's UID, the node's
name and which of the two it is, so a creation that is tried again, or that arrives late, meets the pod that is there instead of adding one.
A sequence per owner, as ReplicaSets have it, can't do that: a creation for the same node under the next index would succeed.
"""

from __future__ import annotations

from hashlib import blake2b

from callboard.actors.scheduler.plugins import NodeFacts, matches_term
from callboard.models.api.apps import DaemonSet
from callboard.models.api.core import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodSpec,
    PodTemplateSpec,
    Toleration,
)
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.controllerrevisions import HASH_LABEL
from callboard.models.names import SUFFIXES, child_suffix
from callboard.models.owners import owner_reference
from callboard.models.taints import KEEPS_OUT, NOT_READY, UNREACHABLE, UNSCHEDULABLE, untolerated

NAME_FIELD = "metadata.name"
TOLERATED = (
    (NOT_READY, "NoExecute"),
    (UNREACHABLE, "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    (UNSCHEDULABLE, "NoSchedule"),
)
"""Taints, by key and effect, that every pod of a DaemonSet tolerates for ever."""
TOLERATED_ON_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def node_facts(node: Node) -> NodeFacts:
    """What placement depends on. Two equal facts give equal answers, whatever else changes of the node."""
    spec = node.spec
    return NodeFacts(
        name=node.metadata.name,
        labels=node.metadata.labels,
        taints=tuple(spec.taints) if spec is not None else (),
        unschedulable=bool(spec.unschedulable) if spec is not None else False,
    )


def tolerations_of(spec: PodSpec) -> tuple[Toleration, ...]:
    """The tolerations of a template with those that every pod of a DaemonSet gets."""
    keys = (*TOLERATED, TOLERATED_ON_HOST_NETWORK) if spec.host_network else TOLERATED
    added = tuple(Toleration(key=key, operator="Exists", effect=effect) for key, effect in keys)
    kept = tuple(one for one in spec.tolerations if one not in added)
    return (*kept, *added)


def placed_on(daemon_set: DaemonSet, facts: NodeFacts) -> tuple[bool, bool]:
    """Whether a node should get a pod, and whether one that it has may stay (NodeShouldRunDaemonPod).

    A cordon keeps no daemon out, and a taint NoSchedule drives none away.
    """
    template = daemon_set.spec.template if daemon_set.spec is not None else None
    spec = (template.spec if template is not None else None) or PodSpec()
    if spec.node_name not in ("", facts.name) or not _selected(spec, facts):
        return False, False
    tolerations = tolerations_of(spec)
    if untolerated(facts.taints, tolerations, KEEPS_OUT) is None:
        return True, True
    return False, untolerated(facts.taints, tolerations, ("NoExecute",)) is None


def _selected(spec: PodSpec, facts: NodeFacts) -> bool:
    if any(facts.labels.get(key) != value for key, value in spec.node_selector.items()):
        return False
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    return required is None or any(matches_term(term, facts) for term in required.node_selector_terms)


def target_of(pod: Pod) -> str:
    """The node that a pod is bound to, or pinned to by its affinity; "" if it is neither (GetTargetNodeName)."""
    spec = pod.spec
    if spec is None or spec.node_name:
        return spec.node_name if spec is not None else ""
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    for term in required.node_selector_terms if required is not None else ():
        for one in term.match_fields:
            if one.key == NAME_FIELD and one.operator == "In" and len(one.values) == 1:
                return one.values[0]
    return ""


def pod_name(daemon_set: DaemonSet, node: str, slot: int, attempt: int = 0) -> str:
    """The name of the pod of a node. `slot` is 0, or 1 for a second one; another `attempt` gives another name, for the case that somebody
    else's pod has this one."""
    meta = daemon_set.metadata
    digest = blake2b(f"{node}/{slot}/{attempt}".encode(), digest_size=8, person=b"callboard-daemon").digest()
    return f"{meta.name}-{child_suffix(meta.uid, int.from_bytes(digest, 'big') % SUFFIXES)}"


def new_pod(daemon_set: DaemonSet, hashed: str, node: str, name: str) -> Pod:
    """The pod of a node as it is created: pinned by the only affinity to nodes that it has left, and bound by the scheduler."""
    template = (daemon_set.spec.template if daemon_set.spec is not None else None) or PodTemplateSpec()
    meta, spec = template.metadata or ObjectMeta(), template.spec or PodSpec()
    pinned = NodeSelectorTerm(match_fields=(NodeSelectorRequirement(key=NAME_FIELD, operator="In", values=(node,)),))
    affinity = spec.affinity or Affinity()
    of_nodes = replace(
        affinity.node_affinity or NodeAffinity(),
        required_during_scheduling_ignored_during_execution=NodeSelector(node_selector_terms=(pinned,)),
    )
    return Pod(
        metadata=ObjectMeta(
            name=name,
            generate_name=f"{daemon_set.metadata.name}-",
            namespace=daemon_set.metadata.namespace,
            labels=FrozenMap({**meta.labels, HASH_LABEL: hashed}),
            annotations=meta.annotations,
            finalizers=meta.finalizers,
            owner_references=(owner_reference(daemon_set),),
        ),
        spec=replace(spec, tolerations=tolerations_of(spec), affinity=replace(affinity, node_affinity=of_nodes)),
    )
