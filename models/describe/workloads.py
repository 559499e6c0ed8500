"""Deployments, ReplicaSets and their like as `kubectl describe` writes them. Source: kubectl pkg/describe/describe.go."""

from __future__ import annotations

from typing import Any

from callboard.models.api.apps import Deployment
from callboard.models.columns.column import labels_text
from callboard.models.columns.selectors import selector_text
from callboard.models.columns.workloads import bool_text
from callboard.models.describe.events import events_section
from callboard.models.describe.page import NONE, UNSET, Page, begin, conditions, controlled_by, moment, write_annotations, write_labels
from callboard.models.describe.pods import template
from callboard.models.describe.related import Related
from callboard.models.look import look
from callboard.models.owners import is_controlled_by
from callboard.models.quantity import canonical_quantity
from callboard.models.rollouts import same_template, template_of


def describe_deployment(obj: Any, related: Related, now_s: float) -> str:
    """A Deployment with its counts, strategy, template, conditions and ReplicaSets."""
    page, view = Page(), look(obj)
    page.field("Name", view.name)
    page.field("Namespace", view.namespace)
    page.field("CreationTimestamp", moment(view, "metadata", "creationTimestamp"))
    write_labels(page, view)
    write_annotations(page, "Annotations", view.map("metadata", "annotations"))
    page.field("Selector", selector_text(view.below("spec", "selector"), ""))
    status = view.below("status")
    page.field(
        "Replicas",
        f"{view.number('spec', 'replicas', default=1)} desired | {status.number('updatedReplicas')} updated | "
        f"{status.number('replicas')} total | {status.number('availableReplicas')} available | "
        f"{status.number('unavailableReplicas')} unavailable",
    )
    strategy = view.below("spec", "strategy")
    page.field("StrategyType", strategy.text("type"))
    page.field("MinReadySeconds", view.number("spec", "minReadySeconds"))
    if strategy.has("rollingUpdate"):
        unavailable, surge = (strategy.text("rollingUpdate", field) for field in ("maxUnavailable", "maxSurge"))
        page.field("RollingUpdateStrategy", f"{unavailable} max unavailable, {surge} max surge")
    template(page, view.below("spec", "template"))
    conditions(page, view)
    old, new = _replica_sets(obj, related)
    if old or new:
        page.field("OldReplicaSets", _counts(old))
        page.field("NewReplicaSet", _counts(new))
    events_section(page, related.events, now_s)
    return page.text()


def _replica_sets(obj: Any, related: Related) -> tuple[list[Any], list[Any]]:
    """The Deployment's ReplicaSets: old ones, and the one of its present template (the oldest of equals)."""
    if not isinstance(obj, Deployment):
        return [], []
    own = sorted(
        (one for one in related.replica_sets if is_controlled_by(one, obj)),
        key=lambda one: (one.metadata.creation_timestamp, one.metadata.name),
    )
    wanted = obj.spec.template if obj.spec is not None else None
    new = next((one for one in own if wanted is not None and same_template(template_of(one), wanted)), None)
    return [one for one in own if one is not new], [new] if new is not None else []


def _counts(found: list[Any]) -> str:
    texts = []
    for one in found:
        view = look(one)
        made, wanted = view.number("status", "replicas"), view.number("spec", "replicas", default=1)
        texts.append(f"{view.name} ({made}/{wanted} replicas created)")
    return ", ".join(texts) or NONE


def _pods_status(obj: Any, related: Related) -> str:
    phases = [look(pod).text("status", "phase") for pod in related.pods if is_controlled_by(pod, obj)]
    return (
        f"{phases.count('Running')} Running / {phases.count('Pending')} Waiting / "
        f"{phases.count('Succeeded')} Succeeded / {phases.count('Failed')} Failed"
    )


def describe_replica_set(obj: Any, related: Related, now_s: float) -> str:
    """A ReplicaSet with the phases of its pods."""
    page, view = Page(), look(obj)
    page.field("Name", view.name)
    page.field("Namespace", view.namespace)
    page.field("Selector", selector_text(view.below("spec", "selector")))
    write_labels(page, view)
    write_annotations(page, "Annotations", view.map("metadata", "annotations"))
    controlled_by(page, view)
    page.field("Replicas", f"{view.number('status', 'replicas')} current / {view.number('spec', 'replicas', default=1)} desired")
    page.field("Pods Status", _pods_status(obj, related))
    template(page, view.below("spec", "template"))
    conditions(page, view)
    events_section(page, related.events, now_s)
    return page.text()


def describe_stateful_set(obj: Any, related: Related, now_s: float) -> str:
    """A StatefulSet with the phases of its pods."""
    page, view = Page(), look(obj)
    page.field("Name", view.name)
    page.field("Namespace", view.namespace)
    page.field("CreationTimestamp", moment(view, "metadata", "creationTimestamp"))
    page.field("Selector", selector_text(view.below("spec", "selector"), ""))
    write_labels(page, view)
    write_annotations(page, "Annotations", view.map("metadata", "annotations"))
    spec = view.below("spec")
    page.fields([("Service Name", spec.text("serviceName")), ("Pod Management Policy", spec.text("podManagementPolicy"))])
    page.field("Replicas", f"{spec.number('replicas', default=1)} desired | {view.number('status', 'replicas')} total")
    page.field("Update Strategy", spec.text("updateStrategy", "type"))
    if spec.has("updateStrategy", "rollingUpdate", "partition"):
        page.field("Partition", spec.number("updateStrategy", "rollingUpdate", "partition"), 1)
    page.field("Pods Status", _pods_status(obj, related))
    template(page, spec.below("template"))
    claims = spec.items("volumeClaimTemplates")
    page.line("Volume Claims:" if claims else f"Volume Claims:\t{NONE}")
    for claim in claims:
        page.field("Name", claim.name, 1)
        page.field("StorageClass", claim.text("spec", "storageClassName"), 1)
        page.field("Capacity", canonical_quantity(claim.at("spec", "resources", "requests", "storage")), 1)
        page.field("Access Modes", f"[{' '.join(claim.texts('spec', 'accessModes'))}]", 1)
    events_section(page, related.events, now_s)
    return page.text()


