"""The Job controller with a real store and apiserver, while messages are lost, late and repeated, and processes restart."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.component import handles
from callboard.actors.job.actor import JobController
from callboard.models.api.batch import Job, JobSpec
from callboard.models.api.core import Container, Pod, PodSpec, PodStatus, PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.jobs import CONTROLLER_UID, TRACKING, is_tracked
from callboard.models.messages.api import DeleteObject, PatchObject, WriteStatus
from callboard.models.messages.base import Message
from callboard.models.podstatus import condition_is
from callboard.models.timing import FAST
from tests.actors.controller.playground import Nodes, Playground, StartPod

JOBS = "jobs.batch"
ME = "controller/job"


class EndPod(Message, frozen=True, gc=False):
    """Timer: the container of a pod has run to its end."""

    key: str


class Workers(Nodes):
    """Pods that end: after 0.3 s, in failure if their image is called so; those of `endless` images don't."""

    @handles(StartPod)
    def _start(self, timer: StartPod) -> None:
        pod = self.pods.objects.get(timer.key)
        if pod is not None and not _has_ended(pod):
            super()._start(timer)
            self.port.after(0.3, EndPod(timer.key))

    @handles(EndPod)
    def _end(self, timer: EndPod) -> None:
        pod = self.pods.objects.get(timer.key)
        image = pod.spec.containers[0].image if pod is not None else ""
        if pod is None or image == "endless" or pod.metadata.deletion_timestamp or _has_ended(pod):
            return
        phase = "Failed" if image == "failing" else "Succeeded"
        self._ask_status(pod, replace(pod.status or PodStatus(), phase=phase, conditions=()))

    def _ask_status(self, pod: Pod, status: PodStatus) -> None:
        self._ask(WriteStatus, pod, status=status)


def _has_ended(pod: Pod) -> bool:
    return pod.status is not None and pod.status.phase in ("Succeeded", "Failed")


def job(name: str = "sum", image: str = "task", **spec: Any) -> Job:
    """A Job as a user makes it."""
    template = PodTemplateSpec(spec=PodSpec(containers=(Container(name="c", image=image),), restart_policy="Never"))
    return Job(metadata=ObjectMeta(name=name, namespace="default"), spec=JobSpec(template=template, **spec))


def playground(**more: Any) -> Playground:
    """A world with the controller in it."""
    world = Playground(nodes=Workers, **more)
    world.system.start(ME, JobController, world.client, FAST)
    world.system.run_for(0.1)
    return world


def done(world: Playground, name: str = "sum", type_: str = "Complete") -> bool:
    return condition_is(world.get(JOBS, name), type_)


def counts(world: Playground, name: str = "sum") -> tuple[int, int]:
    status = world.get(JOBS, name).status
    return status.succeeded or 0, status.failed or 0


def tracked(world: Playground) -> list[str]:
    return [pod.metadata.name for pod in world.all("pods") if is_tracked(pod)]


def test_a_job_runs_to_its_end_with_no_pod_too_many() -> None:
    world = playground()
    made = world.count(ME, "CreateObject")
    world.create(JOBS, job(completions=5, parallelism=2))
    world.always(lambda: _at_most(world, 2))
    world.until(lambda: done(world))
    world.system.settle()
    assert counts(world) == (5, 0)
    assert made() == len(world.all("pods")) == 5
    assert tracked(world) == []


def _at_most(world: Playground, number: int) -> None:
    assert len([pod for pod in world.live if is_tracked(pod)]) <= number


def test_an_indexed_job_has_each_index_once() -> None:
    world = playground()
    world.create(JOBS, job(completions=4, parallelism=2, completion_mode="Indexed"))
    world.until(lambda: done(world))
    assert world.get(JOBS, "sum").status.completed_indexes == "0-3"
    assert sorted(pod.spec.hostname for pod in world.all("pods")) == ["sum-0", "sum-1", "sum-2", "sum-3"]


def test_a_job_whose_pods_fail_tries_again_after_pauses_and_gives_up() -> None:
    world = playground()
    begun = world.system.now()
    world.create(JOBS, job(image="failing", backoff_limit=2))
    world.until(lambda: done(world, type_="Failed"))
    assert counts(world) == (0, 3)
    assert world.system.now() - begun > FAST.job_back_off_s * (1 + 2)
    assert tracked(world) == []


@pytest.mark.parametrize("seed", range(6))
def test_each_pod_is_counted_once_while_the_controller_hears_of_pods_late(seed: int) -> None:
    world = playground(seed=seed)
    made = world.count(ME, "CreateObject")
    world.hold(1.5, lambda passage: passage.type == "WatchBatch" and passage.target == ME)
    world.create(JOBS, job(completions=4, parallelism=2))
    world.until(lambda: done(world), 120)
    assert counts(world) == (4, 0)
    assert made() == 4


