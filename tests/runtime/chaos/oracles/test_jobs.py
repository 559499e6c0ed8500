"""Oracles of Jobs and CronJobs: each with a history that breaks it, and one that is right."""

from __future__ import annotations

from typing import Any

from callboard.models.api.batch import CronJob, Job
from callboard.models.base import FrozenMap, replace
from callboard.models.jobs import COMPLETION_INDEX, SCHEDULED, TRACKING
from callboard.runtime.chaos.oracles import jobs

from .fake import FakeWorld, _made, pod

KEY = "jobs.batch/default/sum"
OWNER = ("Job", "sum", "uid-sum")


def job(*, ended: str = "", uid: str = "uid-sum", status: dict[str, Any] | None = None, **spec: Any) -> Job:
    """A Job of three completions, two at a time, if nothing else is said."""
    conditions = [{"type": ended, "status": "True"}] if ended else []
    tree = {
        "metadata": {"name": "sum", "namespace": "default", "uid": uid},
        "spec": {"completions": 3, "parallelism": 2, **spec},
        "status": {"conditions": conditions, **(status or {})},
    }
    return _made(Job, tree)


def task(name: str, phase: str = "Running", *, tracked: bool = True, index: int | None = None, **more: Any) -> Any:
    """A pod of the Job."""
    made = pod(name, phase=phase, owner=OWNER, **more)
    annotations = FrozenMap({} if index is None else {COMPLETION_INDEX: str(index)})
    return replace(made, metadata=replace(made.metadata, finalizers=(TRACKING,) if tracked else (), annotations=annotations))


def put(world: FakeWorld, oracle: Any, made: Any) -> Any:
    return world.put(oracle, f"pods/default/{made.metadata.name}", made)


# -- an end counts once -------------------------------------------------------------------------------------------------------------------


def test_more_successes_than_pods_have_succeeded_are_noticed() -> None:
    world, oracle = FakeWorld(), jobs.EndsCountOnce()
    put(world, oracle, task("a", "Succeeded"))
    assert world.put(oracle, KEY, job(status={"uncountedTerminatedPods": {"succeeded": ["uid-a"]}})) is None
    world.put(oracle, "pods/default/a", None)
    assert world.put(oracle, KEY, job(status={"succeeded": 1})) is None, "it has succeeded, though it is gone"
    found = world.put(oracle, KEY, job(status={"succeeded": 1, "uncountedTerminatedPods": {"succeeded": ["uid-a"]}}))
    assert found is not None
    assert "counts 2 successes, and 1 there have been" in found.words


def test_more_failures_than_pods_have_failed_or_were_deleted_are_noticed() -> None:
    world, oracle = FakeWorld(), jobs.EndsCountOnce()
    put(world, oracle, task("a", "Failed"))
    put(world, oracle, task("b", going=True))
    assert world.put(oracle, KEY, job(status={"failed": 1, "uncountedTerminatedPods": {"failed": ["uid-b"]}})) is None
    found = world.put(oracle, KEY, job(status={"failed": 3}))
    assert found is not None
    assert "counts 3 failures" in found.words


def test_an_index_succeeds_once_however_many_pods_do() -> None:
    world, oracle = FakeWorld(), jobs.EndsCountOnce()
    put(world, oracle, task("a", "Succeeded", index=0))
    put(world, oracle, task("b", "Succeeded", index=0))
    assert world.put(oracle, KEY, job(completionMode="Indexed", status={"succeeded": 1, "completedIndexes": "0"})) is None
    assert world.put(oracle, KEY, job(completionMode="Indexed", status={"succeeded": 2, "completedIndexes": "0,1"})) is not None


# -- no surplus tasks ---------------------------------------------------------------------------------------------------------------------


