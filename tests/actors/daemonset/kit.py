"""DaemonSets, nodes, revisions and pods as decisions see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.actors import actions as act
from callboard.actors.daemonset import placement
from callboard.actors.daemonset.decision import View, decide
from callboard.actors.scheduler.plugins import NodeFacts
from callboard.models import controllerrevisions as history
from callboard.models.api.apps import DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from callboard.models.api.core import Pod, PodCondition, PodStatus, Taint
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import object_key
from tests.actors.controller.playground import template

NOW = 1_800_000_000.0
NOW_TEXT = "2027-01-15T08:00:00Z"
LONG_AGO = "2027-01-01T00:00:00Z"
OLD, NEW = "web:1", "web:2"


def daemon_set(image: str = OLD, *, unavailable: int | str = 1, surge: int | str = 0, strategy: str = "RollingUpdate", **more: Any) -> Any:
    """A DaemonSet over app=web as the store holds it. `pod` changes the spec of its template."""
    rolling = RollingUpdateDaemonSet(max_unavailable=unavailable, max_surge=surge) if strategy == "RollingUpdate" else None
    made: Any = template(image)
    made = replace(made, spec=replace(made.spec, **more.pop("pod", {})))
    fields: dict[str, Any] = {
        "selector": LabelSelector(match_labels=FrozenMap(app="web")),
        "template": made,
        "revision_history_limit": 10,
        "update_strategy": DaemonSetUpdateStrategy(type=strategy, rolling_update=rolling),
        **more,
    }
    meta = ObjectMeta(name="agent", namespace="default", uid="uid-agent", generation=3, resource_version=7)
    return DaemonSet(metadata=meta, spec=DaemonSetSpec(**fields))


def node(name: str, *taints: tuple[str, str], cordoned: bool = False, **labels: str) -> NodeFacts:
    """A node; taints are keys with effects."""
    return NodeFacts(name, FrozenMap(labels), tuple(Taint(key=key, effect=effect) for key, effect in taints), cordoned)


def revision(owner: Any, image: str = OLD, number: int = 1) -> Any:
    """The revision of a template with this image as the store holds it."""
    made = history.new_revision(owner, template(image), number, 0, history.HASH_LABEL)
    return replace(made, metadata=replace(made.metadata, uid=f"uid-{made.metadata.name}", resource_version=5))


def pod(
    owner: Any,
    on: str,
    image: str = OLD,
    *,
    slot: int = 0,
    ready: bool = True,
    phase: str = "Running",
    deleted: bool = False,
    bound: bool = True,
    since: str = LONG_AGO,
    **meta: Any,
) -> Any:
    """The pod of a node, of the revision of this image."""
    name = meta.pop("name", placement.pod_name(owner, on, slot))
    made: Any = placement.new_pod(owner, str(revision(owner, image).metadata.labels[history.HASH_LABEL]), on, name)
    about = {"uid": f"uid-{name}", "resource_version": 11, "creation_timestamp": LONG_AGO, **meta}
    return Pod(
        metadata=replace(made.metadata, deletion_timestamp=NOW_TEXT if deleted else "", **about),
        spec=replace(made.spec, node_name=on if bound else ""),
        status=PodStatus(
            phase=phase, conditions=(PodCondition(type="Ready", status="True" if ready else "False", last_transition_time=since),)
        ),
    )


def decided(owner: Any, nodes: Iterable[NodeFacts], pods: Iterable[Any] = (), **more: Any) -> tuple[act.Action, ...]:
    """What is to be done now; the DaemonSet's revisions are those of its present template, if nothing else is said."""
    there = tuple(pods)
    own = more.pop("revisions", (revision(owner, owner.spec.template.spec.containers[0].image),))
    fields: dict[str, Any] = {
        "named": {one.metadata.name: one for one in own},
        "stored": {object_key("pods", "default", one.metadata.name): one for one in there},
        **more,
    }
    return decide(View(daemon_set=owner, nodes=tuple(nodes), pods=there, revisions=tuple(own), **fields), NOW)


def created(actions: Iterable[act.Action]) -> list[str]:
    """The nodes that get a pod."""
    return [placement.target_of(one.obj) for one in actions if isinstance(one, act.Create) and one.resource == "pods"]


def deleted(actions: Iterable[act.Action]) -> list[str]:
    """Names of the pods that are deleted."""
    return [one.name for one in actions if isinstance(one, act.Delete) and one.resource == "pods"]


def status_in(actions: Iterable[act.Action]) -> Any:
    """The status that is written."""
    (one,) = (one for one in actions if isinstance(one, act.SetStatus))
    return one.status