@pytest.mark.parametrize("seed", range(6))
def test_each_pod_is_counted_once_though_every_other_answer_is_lost(seed: int) -> None:
    world = playground(seed=seed, servers=1 + seed % 2)
    world.lose_every(2, ME, "Written", "Refused")
    world.create(JOBS, job(completions=3, parallelism=2, completion_mode="Indexed" if seed % 3 == 0 else "NonIndexed"))
    world.until(lambda: done(world), 300)
    assert counts(world) == (3, 0)
    assert len(world.all("pods")) == 3
    assert tracked(world) == []


@pytest.mark.parametrize("seed", range(4))
def test_each_pod_is_counted_once_across_restarts_of_the_controller(seed: int) -> None:
    world = playground(seed=seed)
    world.create(JOBS, job(completions=4, parallelism=2))
    for _ in range(16):
        world.system.run_for(0.13)
        world.system.restart(ME)
    world.until(lambda: done(world))
    assert counts(world) == (4, 0)
    assert len(world.all("pods")) == 4


def test_a_job_that_rests_has_no_pods_and_goes_on_when_it_is_resumed() -> None:
    world = playground()
    world.create(JOBS, job(completions=2, parallelism=2, image="endless"))
    world.until(lambda: len(world.ready) == 2)
    patch = FrozenMap(spec=FrozenMap(suspend=True))
    world.ask(PatchObject, resource=JOBS, namespace="default", name="sum", type="merge", patch=patch)
    world.until(lambda: not world.all("pods"))
    assert condition_is(world.get(JOBS, "sum"), "Suspended")
    assert counts(world) == (0, 0)
    patch = FrozenMap(spec=FrozenMap(suspend=False))
    world.ask(PatchObject, resource=JOBS, namespace="default", name="sum", type="merge", patch=patch)
    world.until(lambda: len(world.ready) == 2)


def test_a_pod_that_somebody_deletes_counts_as_failed_and_is_replaced() -> None:
    world = playground()
    world.create(JOBS, job(image="endless"))
    world.until(lambda: len(world.ready) == 1)
    gone = world.live[0].metadata
    world.ask(DeleteObject, resource="pods", namespace="default", name=gone.name)
    world.until(lambda: [pod.metadata.uid for pod in world.ready] not in ([], [gone.uid]))
    world.system.settle()
    assert counts(world) == (0, 1)
    assert gone.uid not in [pod.metadata.uid for pod in world.all("pods")]


def test_pods_of_a_job_that_is_gone_lose_their_finalizers() -> None:
    world = playground()
    world.create(JOBS, job(completions=2, parallelism=2, image="endless"))
    world.until(lambda: len(world.ready) == 2)
    world.delete(JOBS, "sum")
    world.until(lambda: not tracked(world))
    assert len(world.live) == 2, "what becomes of them is the garbage collector's"


def test_a_pod_that_loses_the_label_of_its_job_loses_its_finalizer_too() -> None:
    world = playground()
    world.create(JOBS, job(image="endless"))
    world.until(lambda: len(world.ready) == 1)
    name = world.live[0].metadata.name
    patch = FrozenMap(metadata=FrozenMap(labels=FrozenMap({CONTROLLER_UID: None})))
    world.ask(PatchObject, resource="pods", namespace="default", name=name, type="merge", patch=patch)
    world.until(lambda: not is_tracked(world.get("pods", name)))
    assert world.get("pods", name).metadata.owner_references == ()
    world.until(lambda: len(world.ready) == 2)
    world.system.settle()
    assert world.system.look(ME)._lost_sight == {}


def test_orphans_are_adopted_by_a_job_that_selects_them() -> None:
    world = playground()
    world.create(JOBS, job(image="endless"))
    world.until(lambda: len(world.ready) == 1)
    old = world.get(JOBS, "sum")
    pod = world.live[0]
    world.delete(JOBS, "sum")
    world.system.run_for(0.5)
    world.ask(
        PatchObject,
        resource="pods",
        namespace="default",
        name=pod.metadata.name,
        type="merge",
        patch=FrozenMap(metadata=FrozenMap(ownerReferences=None)),
    )
    world.until(lambda: not tracked(world))
    heir: Any = job("heir", image="endless", manual_selector=True, selector=old.spec.selector)
    labels = FrozenMap({CONTROLLER_UID: old.metadata.uid})
    template = replace(heir.spec.template, metadata=ObjectMeta(labels=labels))
    world.create(JOBS, replace(heir, spec=replace(heir.spec, template=template)))
    world.until(lambda: world.get("pods", pod.metadata.name).metadata.owner_references != ())
    world.system.settle()
    assert [one.metadata.name for one in world.live] == [pod.metadata.name]
    assert world.live[0].metadata.finalizers == (TRACKING,)
