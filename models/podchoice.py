"""Which pod of a workload, and which of its containers, somebody means who doesn't say it. Pure; kubectl's rules.

Sources: kubectl pkg/util/podutils (ByLogging, ActivePods), pkg/polymorphichelpers/helpers.go (SelectorsForObject) and pkg/cmd/util/podcmd
(FindOrDefaultContainerByName).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from callboard.models.api.core import Pod, PodSpec
from callboard.models.errors import BadRequest
from callboard.models.podstatus import is_ready, phase_of, ready_since
from callboard.models.selectors import Selector, compile_selector, label_selector, selector_of_map

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_PHASES = {"Running": 0, "Unknown": 1, "Pending": 2}
_PLAIN_MAPS = ("Service", "ReplicationController")
_LATER_THAN_ALL = float("inf")


def selector_of_workload(kind: str, tree: dict[str, Any]) -> Selector | None:
    """What selects the pods of a workload or Service, given as a plain tree; None if it selects none, as a kind of users may that means
    something else by its `spec.selector`."""
    spec = tree.get("spec")
    wanted = spec.get("selector") if isinstance(spec, dict) else None
    if not wanted or not isinstance(wanted, dict):
        return None
    if kind in _PLAIN_MAPS:
        return selector_of_map(wanted)
    try:
        return compile_selector(label_selector(wanted))
    except msgspec.ValidationError:
        return None


def best_pod(pods: Iterable[Pod], *, for_logs: bool) -> Pod | None:
    """The pod that says most: one on a node before one without, running ones first, ready before not, the longest ready, the oldest. For
    its log, among equals the one with more restarts; to run something in, the one with fewer."""
    sign = -1 if for_logs else 1

    def rank(pod: Pod) -> tuple[Any, ...]:
        restarts = max((one.restart_count or 0 for one in pod.status.container_statuses), default=0) if pod.status is not None else 0
        created = pod.metadata.creation_timestamp
        since_s = ready_since(pod)
        return (
            not (pod.spec is not None and pod.spec.node_name),
            _PHASES.get(phase_of(pod), 0),
            not is_ready(pod),
            _LATER_THAN_ALL if since_s is None else since_s,
            sign * restarts,
            created or "~",
            pod.metadata.name,
        )

    return min(pods, key=rank, default=None)


def default_container(pod: Pod) -> tuple[str, str]:
    """The container that is meant when none is named, and what kubectl says of that choice ("" if there was none): the one that the
    annotation `kubectl.kubernetes.io/default-container` names, else the first.

    Raises:
        BadRequest: the pod has no container.
    """
    spec = pod.spec or PodSpec()
    annotated = pod.metadata.annotations.get(DEFAULT_CONTAINER, "")
    names = [one.name for one in spec.containers]
    if annotated in (*names, *(one.name for one in spec.init_containers)) and annotated:
        return annotated, ""
    if not names:
        raise BadRequest(f"a container name must be specified for pod {pod.metadata.name}")
    if len(names) == 1 and not spec.init_containers:
        return names[0], ""
    listed = [*names, *(f"{one.name} (init)" for one in spec.init_containers)]
    return names[0], f'Defaulted container "{names[0]}" out of: {", ".join(listed)}'
