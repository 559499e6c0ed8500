"""The scenario of Jobs and a CronJob: pods that end, well or ill, each of which counts once."""

from __future__ import annotations

import random
from typing import Any

from callboard.runtime.chaos.scenarios.drafting import Draft, Scenario, apply, change, moments, remove, template
from callboard.runtime.faults import plan as p

JOBS, CRON_JOBS = "jobs.batch", "cronjobs.batch"
OF_SUM = "batch.kubernetes.io/job-name=sum"
FIRST_MINUTE_S = 60.0
"""When the first moment of a schedule of every minute comes."""


def _job_spec(rng: random.Random, app: str) -> dict[str, Any]:
    pods = template(app, rng.choice(("task:1", "task:1", "faltering:1")), grace_s=rng.choice((1, 8)))
    restarts, forgives = rng.choice(("Never", "OnFailure")), rng.random() < 0.3
    spec: dict[str, Any] = {
        "completions": rng.randint(1, 4),
        "parallelism": rng.randint(1, 3),
        "completionMode": rng.choice(("NonIndexed", "Indexed")),
        "backoffLimit": rng.choice((0, 2, 6)),
        "podReplacementPolicy": rng.choice(("TerminatingOrFailed", "Failed")),
        "template": {**pods, "spec": {**pods["spec"], "restartPolicy": restarts}},
    }
    if restarts == "Never" and forgives:
        spec["podFailurePolicy"] = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
        spec["podReplacementPolicy"] = "Failed"
    return spec


def _job(rng: random.Random, name: str) -> dict[str, Any]:
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": _job_spec(rng, name)}


def tasks(rng: random.Random) -> Draft:
    """Two Jobs to which users do what they do: they rest, lose pods, change their width, are made again. One schedule in three is about a
    CronJob as well, whose first moment comes in the middle of it."""
    if rng.random() < 1 / 3:
        return _around_a_minute(rng)
    jobs = {name: _job(rng, name) for name in ("sum", "mail")}
    operations: list[p.AnyOperation] = [apply(0.0, jobs["sum"]), apply(1.0, jobs["mail"])]
    for at_s in moments(rng, rng.randint(3, 5), 11.0, first_s=0.5):
        operations += _act(rng, at_s, jobs["mail"])
    operations.append(change(12.0, JOBS, "mail", {"spec": {"parallelism": 1}}))
    return Draft(operations=tuple(operations), nodes=rng.randint(1, 2), apiservers=rng.randint(1, 2), controllers=1)


def _act(rng: random.Random, at_s: float, mail: dict[str, Any]) -> list[p.AnyOperation]:
    """One thing that users do to the Jobs `sum` and `mail`."""
    act = rng.choice(("rest", "lost", "again", "width", "done"))
    if act == "rest":
        rests = [(at_s, True), (at_s + rng.choice((0.3, 1.5)), False)]
        return [change(moment_s, JOBS, "sum", {"spec": {"suspend": suspend}}) for moment_s, suspend in rests]
    if act == "lost":
        return [p.Evict(at_s=at_s, labels=OF_SUM)]
    if act == "width":
        return [change(at_s, JOBS, "mail", {"spec": {"parallelism": rng.randint(0, 3)}})]
    if act == "done":
        return [change(at_s, JOBS, "mail", {"spec": {"ttlSecondsAfterFinished": rng.choice((0, 3))}})]
    how = rng.choice(("Background", "Foreground"))
    return [remove(at_s, JOBS, "mail", propagation=how), apply(at_s + rng.choice((0.0, 0.5)), mail)]


def _around_a_minute(rng: random.Random) -> Draft:
    """A CronJob of every minute and what users do to it about its first moment."""
    spec = {
        "schedule": "* * * * *",
        "concurrencyPolicy": rng.choice(("Allow", "Forbid", "Replace")),
        "successfulJobsHistoryLimit": rng.randint(0, 2),
        "jobTemplate": {"spec": _job_spec(rng, "tick")},
    }
    made = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": spec}
    operations: list[p.AnyOperation] = [apply(0.0, made), apply(FIRST_MINUTE_S - 1.0, _job(rng, "sum"))]
    for at_s in moments(rng, rng.randint(3, 5), FIRST_MINUTE_S + 5.0, first_s=FIRST_MINUTE_S - 1.0):
        act = rng.choice(("rest", "again", "lost", "policy", "gone"))
        if act == "rest":
            rests = [(at_s, True), (at_s + rng.choice((0.3, 1.5)), False)]
            operations += [change(moment_s, CRON_JOBS, "tick", {"spec": {"suspend": suspend}}) for moment_s, suspend in rests]
        elif act == "again":
            operations += [remove(at_s, CRON_JOBS, "tick"), apply(at_s + rng.choice((0.0, 0.5)), made)]
        elif act == "lost":
            operations.append(p.Evict(at_s=at_s, labels="app=tick"))
        elif act == "policy":
            policy = rng.choice(("Allow", "Forbid", "Replace"))
            operations.append(change(at_s, CRON_JOBS, "tick", {"spec": {"concurrencyPolicy": policy}}))
        else:
            operations.append(change(at_s, JOBS, "sum", {"spec": {"parallelism": rng.randint(0, 2)}}))
    operations.append(change(FIRST_MINUTE_S + 6.0, JOBS, "sum", {"spec": {"parallelism": 1}}))
    return Draft(
        operations=tuple(operations), nodes=rng.randint(1, 2), apiservers=rng.randint(1, 2), controllers=1, lasts_s=FIRST_MINUTE_S + 6.0
    )


TASKS = (
    Scenario(
        "tasks",
        "Jobs, and a CronJob, whose pods count once each",
        tasks,
        ("controller/job", "controller/cronjob", "kubelet/node-1"),
    ),
)
