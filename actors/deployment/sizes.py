"""How many pods which ReplicaSet may have: the numbers of a rollout. Pure.

Source: kubernetes pkg/controller/deployment/util/deployment_util.go. Stricter than there where the status of a ReplicaSet may be behind its
spec (kubernetes#19299): what it has at most and what is available at least is judged from both.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from callboard.models.api.apps import Deployment, DeploymentStrategy, ReplicaSet
from callboard.models.intorstring import scaled
from callboard.models.rollouts import MAXIMUM

DEFAULT_SHARE = "25%"


def desired_replicas(deployment: Deployment) -> int:
    """`spec.replicas`, 1 by default."""
    spec = deployment.spec
    return 1 if spec is None or spec.replicas is None else spec.replicas


def spec_replicas(replica_set: ReplicaSet) -> int:
    """What a ReplicaSet is asked for."""
    spec = replica_set.spec
    return 1 if spec is None or spec.replicas is None else spec.replicas


def is_rolling(deployment: Deployment) -> bool:
    """Whether pods are replaced bit by bit; else all old ones go before the first new one comes."""
    strategy = deployment.spec.strategy if deployment.spec is not None else None
    return strategy is None or strategy.type != "Recreate"


def fence_posts(deployment: Deployment) -> tuple[int, int]:
    """maxSurge, rounded up, and maxUnavailable, rounded down; if both are 0, one may be unavailable. Both are 0 for Recreate."""
    if not is_rolling(deployment):
        return 0, 0
    strategy = (deployment.spec.strategy if deployment.spec is not None else None) or DeploymentStrategy()
    rolling = strategy.rolling_update
    surge = DEFAULT_SHARE if rolling is None or rolling.max_surge is None else rolling.max_surge
    unavailable = DEFAULT_SHARE if rolling is None or rolling.max_unavailable is None else rolling.max_unavailable
    replicas = desired_replicas(deployment)
    more, fewer = scaled(surge, replicas, up=True), scaled(unavailable, replicas, up=False)
    return more, 1 if more == 0 and fewer == 0 else fewer


def max_surge(deployment: Deployment) -> int:
    """Pods above the desired number."""
    return fence_posts(deployment)[0]


def max_unavailable(deployment: Deployment) -> int:
    """Pods that may be missing from the desired number."""
    return min(fence_posts(deployment)[1], desired_replicas(deployment))


# -- what a ReplicaSet has ------------------------------------------------------------------------------------------------------------


def is_observed(replica_set: ReplicaSet) -> bool:
    """Whether the ReplicaSet's status is about its present spec."""
    status = replica_set.status
    return status is not None and (status.observed_generation or 0) >= replica_set.metadata.generation


def actual_replicas(replica_set: ReplicaSet) -> int:
    """The pods that its status tells of."""
    return 0 if replica_set.status is None else replica_set.status.replicas or 0


def told_available(replica_set: ReplicaSet) -> int:
    """The available pods that its status tells of."""
    return 0 if replica_set.status is None else replica_set.status.available_replicas or 0


def at_most(replica_set: ReplicaSet) -> int:
    """No more pods than these does an observed ReplicaSet have, or make."""
    return max(spec_replicas(replica_set), actual_replicas(replica_set))


def surely_available(replica_set: ReplicaSet) -> int:
    """So many available pods does an observed ReplicaSet keep: what it is asked for bounds what it once had."""
    return min(told_available(replica_set), spec_replicas(replica_set))


def surely_not_ready(replica_set: ReplicaSet) -> int:
    """So many pods of an observed ReplicaSet go before any that is available when it is scaled down: among those that are ready, its order
    of deletion doesn't ask for how long they have been (Kubernetes counts all that aren't available, and may take away one that is)."""
    ready = 0 if replica_set.status is None else replica_set.status.ready_replicas or 0
    return max(spec_replicas(replica_set) - max(ready, surely_available(replica_set)), 0)


# -- rolling ------------------------------------------------------------------------------------------------------------------------


def grown(deployment: Deployment, own: int, all_sets: Sequence[ReplicaSet]) -> int:
    """The size of the new ReplicaSet, which has `own` replicas now, within what the surge allows beside the others (NewRSNewReplicas)."""
    wanted = desired_replicas(deployment)
    if not is_rolling(deployment):
        return wanted
    if not all(is_observed(one) for one in all_sets):
        return own  # how many pods there are is not known now
    room = wanted + max_surge(deployment) - sum(at_most(one) for one in all_sets)
    return own if room <= 0 else own + min(room, wanted - own)


