"""Deployments and ReplicaSets as decisions see them, and what becomes of ReplicaSets when actions are carried out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.actors import actions as act
from callboard.actors.deployment.revisions import new_replica_set
from callboard.models.api.apps import ReplicaSetStatus
from callboard.models.base import FrozenMap, replace
from tests.actors.controller.playground import deployment, template

NOW = 1_800_000_000.0
NOW_TEXT = "2027-01-15T08:00:00Z"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


def stored(replicas: int, *, image: str = "web:1", **changes: Any) -> Any:
    """A Deployment as the store holds it."""
    made = deployment(replicas, template=template(image), **changes)
    return replace(made, metadata=replace(made.metadata, uid="uid-web", generation=1, resource_version=7))


def owned(
    owner: Any,
    image: str,
    replicas: int,
    *,
    has: int | None = None,
    available: int | None = None,
    observed: bool = True,
    revision: int = 1,
    created: str = "2027-01-01T00:00:00Z",
    terminating: int = 0,
    for_size: int | None = None,
) -> Any:
    """A ReplicaSet of a Deployment, for a template with this image, scaled for the Deployment's size (or another)."""
    of_size = owner if for_size is None else replace(owner, spec=replace(owner.spec, replicas=for_size))
    made: Any = new_replica_set(replace(of_size, spec=replace(of_size.spec, template=template(image))), ())
    annotations = FrozenMap({**made.metadata.annotations, "deployment.kubernetes.io/revision": str(revision)})
    meta = replace(
        made.metadata,
        uid=f"uid-{made.metadata.name}",
        generation=2,
        resource_version=9,
        annotations=annotations,
        creation_timestamp=created,
    )
    pods = replicas if has is None else has
    status = ReplicaSetStatus(
        replicas=pods,
        ready_replicas=pods if available is None else available,
        available_replicas=pods if available is None else available,
        observed_generation=2 if observed else 1,
        terminating_replicas=terminating,
    )
    return replace(made, metadata=meta, spec=replace(made.spec, replicas=replicas), status=status)


def of_type(actions: Iterable[act.Action], kind: type[Any]) -> list[Any]:
    """The actions of one type."""
    return [action for action in actions if isinstance(action, kind)]


def sizes_after(replica_sets: Iterable[Any], actions: Iterable[act.Action]) -> dict[str, int]:
    """The sizes of ReplicaSets, by the image of their pods, when the actions have been carried out."""
    by_name = {one.metadata.name: one for one in replica_sets}
    for action in actions:
        if isinstance(action, act.Create | act.Update):
            by_name[action.obj.metadata.name] = action.obj
        elif isinstance(action, act.Delete):
            del by_name[action.name]
    return {one.spec.template.spec.containers[0].image: one.spec.replicas for one in by_name.values()}
