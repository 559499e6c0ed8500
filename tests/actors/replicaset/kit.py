"""ReplicaSets and pods as decisions see them, and what becomes of pods when actions are carried out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.actors import actions as act
from callboard.models.api.apps import ReplicaSet
from callboard.models.api.core import ContainerStatus, Pod, PodCondition, PodStatus
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.owners import owner_reference
from tests.actors.controller.playground import replica_set, template

NOW = 1_800_000_000.0
NOW_TEXT = "2027-01-15T08:00:00Z"
LONG_AGO = "2027-01-01T00:00:00Z"


def stored(replicas: int, **changes: Any) -> Any:
    """A ReplicaSet as the store holds it."""
    made = replica_set(replicas, **changes)
    return replace(made, metadata=replace(made.metadata, uid="uid-web", generation=1, resource_version=7))


def pod(
    name: str,
    owner: ReplicaSet | None,
    *,
    phase: str = "Running",
    ready: bool = True,
    node: str = "node-1",
    since: str = LONG_AGO,
    deleted: bool = False,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    created: str = LONG_AGO,
    restarts: int = 0,
) -> Any:
    """A pod of the template."""
    of_template = template()
    conditions = (PodCondition(type="Ready", status="True" if ready else "False", last_transition_time=since),)
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            resource_version=11,
            labels=FrozenMap(labels if labels is not None else {"app": "web"}),
            annotations=FrozenMap(annotations or {}),
            creation_timestamp=created,
            deletion_timestamp=NOW_TEXT if deleted else "",
            owner_references=(owner_reference(owner),) if owner is not None else (),
        ),
        spec=replace(of_template.spec, node_name=node),
        status=PodStatus(phase=phase, conditions=conditions, container_statuses=(ContainerStatus(name="web", restart_count=restarts),)),
    )


def of_type(actions: Iterable[act.Action], kind: type[Any]) -> list[Any]:
    """The actions of one type."""
    return [action for action in actions if isinstance(action, kind)]


def carried_out(pods: Iterable[Pod], actions: Iterable[act.Action]) -> list[Pod]:
    """The pods after creations, deletions, adoptions and releases have all been carried out."""
    by_name = {one.metadata.name: one for one in pods}
    for action in actions:
        if isinstance(action, act.Create):
            name = action.obj.metadata.name
            assert name not in by_name, "the name of a living pod was given again"
            by_name[name] = replace(action.obj, metadata=replace(action.obj.metadata, uid=f"uid-{name}"))
        elif isinstance(action, act.Delete):
            assert by_name[action.name].metadata.uid == action.uid
            del by_name[action.name]
        elif isinstance(action, act.Update):
            by_name[action.obj.metadata.name] = action.obj
    return list(by_name.values())