def test_more_pods_at_a_time_than_a_job_was_ever_asked_to_run_are_noticed() -> None:
    world, oracle = FakeWorld(), jobs.NoSurplusTasks()
    world.put(oracle, KEY, job(completions=9))
    assert put(world, oracle, task("a")) is None
    assert put(world, oracle, task("b")) is None
    world.put(oracle, KEY, job(completions=9, parallelism=1))
    found = put(world, oracle, task("c"))
    assert found is not None
    assert "2 pods at a time at most and has 3" in found.words


def test_pods_that_are_let_go_of_deleted_or_failed_leave_room_for_others() -> None:
    world, oracle = FakeWorld(), jobs.NoSurplusTasks()
    world.put(oracle, KEY, job(completions=2))
    for name, then in (("a", {"tracked": False}), ("b", {"going": True}), ("c", {"phase": "Failed"})):
        assert put(world, oracle, task(name)) is None
        put(world, oracle, task(name, **then))
    assert put(world, oracle, task("d")) is None
    assert put(world, oracle, task("e")) is None


def test_a_pod_more_than_a_job_needs_is_noticed() -> None:
    world, oracle = FakeWorld(), jobs.NoSurplusTasks()
    world.put(oracle, KEY, job(completions=2))
    for name in ("a", "b"):
        assert put(world, oracle, task(name)) is None
        put(world, oracle, task(name, "Succeeded"))
        put(world, oracle, task(name, "Succeeded", tracked=False))
    found = put(world, oracle, task("c"))
    assert found is not None
    assert "needs 2 pods and has 3" in found.words


def test_a_pod_that_succeeded_after_it_was_deleted_has_another_in_its_place() -> None:
    world, oracle = FakeWorld(), jobs.NoSurplusTasks()
    world.put(oracle, KEY, job(completions=1))
    put(world, oracle, task("a"))
    put(world, oracle, task("a", going=True))
    put(world, oracle, task("a", "Succeeded", going=True))
    assert put(world, oracle, task("b")) is None


def test_a_second_pod_of_an_index_is_noticed() -> None:
    world, oracle = FakeWorld(), jobs.NoSurplusTasks()
    world.put(oracle, KEY, job(completionMode="Indexed"))
    assert put(world, oracle, task("a", index=0)) is None
    put(world, oracle, task("a", "Failed", index=0))
    assert put(world, oracle, task("b", index=0)) is None
    put(world, oracle, task("b", "Succeeded", index=0))
    assert put(world, oracle, task("c", index=1)) is None
    found = put(world, oracle, task("d", index=0))
    assert found is not None
    assert "index 0 of its Job has 2 pods" in found.words


# -- jobs are done ------------------------------------------------------------------------------------------------------------------------


def test_at_rest_a_job_has_finished_unless_it_rests() -> None:
    world, oracle = FakeWorld(), jobs.JobsAreDone()
    for made, wrong in (
        (job(), True),
        (job(suspend=True), False),
        (job(parallelism=0), False),
        (job(ended="Failed"), False),
        (job(ended="Complete", status={"succeeded": 3}), False),
        (job(ended="Complete", status={"succeeded": 2}), True),
        (job(ended="Complete", status={"succeeded": 3, "uncountedTerminatedPods": {"failed": ["u"]}}), True),
        (job(ended="Complete", completionMode="Indexed", status={"succeeded": 3, "completedIndexes": "0-2"}), False),
        (job(ended="Complete", completionMode="Indexed", status={"succeeded": 3, "completedIndexes": "0,1"}), True),
    ):
        world.put(oracle, KEY, made)
        assert (oracle.at_rest(world) is not None) == wrong, made


def test_at_rest_no_pod_of_a_finished_job_runs_or_keeps_its_finalizer() -> None:
    world, oracle = FakeWorld(), jobs.JobsAreDone()
    world.put(oracle, KEY, job(ended="Complete", status={"succeeded": 3}))
    put(world, oracle, task("a", "Succeeded", tracked=False))
    assert oracle.at_rest(world) is None
    put(world, oracle, task("a", "Succeeded"))
    assert oracle.at_rest(world) is not None
    put(world, oracle, task("a", "Running", tracked=False))
    assert oracle.at_rest(world) is not None


