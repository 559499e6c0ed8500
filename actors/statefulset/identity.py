"""Who is who in a StatefulSet: ordinals, names, what a pod of an ordinal looks like, and which revision it is made of. Pure.

Source: kubernetes pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from callboard.models.api.apps import StatefulSet, StatefulSetSpec
from callboard.models.api.core import PersistentVolumeClaimVolumeSource, Pod, PodSpec, PodTemplateSpec, Volume
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.controllerrevisions import HASH_LABEL
from callboard.models.owners import owner_reference
from callboard.models.volumes import unsupported

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"
ORDINAL_LIMIT = 2**31
"""Ordinals are numbers of 31 bits."""
NO_SPEC = StatefulSetSpec()


def spec_of(stateful_set: StatefulSet) -> StatefulSetSpec:
    """The spec, an empty one if there is none."""
    return stateful_set.spec or NO_SPEC


def wanted_replicas(stateful_set: StatefulSet) -> int:
    """How many pods it wants."""
    replicas = spec_of(stateful_set).replicas
    return 1 if replicas is None else replicas


def first_ordinal(stateful_set: StatefulSet) -> int:
    """The ordinal of its first pod (spec.ordinals.start)."""
    ordinals = spec_of(stateful_set).ordinals
    return (ordinals.start or 0) if ordinals is not None else 0


def wanted_ordinals(stateful_set: StatefulSet) -> range:
    """The ordinals that there should be pods of."""
    first = first_ordinal(stateful_set)
    return range(first, first + wanted_replicas(stateful_set))


def pod_name(set_name: str, ordinal: int) -> str:
    """`<set>-<n>`."""
    return f"{set_name}-{ordinal}"


def parent_and_ordinal(name: str) -> tuple[str, int]:
    """The StatefulSet that a pod of this name may be of, and the ordinal; ("", -1) if it is no name of such a pod."""
    parent, dash, digits = name.rpartition("-")
    if not dash or not digits.isascii() or not digits.isdigit() or (digits[0] == "0" and digits != "0"):
        return "", -1
    ordinal = int(digits)
    return (parent, ordinal) if ordinal < ORDINAL_LIMIT else ("", -1)


def ordinal_in(stateful_set: StatefulSet, pod: Pod) -> int:
    """The ordinal of a pod in this StatefulSet; -1 if by its name it can't be one of its pods."""
    parent, ordinal = parent_and_ordinal(pod.metadata.name)
    return ordinal if parent == stateful_set.metadata.name else -1


def revision_in(pod: Pod) -> str:
    """The name of the revision that a pod was made of, "" if it doesn't say."""
    return str(pod.metadata.labels.get(HASH_LABEL, ""))


def new_pod(stateful_set: StatefulSet, template: PodTemplateSpec | None, revision: str, ordinal: int) -> Pod:
    """The pod of an ordinal as it is created (newStatefulSetPod): host name and subdomain give it the name by which its headless Service's
    DNS knows it."""
    set_meta = stateful_set.metadata
    name = pod_name(set_meta.name, ordinal)
    template = template or PodTemplateSpec()
    meta, spec = template.metadata or ObjectMeta(), template.spec or PodSpec()
    labels = {**meta.labels, POD_NAME_LABEL: name, POD_INDEX_LABEL: str(ordinal), HASH_LABEL: revision}
    return Pod(
        metadata=ObjectMeta(
            name=name,
            generate_name=f"{set_meta.name}-",
            namespace=set_meta.namespace,
            labels=FrozenMap(labels),
            annotations=meta.annotations,
            finalizers=meta.finalizers,
            owner_references=(owner_reference(stateful_set),),
        ),
        spec=replace(spec, hostname=name, subdomain=spec_of(stateful_set).service_name),
    )


def repaired(pod: Pod, ordinal: int) -> Pod | None:
    """The pod with the labels of its identity; None if it has them (identityMatches, updateIdentity)."""
    meta = pod.metadata
    wanted = {POD_NAME_LABEL: meta.name, POD_INDEX_LABEL: str(ordinal)}
    if all(meta.labels.get(key) == value for key, value in wanted.items()):
        return None
    return replace(pod, metadata=replace(meta, labels=FrozenMap({**meta.labels, **wanted})))


def claim_problem(stateful_set: StatefulSet, ordinal: int) -> str:
    """Why the claims of the pod of this ordinal can't be bound, in the words that a pod with such a claim is told; "" if it has none."""
    for claim in spec_of(stateful_set).volume_claim_templates:
        name = str((claim.get("metadata") or {}).get("name", ""))
        claim_name = f"{name}-{pod_name(stateful_set.metadata.name, ordinal)}"
        return unsupported(Volume(name=name, persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=claim_name)))
    return ""


def is_current_wanted(stateful_set: StatefulSet, ordinal: int, current_replicas: int) -> bool:
    """Whether a new pod of this ordinal is made of the current revision rather than of the update (newVersionedStatefulSetPod).

    With a partition, those below it are. With no parameters at all, as many as are of the current revision still: there a rollout goes on
    where it stands.
    """
    strategy = spec_of(stateful_set).update_strategy
    if strategy is None or strategy.type != "RollingUpdate":
        return False
    kept = current_replicas if strategy.rolling_update is None else strategy.rolling_update.partition or 0
    return ordinal < first_ordinal(stateful_set) + kept