def describe_daemon_set(obj: Any, related: Related, now_s: float) -> str:
    """A DaemonSet with its counts of nodes and the phases of its pods."""
    page, view = Page(), look(obj)
    page.field("Name", view.name)
    page.field("Namespace", view.namespace)
    page.field("Selector", selector_text(view.below("spec", "selector"), ""))
    page.field("Node-Selector", labels_text(view.map("spec", "template", "spec", "nodeSelector")))
    write_labels(page, view)
    write_annotations(page, "Annotations", view.map("metadata", "annotations"))
    for words, field in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        page.line(f"{words}: {view.number('status', field)}")
    page.field("Pods Status", _pods_status(obj, related))
    template(page, view.below("spec", "template"))
    events_section(page, related.events, now_s)
    return page.text()


def describe_job(obj: Any, related: Related, now_s: float) -> str:
    """A Job with its counts and its template."""
    page, view = Page(), look(obj)
    page.field("Name", view.name)
    page.field("Namespace", view.namespace)
    page.field("Selector", selector_text(view.below("spec", "selector"), ""))
    write_labels(page, view)
    write_annotations(page, "Annotations", view.map("metadata", "annotations"))
    controlled_by(page, view)
    spec = view.below("spec")
    page.fields([("Parallelism", spec.text("parallelism"))])
    page.field("Completions", spec.text("completions", default=UNSET))
    deadline = spec.text("activeDeadlineSeconds")
    page.fields(
        [
            ("Completion Mode", spec.text("completionMode")),
            ("Suspend", str(spec.flag("suspend")).lower() if spec.has("suspend") else ""),
            ("Backoff Limit", spec.text("backoffLimit")),
            ("TTL Seconds After Finished", spec.text("ttlSecondsAfterFinished")),
            ("Start Time", moment(view, "status", "startTime") if view.has("status", "startTime") else ""),
            ("Completed At", moment(view, "status", "completionTime") if view.has("status", "completionTime") else ""),
            ("Active Deadline Seconds", f"{deadline}s" if deadline else ""),
        ]
    )
    status = view.below("status")
    page.field(
        "Pods Statuses",
        f"{status.number('active')} Active ({status.number('ready')} Ready) / {status.number('succeeded')} Succeeded / "
        f"{status.number('failed')} Failed",
    )
    template(page, view.below("spec", "template"))
    events_section(page, related.events, now_s)
    return page.text()


def describe_cron_job(obj: Any, related: Related, now_s: float) -> str:
    """A CronJob with its schedule and the template of its jobs."""
    page, view = Page(), look(obj)
    begin(page, view)
    spec = view.below("spec")
    page.field("Schedule", spec.text("schedule"))
    page.fields([("Time Zone", spec.text("timeZone"))])
    page.field("Concurrency Policy", spec.text("concurrencyPolicy"))
    page.field("Suspend", bool_text(spec.at("suspend")))
    page.field("Successful Job History Limit", spec.text("successfulJobsHistoryLimit", default=UNSET))
    page.field("Failed Job History Limit", spec.text("failedJobsHistoryLimit", default=UNSET))
    page.field("Starting Deadline Seconds", f"{spec.text('startingDeadlineSeconds')}s" if spec.has("startingDeadlineSeconds") else UNSET)
    job = spec.below("jobTemplate", "spec")
    page.field("Selector", selector_text(job.below("selector")) if job.has("selector") else UNSET)
    page.field("Parallelism", job.text("parallelism", default=UNSET))
    page.field("Completions", job.text("completions", default=UNSET))
    template(page, job.below("template"))
    page.field("Last Schedule Time", moment(view, "status", "lastScheduleTime") if view.has("status", "lastScheduleTime") else UNSET)
    page.field("Active Jobs", ", ".join(one.text("name") for one in view.items("status", "active")) or NONE)
    events_section(page, related.events, now_s)
    return page.text()


def describe_budget(obj: Any, related: Related, now_s: float) -> str:
    """A PodDisruptionBudget."""
    page, view = Page(), look(obj)
    page.field("Name", view.name)
    page.field("Namespace", view.namespace)
    if view.has("spec", "minAvailable"):
        page.field("Min available", view.text("spec", "minAvailable"))
    elif view.has("spec", "maxUnavailable"):
        page.field("Max unavailable", view.text("spec", "maxUnavailable"))
    page.field("Selector", selector_text(view.below("spec", "selector")) if view.has("spec", "selector") else UNSET)
    page.line("Status:")
    for title, field in (
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ):
        page.field(title, view.number("status", field), 2)
    events_section(page, related.events, now_s)
    return page.text()