def test_at_rest_no_pod_keeps_the_finalizer_of_a_job_that_is_gone() -> None:
    world, oracle = FakeWorld(), jobs.JobsAreDone()
    put(world, oracle, task("a", tracked=False))
    assert oracle.at_rest(world) is None
    put(world, oracle, task("a"))
    found = oracle.at_rest(world)
    assert found is not None
    assert "there is no such Job" in found.words


# -- CronJobs -----------------------------------------------------------------------------------------------------------------------------

CRON_KEY = "cronjobs.batch/default/tick"


def cron_job(policy: str = "Allow", active: tuple[str, ...] = (), limit: int = 1) -> CronJob:
    tree = {
        "metadata": {"name": "tick", "namespace": "default", "uid": "uid-tick"},
        "spec": {"schedule": "* * * * *", "concurrencyPolicy": policy, "successfulJobsHistoryLimit": limit},
        "status": {"active": [{"uid": uid} for uid in active]},
    }
    return _made(CronJob, tree)


def made_for(moment: str, name: str, ended: str = "") -> Job:
    found = job(ended=ended, uid=f"uid-{name}")
    owned = pod(name, owner=("CronJob", "tick", "uid-tick")).metadata.owner_references
    meta = replace(found.metadata, name=name, annotations=FrozenMap({SCHEDULED: moment}), owner_references=owned)
    return replace(found, metadata=meta)


def test_a_second_job_for_a_moment_is_noticed() -> None:
    world, oracle = FakeWorld(), jobs.OneJobAMoment()
    world.put(oracle, CRON_KEY, cron_job())
    assert world.put(oracle, "jobs.batch/default/a", made_for("00:01", "a")) is None
    assert world.put(oracle, "jobs.batch/default/b", made_for("00:02", "b")) is None
    world.put(oracle, "jobs.batch/default/a", None)
    assert world.put(oracle, "jobs.batch/default/c", made_for("00:01", "c")) is not None


def test_a_job_beside_another_is_noticed_where_that_was_always_forbidden() -> None:
    for policies, wrong in ((("Forbid",), True), (("Allow",), False), (("Allow", "Forbid"), False)):
        world, oracle = FakeWorld(), jobs.OneJobAMoment()
        for policy in policies:
            world.put(oracle, CRON_KEY, cron_job(policy))
        world.put(oracle, "jobs.batch/default/a", made_for("00:01", "a"))
        found = world.put(oracle, "jobs.batch/default/b", made_for("00:02", "b"))
        assert (found is not None) == wrong
        world.put(oracle, "jobs.batch/default/a", made_for("00:01", "a", "Complete"))
        world.put(oracle, "jobs.batch/default/b", made_for("00:02", "b", "Complete"))
        assert world.put(oracle, "jobs.batch/default/c", made_for("00:03", "c")) is None


def test_at_rest_a_schedule_names_its_jobs_and_keeps_its_limits() -> None:
    world, oracle = FakeWorld(), jobs.SchedulesAreKept()
    world.put(oracle, CRON_KEY, cron_job())
    assert oracle.at_rest(world) is None
    world.put(oracle, "jobs.batch/default/a", made_for("00:01", "a"))
    assert oracle.at_rest(world) is not None
    world.put(oracle, CRON_KEY, cron_job(active=("uid-a",)))
    assert oracle.at_rest(world) is None
    world.put(oracle, CRON_KEY, cron_job())
    world.put(oracle, "jobs.batch/default/a", made_for("00:01", "a", "Complete"))
    assert oracle.at_rest(world) is None
    world.put(oracle, "jobs.batch/default/b", made_for("00:02", "b", "Complete"))
    found = oracle.at_rest(world)
    assert found is not None
    assert "keeps 2 Jobs that are Complete, and its limit is 1" in found.words