def shrunk(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> dict[str, int]:
    """New sizes of old ReplicaSets, by UID: what is not ready goes first, then as much as availability allows (reconcileOldReplicaSets)."""
    everything = (*old, new)
    if not all(is_observed(one) for one in everything):
        return {}  # a status older than its spec may promise pods that are already going
    least = desired_replicas(deployment) - max_unavailable(deployment)
    new_unavailable = spec_replicas(new) - surely_available(new)
    budget = sum(spec_replicas(one) for one in everything) - least - new_unavailable
    if budget <= 0:
        return {}
    sizes = {one.metadata.uid: spec_replicas(one) for one in old}
    ordered = sorted(old, key=age)
    for one in ordered:
        unhealthy = min(budget, surely_not_ready(one))
        sizes[one.metadata.uid] -= unhealthy
        budget -= unhealthy
    spare = sum(surely_available(one) for one in everything) - least
    for one in ordered:
        going = min(sizes[one.metadata.uid], max(spare, 0))
        sizes[one.metadata.uid] -= going
        spare -= going
    return {one.metadata.uid: sizes[one.metadata.uid] for one in ordered if sizes[one.metadata.uid] != spec_replicas(one)}


def age(replica_set: ReplicaSet) -> tuple[str, str]:
    """Sorts older ReplicaSets first."""
    return replica_set.metadata.creation_timestamp, replica_set.metadata.name


# -- scaling in the middle of a rollout -------------------------------------------------------------------------------------------------


def number_of(replica_set: ReplicaSet, annotation: str) -> int | None:
    """The number that an annotation holds, if it does."""
    text = replica_set.metadata.annotations.get(annotation, "")
    return int(text) if text.isdigit() else None


def proportional(deployment: Deployment, active: Sequence[ReplicaSet]) -> dict[str, int]:
    """Sizes by UID that spread a change of `spec.replicas` over the active ReplicaSets in proportion to theirs (scale)."""
    wanted = desired_replicas(deployment)
    allowed = wanted + max_surge(deployment) if wanted > 0 else 0
    to_add = allowed - sum(spec_replicas(one) for one in active)
    ordered = sorted(active, key=age, reverse=to_add > 0)
    ordered.sort(key=spec_replicas, reverse=True)
    sizes: dict[str, int] = {}
    added = 0
    for one in ordered:
        part = _proportion(one, deployment, to_add, added)
        sizes[one.metadata.uid] = spec_replicas(one) + part
        added += part
    if ordered and to_add != 0:
        first = ordered[0].metadata.uid
        sizes[first] = max(sizes[first] + to_add - added, 0)
    return sizes


def keeping_available(deployment: Deployment, active: Sequence[ReplicaSet], planned: dict[str, int]) -> dict[str, int]:
    """The planned sizes, with as many pods given back as availability needs after a change to fewer: proportions alone may take pods that
    are available while others are still coming (Kubernetes accepts that). The rollout takes them when the others have come."""
    least = desired_replicas(deployment) - max_unavailable(deployment)
    sizes = dict(planned)
    lost = {
        one.metadata.uid: min(max(spec_replicas(one) - sizes[one.metadata.uid] - surely_not_ready(one), 0), surely_available(one))
        for one in active
    }
    available = sum(surely_available(one) for one in active)
    lacking = min(least, available) - (available - sum(lost.values()))
    for one in sorted(active, key=age):
        back = min(max(lacking, 0), lost[one.metadata.uid])
        sizes[one.metadata.uid] += back
        lacking -= back
    return sizes


def _proportion(replica_set: ReplicaSet, deployment: Deployment, to_add: int, added: int) -> int:
    if spec_replicas(replica_set) == 0 or to_add in (0, added):
        return 0
    fraction = _fraction(replica_set, deployment)
    return min(fraction, to_add - added) if to_add > 0 else max(fraction, to_add - added)


def _fraction(replica_set: ReplicaSet, deployment: Deployment) -> int:
    own, wanted = spec_replicas(replica_set), desired_replicas(deployment)
    if wanted == 0:
        return -own
    before = number_of(replica_set, MAXIMUM) or (deployment.status.replicas if deployment.status is not None else None) or 0
    if before == 0:
        return 0
    return _rounded(own * (wanted + max_surge(deployment)) / before) - own


def _rounded(value: float) -> int:
    """Half away from zero, as Go does."""
    return floor(value + 0.5) if value >= 0 else ceil(value - 0.5)
