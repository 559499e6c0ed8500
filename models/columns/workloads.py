"""Columns of workloads: what keeps pods. Source: kubernetes pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from callboard.models.columns.column import AGE, NAME, NONE, UNKNOWN, UNSET, Column, Value, labels_text, number_column, text_column
from callboard.models.columns.selectors import selector_text
from callboard.models.look import Look
from callboard.models.quantity import canonical_quantity
from callboard.models.spans import age, epoch_s, human_duration

_TEMPLATE = ("spec", "template", "spec")
_JOB_TEMPLATE = ("spec", "jobTemplate", "spec", "template", "spec")


def _of_containers(name: str, field: str, path: tuple[str, ...], *, wide: bool = True) -> Column:
    def read(obj: Look, _now_s: float) -> Value:
        return ",".join(one.text(field) for one in obj.items(*path, "containers"))

    return Column(name, read, wide, description=f"The {field}s of the template's containers.")


def _containers(*path: str) -> tuple[Column, Column]:
    return _of_containers("Containers", "name", path), _of_containers("Images", "image", path)


def _selector(*path: str) -> Column:
    return Column("Selector", lambda obj, _now_s: selector_text(obj.below(*path)), True, description="Which pods it manages.")


def _ready(obj: Look, _now_s: float) -> Value:
    return f"{obj.number('status', 'readyReplicas')}/{obj.number('spec', 'replicas', default=1)}"


READY = Column("Ready", _ready, description="How many pods are ready, out of those that are wanted.")
_WIDE = (*_containers(*_TEMPLATE), _selector("spec", "selector"))
_COUNTS = (
    number_column("Desired", "spec", "replicas", default=1, description="How many pods are wanted."),
    number_column("Current", "status", "replicas", description="How many pods there are."),
    number_column("Ready", "status", "readyReplicas", description="How many pods are ready."),
)

REPLICASET_COLUMNS = (NAME, *_COUNTS, AGE, *_WIDE)
REPLICATIONCONTROLLER_COLUMNS = (
    NAME,
    *_COUNTS,
    AGE,
    *_containers(*_TEMPLATE),
    Column("Selector", lambda obj, _now_s: labels_text(obj.map("spec", "selector")), True, description="Which pods it manages."),
)
DEPLOYMENT_COLUMNS = (
    NAME,
    READY,
    number_column("Up-to-date", "status", "updatedReplicas", description="How many pods are of the newest template."),
    number_column("Available", "status", "availableReplicas", description="How many pods have been ready for minReadySeconds."),
    AGE,
    *_WIDE,
)
STATEFULSET_COLUMNS = (NAME, READY, AGE, *_containers(*_TEMPLATE))
DAEMONSET_COLUMNS = (
    NAME,
    number_column("Desired", "status", "desiredNumberScheduled", description="How many nodes should run its pod."),
    number_column("Current", "status", "currentNumberScheduled", description="How many of them have one."),
    number_column("Ready", "status", "numberReady", description="How many have a ready one."),
    number_column("Up-to-date", "status", "updatedNumberScheduled", description="How many have one of the newest template."),
    number_column("Available", "status", "numberAvailable", description="How many have an available one."),
    Column(
        "Node Selector",
        lambda obj, _now_s: labels_text(obj.map(*_TEMPLATE, "nodeSelector")),
        description="Which nodes it is for.",
    ),
    AGE,
    *_WIDE,
)


def _is_true(job: Look, type_: str) -> bool:
    return job.condition(type_).text("status") == "True"


def job_status(job: Look) -> str:
    """Complete, Failed, Terminating, Suspended, FailureTarget or Running."""
    for type_ in ("Complete", "Failed"):
        if _is_true(job, type_):
            return type_
    if job.has("metadata", "deletionTimestamp"):
        return "Terminating"
    return next((type_ for type_ in ("Suspended", "FailureTarget") if _is_true(job, type_)), "Running")


def _completions(job: Look, _now_s: float) -> Value:
    done = job.number("status", "succeeded")
    if job.has("spec", "completions"):
        return f"{done}/{job.number('spec', 'completions')}"
    parallelism = job.number("spec", "parallelism")
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(job: Look, now_s: float) -> Value:
    begin = epoch_s(job.text("status", "startTime"))
    end = epoch_s(job.text("status", "completionTime"))
    return "" if begin is None else human_duration((now_s if end is None else end) - begin)


JOB_COLUMNS = (
    NAME,
    Column("Status", lambda job, _now_s: job_status(job), description="How it stands."),
    Column("Completions", _completions, description="How many pods succeeded, out of those that have to."),
    Column("Duration", _job_duration, description="How long it took, or takes so far."),
    AGE,
    *_WIDE,
)


def bool_text(value: object) -> str:
    """True, False or <unset>."""
    return str(value) if isinstance(value, bool) else UNSET


def _last_schedule(cron: Look, now_s: float) -> Value:
    return age(cron.text("status", "lastScheduleTime"), now_s) if cron.has("status", "lastScheduleTime") else NONE


def _active(cron: Look, _now_s: float) -> Value:
    return len(cron.items("status", "active"))


CRONJOB_COLUMNS = (
    NAME,
    text_column("Schedule", "spec", "schedule", description="When it runs, in cron's form."),
    text_column("Timezone", "spec", "timeZone", default=NONE, description="Whose clock counts."),
    Column("Suspend", lambda cron, _now_s: bool_text(cron.at("spec", "suspend")), type="boolean", description="Whether it is held."),
    Column("Active", _active, type="integer", description="How many of its jobs run."),
    Column("Last Schedule", _last_schedule, description="The time since its last job."),
    AGE,
    *_containers(*_JOB_TEMPLATE),
    _selector("spec", "jobTemplate", "spec", "selector"),
)
PODTEMPLATE_COLUMNS = (
    NAME,
    _of_containers("Containers", "name", ("template", "spec"), wide=False),
    _of_containers("Images", "image", ("template", "spec"), wide=False),
    Column("Pod Labels", lambda obj, _now_s: labels_text(obj.map("template", "metadata", "labels")), description="The labels of its pods."),
)


def _controller(obj: Look, _now_s: float) -> Value:
    owner = obj.controller()
    if owner.tree is None:
        return NONE
    group, slash, _version = owner.text("apiVersion").rpartition("/")
    kind = f"{owner.text('kind')}.{group}" if slash else owner.text("kind")
    return f"{kind.lower()}/{owner.text('name')}"


CONTROLLERREVISION_COLUMNS = (
    NAME,
    Column("Controller", _controller, description="Whose revision it is."),
    number_column("Revision", "revision", description="Its number."),
    AGE,
)


# -- autoscaling and disruption -----------------------------------------------------------------------------------------------------

_SOURCES = {"External": "external", "Pods": "pods", "Object": "object", "Resource": "resource", "ContainerResource": "containerResource"}


def _metric(spec: Look, status: Look) -> str:
    source = _SOURCES.get(spec.text("type"))
    if source is None:
        return "<unknown type>"
    target, current = spec.below(source, "target"), status.below(source, "current")
    if source in ("resource", "containerResource"):
        name = spec.text(source, "name")
        if target.has("averageValue"):
            return f"{name}: {_amount(current, 'averageValue')}/{canonical_quantity(target.at('averageValue'))}"
        wanted = f"{target.number('averageUtilization')}%" if target.has("averageUtilization") else "<auto>"
        seen = f"{current.number('averageUtilization')}%" if current.has("averageUtilization") else UNKNOWN
        return f"{name}: {seen}/{wanted}"
    if target.has("averageValue"):
        average = "" if source == "pods" else " (avg)"
        return f"{_amount(current, 'averageValue')}/{canonical_quantity(target.at('averageValue'))}{average}"
    return f"{_amount(current, 'value')}/{canonical_quantity(target.at('value'))}"


def _amount(current: Look, field: str) -> str:
    return canonical_quantity(current.at(field)) if current.has(field) else UNKNOWN


def _targets(hpa: Look, _now_s: float) -> Value:
    wanted = hpa.items("spec", "metrics")
    if not wanted and hpa.has("spec", "targetCPUUtilizationPercentage"):  # version v1 says it so
        seen = hpa.text("status", "currentCPUUtilizationPercentage")
        return f"cpu: {f'{seen}%' if seen else UNKNOWN}/{hpa.number('spec', 'targetCPUUtilizationPercentage')}%"
    found = hpa.items("status", "currentMetrics")
    texts = [_metric(one, found[index] if index < len(found) else Look(None)) for index, one in enumerate(wanted)]
    if not texts:
        return NONE
    shown = ", ".join(texts[:2])
    return f"{shown} + {len(texts) - 2} more..." if len(texts) > 2 else shown


HPA_COLUMNS = (
    NAME,
    Column(
        "Reference",
        lambda hpa, _now_s: f"{hpa.text('spec', 'scaleTargetRef', 'kind')}/{hpa.text('spec', 'scaleTargetRef', 'name')}",
        description="What it scales.",
    ),
    Column("Targets", _targets, description="What is measured, and what is wanted."),
    text_column("MinPods", "spec", "minReplicas", default=UNSET, description="The fewest pods."),
    number_column("MaxPods", "spec", "maxReplicas", description="The most pods."),
    number_column("Replicas", "status", "currentReplicas", description="The pods there are."),
    AGE,
)
PDB_COLUMNS = (
    NAME,
    text_column("Min Available", "spec", "minAvailable", default="N/A", description="How many pods must stay available."),
    text_column("Max Unavailable", "spec", "maxUnavailable", default="N/A", description="How many pods may be missing."),
    number_column("Allowed Disruptions", "status", "disruptionsAllowed", description="How many pods may be evicted now."),
    AGE,
)
