"""Jobs and their pods as decisions see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.actors import actions as act
from callboard.actors.job.decision import View, decide
from callboard.actors.job.pods import free_name, free_names, new_pod
from callboard.models.api.batch import Job, JobSpec
from callboard.models.api.core import Container, ContainerStatus, Pod, PodCondition, PodSpec, PodStatus, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.defaults import with_defaults
from callboard.models.jobs import TRACKING, with_generated_selector

NOW = 1_800_000_000.0
NOW_TEXT = "2027-01-15T08:00:00Z"
LONG_AGO = "2027-01-01T00:00:00Z"


def job(policy: str = "Never", *, status: Any = None, meta: dict[str, Any] | None = None, **spec: Any) -> Any:
    """A Job as the store holds it; it began long ago, if its status doesn't say otherwise."""
    template = PodTemplateSpec(spec=PodSpec(containers=(Container(name="c", image="task:1"),), restart_policy=policy))
    about = ObjectMeta(name="sum", namespace="default", uid="uid-sum", generation=1, resource_version=7)
    made = Job(metadata=replace(about, **(meta or {})), spec=JobSpec(template=template, **spec), status=status)
    return with_defaults(with_generated_selector(made))


def pod(owner: Any, number: int, phase: str = "Running", *, index: int = -1, **changes: Any) -> Any:
    """The pod of this number, or the one with this index as the number says. `tracked` and `deleted` are as they say; `grace_s` is what is
    left of a deleted one's time."""
    tracked, deleted = changes.pop("tracked", True), changes.pop("deleted", False)
    grace_s, restarts, ready = changes.pop("grace_s", 30), changes.pop("restarts", 0), changes.pop("ready", True)
    names = free_names(owner, ())
    name = free_name(owner, index, {}) if index >= 0 else next(one for place, one in enumerate(names) if place == number)
    if index >= 0 and number:
        name = f"{name}-{number}"
    made: Any = new_pod(owner, name, index)
    about = {
        "uid": f"uid-{number}" if index < 0 else f"uid-{index}-{number}",
        "resource_version": 11,
        "creation_timestamp": f"2027-01-01T00:00:{number:02}Z",
        "finalizers": (TRACKING,) if tracked else (),
        "deletion_timestamp": NOW_TEXT if deleted else "",
        "deletion_grace_period_seconds": grace_s if deleted else None,
        **changes,
    }
    status = PodStatus(
        phase=phase,
        conditions=(PodCondition(type="Ready", status="True" if ready and phase == "Running" else "False"),),
        container_statuses=(ContainerStatus(name="c", restart_count=restarts),),
    )
    return Pod(metadata=replace(made.metadata, **about), spec=made.spec, status=status)


def decided(owner: Any, *pods: Any, now: float = NOW, **view: Any) -> tuple[act.Action, ...]:
    """What is to be done now."""
    return decide(View(job=owner, pods=tuple(pods), **view), now)


def created(actions: Iterable[act.Action]) -> list[str]:
    """Names of the pods that are created."""
    return [one.obj.metadata.name for one in actions if isinstance(one, act.Create)]


def deleted(actions: Iterable[act.Action]) -> list[str]:
    """UIDs of the pods that are deleted."""
    return [one.uid for one in actions if isinstance(one, act.Delete) and one.resource == "pods"]


def counted_out(actions: Iterable[act.Action]) -> list[str]:
    """UIDs of the pods that lose their finalizers since they have been counted, or count for nothing."""
    return [one.uid for one in actions if isinstance(one, act.Patch)]


def let_go(actions: Iterable[act.Action]) -> list[str]:
    """UIDs of the pods that lose their finalizers while they run."""
    updates = [one.obj for one in actions if isinstance(one, act.Update)]
    return [obj.metadata.uid for obj in updates if isinstance(obj, Pod) and TRACKING not in obj.metadata.finalizers]


def told(actions: Iterable[act.Action]) -> list[str]:
    """The reasons of the Events that are told at once."""
    return [one.reason for one in actions if isinstance(one, act.TellUser)]


def again_s(actions: Iterable[act.Action]) -> list[float]:
    """After how many seconds it is looked at again."""
    return [one.after_s for one in actions if isinstance(one, act.LookAgain)]


def status_in(actions: Iterable[act.Action]) -> Any:
    """The status that is written."""
    (one,) = (one for one in actions if isinstance(one, act.SetStatus))
    return one.status


def conditions(status: Any) -> list[tuple[str, str, str]]:
    """Types, statuses and reasons of the conditions of a status."""
    return [(one.type, one.status, one.reason) for one in status.conditions]
