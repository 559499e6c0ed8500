"""StatefulSets, revisions and pods as decisions see them, and what becomes of a world when actions are carried out at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.actors import actions as act
from callboard.actors.statefulset.decision import View, decide
from callboard.models import controllerrevisions as history
from callboard.models.api.apps import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetOrdinals,
    StatefulSetSpec,
    StatefulSetStatus,
    StatefulSetUpdateStrategy,
)
from callboard.models.api.core import Pod, PodCondition, PodStatus
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.owners import owner_reference
from tests.actors.controller.playground import template

NOW = 1_800_000_000.0
NOW_TEXT = "2027-01-15T08:00:00Z"
LONG_AGO = "2027-01-01T00:00:00Z"
OLD, NEW = "web:1", "web:2"


def stored(
    replicas: int,
    *,
    image: str = OLD,
    start: int = 0,
    partition: int | None = 0,
    unavailable: int | str | None = None,
    strategy: str = "RollingUpdate",
    name: str = "db",
    uid: str = "uid-db",
    deleted: bool = False,
    status: StatefulSetStatus | None = None,
    **changes: Any,
) -> Any:
    """A StatefulSet over app=web as the store holds it. `partition` None: no parameters of the rolling update at all."""
    rolling = RollingUpdateStatefulSetStrategy(partition=partition, max_unavailable=unavailable) if partition is not None else None
    fields: dict[str, Any] = {
        "replicas": replicas,
        "selector": LabelSelector(match_labels=FrozenMap(app="web")),
        "template": template(image),
        "service_name": "net",
        "pod_management_policy": "OrderedReady",
        "ordinals": StatefulSetOrdinals(start=start) if start else None,
        "revision_history_limit": 10,
        "update_strategy": StatefulSetUpdateStrategy(type=strategy, rolling_update=rolling if strategy == "RollingUpdate" else None),
        **changes,
    }
    meta = ObjectMeta(
        name=name, namespace="default", uid=uid, generation=3, resource_version=7, deletion_timestamp=NOW_TEXT if deleted else ""
    )
    return StatefulSet(metadata=meta, spec=StatefulSetSpec(**fields), status=status)


def revision(owner: Any, image: str = OLD, number: int = 1, collisions: int = 0) -> Any:
    """The revision of a template with this image as the store holds it."""
    made = history.new_revision(owner, template(image), number, collisions)
    return replace(made, metadata=replace(made.metadata, uid=f"uid-{made.metadata.name}", resource_version=5))


def pod(
    owner: Any,
    ordinal: int,
    image: str = OLD,
    *,
    ready: bool = True,
    phase: str = "Running",
    deleted: bool = False,
    since: str = LONG_AGO,
    name: str = "",
    labels: dict[str, str] | None = None,
    orphan: bool = False,
) -> Any:
    """A pod of an ordinal, of the revision of this image."""
    called = name or f"{owner.metadata.name}-{ordinal}"
    own = {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": called,
        "apps.kubernetes.io/pod-index": str(ordinal),
        "controller-revision-hash": revision(owner, image).metadata.name,
    }
    conditions = (PodCondition(type="Ready", status="True" if ready else "False", last_transition_time=since),)
    meta = ObjectMeta(
        name=called,
        namespace="default",
        uid=f"uid-{called}",
        resource_version=11,
        labels=FrozenMap(own if labels is None else labels),
        deletion_timestamp=NOW_TEXT if deleted else "",
        owner_references=() if orphan else (owner_reference(owner),),
    )
    return Pod(metadata=meta, spec=template(image).spec, status=PodStatus(phase=phase, conditions=conditions))


def view(owner: Any, pods: Iterable[Any] = (), revisions: Iterable[Any] | None = None, **more: Any) -> View:
    """What is seen of it; its revisions are those of its present template, if nothing else is said."""
    own = tuple(revisions) if revisions is not None else (revision(owner, owner.spec.template.spec.containers[0].image),)
    return View(stateful_set=owner, pods=tuple(pods), revisions=own, **{"named": {one.metadata.name: one for one in own}, **more})


def decided(owner: Any, pods: Iterable[Any] = (), revisions: Iterable[Any] | None = None, **more: Any) -> tuple[act.Action, ...]:
    """What is to be done now."""
    return decide(view(owner, pods, revisions, **more), NOW)


def of_type(actions: Iterable[act.Action], kind: type[Any]) -> list[Any]:
    """The actions of one type."""
    return [action for action in actions if isinstance(action, kind)]


def created(actions: Iterable[act.Action]) -> list[str]:
    """Names of the pods that are created."""
    return [one.obj.metadata.name for one in of_type(actions, act.Create) if one.resource == "pods"]


def deleted(actions: Iterable[act.Action]) -> list[str]:
    """Names of the pods that are deleted."""
    return [one.name for one in of_type(actions, act.Delete) if one.resource == "pods"]


def status_in(actions: Iterable[act.Action]) -> Any:
    """The status that is written."""
    (one,) = of_type(actions, act.SetStatus)
    return one.status
