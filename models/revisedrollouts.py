"""What `kubectl rollout` makes of workloads whose revisions are ControllerRevisions: StatefulSets and DaemonSets. Pure.

What they share with Deployments (`Revision`, `Progress`, words) is in `models/rollouts.py`. Sources: kubectl pkg/polymorphichelpers
(history.go, rollback.go, rollout_status.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.models.api.apps import ControllerRevision, DaemonSet, StatefulSet
from callboard.models.api.core import PodTemplateSpec
from callboard.models.base import plain
from callboard.models.controllerrevisions import number_of, revisions_of, template_in
from callboard.models.errors import BadRequest, NotFound
from callboard.models.rollouts import CHANGE_CAUSE, Progress, Revision


def history_of(owner: Any, revisions: Iterable[ControllerRevision]) -> tuple[Revision, ...]:
    """All revisions that a workload can go back to, oldest first (DaemonSetHistoryViewer, StatefulSetHistoryViewer)."""
    return tuple(
        Revision(number_of(one), one.metadata.annotations.get(CHANGE_CAUSE, ""), template_in(one)) for one in revisions_of(owner, revisions)
    )


def rollback_template(owner: Any, revisions: Iterable[ControllerRevision], to_revision: int = 0) -> PodTemplateSpec:
    """The template that a rollback restores: that of `to_revision`, or for 0 of the revision before the newest (findHistory).

    Raises:
        NotFound: there is no such revision, or none before the newest.
    """
    own = revisions_of(owner, revisions)
    if to_revision == 0:
        if len(own) <= 1:
            raise NotFound("no last revision to roll back to")
        return template_in(own[-2])
    found = next((one for one in own if number_of(one) == to_revision), None)
    if found is None:
        raise NotFound(f"unable to find specified revision {to_revision} in history")
    return template_in(found)


def rollback_patch(template: PodTemplateSpec) -> tuple[dict[str, Any], ...]:
    """The JSON patch of a rollback to a template."""
    return ({"op": "replace", "path": "/spec/template", "value": plain(template)},)


def refuse_other_strategies(strategy: str) -> None:
    """kubectl's refusal to tell the status of a rollout that nobody carries out.

    Raises:
        BadRequest: the strategy is not RollingUpdate.
    """
    if strategy != "RollingUpdate":
        raise BadRequest("rollout status is only available for RollingUpdate strategy type")


def progress_of_stateful_set(stateful_set: StatefulSet, revision: int = 0) -> Progress:
    """How far the rollout of a StatefulSet is (StatefulSetStatusViewer). A revision can't be asked for, as kubectl ignores it too.

    Raises:
        BadRequest: its strategy is not RollingUpdate.
    """
    spec, status, generation = stateful_set.spec, stateful_set.status, stateful_set.metadata.generation
    strategy = spec.update_strategy if spec is not None else None
    refuse_other_strategies(strategy.type if strategy is not None else "")
    assert spec is not None
    assert strategy is not None
    if status is None or not status.observed_generation or generation > status.observed_generation:
        return Progress(False, "Waiting for statefulset spec update to be observed...")
    wanted, ready, updated = spec.replicas or 0, status.ready_replicas or 0, status.updated_replicas or 0
    if ready < wanted:
        return Progress(False, f"Waiting for {wanted - ready} pods to be ready...")
    if strategy.rolling_update is not None:
        due = wanted - (strategy.rolling_update.partition or 0)
        if updated < due:
            return Progress(False, f"Waiting for partitioned roll out to finish: {updated} out of {due} new pods have been updated...")
        return Progress(True, f"partitioned roll out complete: {updated} new pods have been updated...")
    if status.update_revision != status.current_revision:
        words = f"waiting for statefulset rolling update to complete {updated} pods at revision {status.update_revision}..."
        return Progress(False, words)
    return Progress(
        True, f"statefulset rolling update complete {status.current_replicas or 0} pods at revision {status.current_revision}..."
    )


def progress_of_daemon_set(daemon_set: DaemonSet, revision: int = 0) -> Progress:
    """How far the rollout of a DaemonSet is (DaemonSetStatusViewer). A revision can't be asked for, as kubectl ignores it too.

    Raises:
        BadRequest: its strategy is not RollingUpdate.
    """
    spec, status, meta = daemon_set.spec, daemon_set.status, daemon_set.metadata
    strategy = spec.update_strategy if spec is not None else None
    refuse_other_strategies(strategy.type if strategy is not None else "")
    if status is None or meta.generation > (status.observed_generation or 0):
        return Progress(False, "Waiting for daemon set spec update to be observed...")
    desired, updated, available = status.desired_number_scheduled or 0, status.updated_number_scheduled or 0, status.number_available or 0
    waiting = f'Waiting for daemon set "{meta.name}" rollout to finish:'
    if updated < desired:
        return Progress(False, f"{waiting} {updated} out of {desired} new pods have been updated...")
    if available < desired:
        return Progress(False, f"{waiting} {available} of {desired} updated pods are available...")
    return Progress(True, f'daemon set "{meta.name}" successfully rolled out')
