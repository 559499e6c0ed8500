"""The CronJob controller with a real store, apiserver and Job controller, while messages are lost and late and processes restart."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.cronjob.actor import CronJobController
from callboard.actors.job.actor import JobController
from callboard.models.api.batch import CronJob, CronJobSpec, JobTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.jobs import SCHEDULED
from callboard.models.messages.api import PatchObject
from callboard.models.timing import FAST
from tests.actors.controller.playground import Playground
from tests.actors.job.test_on_a_system import JOBS, Workers, job

CRON_JOBS = "cronjobs.batch"
ME = "controller/cronjob"


def cron_job(image: str = "task", **spec: Any) -> CronJob:
    """A CronJob of every minute, as a user makes it."""
    fields = {"schedule": "* * * * *", "job_template": JobTemplateSpec(spec=job(image=image).spec), **spec}
    return CronJob(metadata=ObjectMeta(name="tick", namespace="default"), spec=CronJobSpec(**fields))


def playground(**more: Any) -> Playground:
    """A world with both controllers in it."""
    world = Playground(nodes=Workers, **more)
    world.system.start("controller/job", JobController, world.client, FAST)
    world.system.start(ME, CronJobController, world.client)
    world.system.run_for(0.1)
    return world


def moments(world: Playground) -> list[str]:
    return sorted(one.metadata.annotations[SCHEDULED] for one in world.all(JOBS))


def test_every_minute_has_its_job_and_the_last_three_stay() -> None:
    world = playground()
    world.create(CRON_JOBS, cron_job())
    world.system.run_for(60 * 5 + 30)
    status = world.get(CRON_JOBS, "tick").status
    assert len(world.all(JOBS)) == 3
    assert (status.active, status.last_schedule_time) == ((), moments(world)[-1])
    assert status.last_successful_time >= status.last_schedule_time


def test_a_cluster_with_a_schedule_comes_to_rest_between_its_moments() -> None:
    world = playground()
    world.create(CRON_JOBS, cron_job(schedule="@yearly"))
    world.system.settle()
    assert world.all(JOBS) == []


@pytest.mark.parametrize("seed", range(4))
def test_no_moment_has_two_jobs_though_every_other_answer_is_lost(seed: int) -> None:
    world = playground(seed=seed, servers=1 + seed % 2)
    made = world.count(ME, "CreateObject")
    world.lose_every(2, ME, "Written", "Refused")
    world.create(CRON_JOBS, cron_job(successful_jobs_history_limit=100))
    world.system.run_for(60 * 4 + 30)
    assert len(moments(world)) == len(set(moments(world))) >= 4
    assert made() <= 3 * len(moments(world))


@pytest.mark.parametrize("seed", range(3))
def test_no_moment_has_two_jobs_across_restarts(seed: int) -> None:
    world = playground(seed=seed)
    world.create(CRON_JOBS, cron_job(successful_jobs_history_limit=100))
    for _ in range(30):
        world.system.run_for(7.3)
        world.system.restart(ME)
    world.system.run_for(10)
    assert len(moments(world)) == len(set(moments(world))) == 4 or len(moments(world)) == 3


def test_nothing_is_watched_nor_remembered_without_cron_jobs() -> None:
    world = playground()
    controller = world.system.look(ME)
    assert controller.views == {}
    world.create(CRON_JOBS, cron_job())
    world.system.run_for(70)
    world.delete(CRON_JOBS, "tick")
    world.system.run_for(5)
    assert (controller.views, controller._memories) == ({}, {})


def test_a_forbidden_job_waits_for_the_one_before_it_and_a_replaced_one_goes() -> None:
    world = playground()
    world.create(CRON_JOBS, cron_job("endless", concurrency_policy="Forbid"))
    world.system.run_for(60 * 3)
    assert len(world.all(JOBS)) == 1
    first = world.all(JOBS)[0].metadata.uid
    patch = FrozenMap(spec=FrozenMap(concurrencyPolicy="Replace"))
    world.ask(PatchObject, resource=CRON_JOBS, namespace="default", name="tick", type="merge", patch=patch)
    world.system.run_for(60)
    (only,) = world.all(JOBS)
    assert only.metadata.uid != first
    assert [one.uid for one in world.get(CRON_JOBS, "tick").status.active] == [only.metadata.uid]
