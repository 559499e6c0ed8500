"""Jobs and CronJobs as a user meets them: applied, waited for, rested, deleted, with the garbage collector and the kubelets at work."""

from __future__ import annotations

from typing import Any

import pytest

from callboard import Behaviour, Cluster, Simulation
from callboard.models.errors import Invalid
from callboard.models.podstatus import is_ready

IMAGES = {
    "task:1": Behaviour(exits=[0], runs_for="2s"),
    "web:1": Behaviour(),
    "bad:1": Behaviour(exits=[1], runs_for="1s"),
    "faltering:1": Behaviour(exits=[1, 0], runs_for="1s"),
}


def manifest(name: str = "sum", image: str = "task:1", policy: str = "Never", **spec: Any) -> dict[str, Any]:
    pods = {"restartPolicy": policy, "terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": image}]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {**spec, "template": {"spec": pods}}}


def cron_manifest(schedule: str = "*/5 * * * *", image: str = "task:1", **spec: Any) -> dict[str, Any]:
    template = {"spec": manifest(image=image)["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick"},
        "spec": {"schedule": schedule, "jobTemplate": template, **spec},
    }


def phases(s: Any) -> list[str]:
    return sorted(pod.status.phase for pod in s.list("pods"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cluster(nodes=2, timing="fast", images=IMAGES),
        lambda: Cluster(nodes=2, timing="fast", images=IMAGES, system="threaded"),
        lambda: Simulation(nodes=2, seed=1, images=IMAGES),
    ],
    ids=["real", "threads", "simulated"],
)
def test_a_job_runs_to_its_end_on_every_system(make: Any) -> None:
    with make() as c:
        c.apply(manifest(completions=3, parallelism=2, completionMode="Indexed"))
        done = c.wait("job/sum", timeout="60s")
        assert (done.status.succeeded, done.status.completed_indexes) == (3, "0-2")
        assert phases(c) == ["Succeeded"] * 3
        assert [pod.metadata.finalizers for pod in c.list("pods")] == [()] * 3


def test_a_job_that_fails_says_why_and_how_often() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(image="bad:1", backoffLimit=2))
        failed = s.wait("job/sum", "Failed", timeout="5m")
        assert failed.status.failed == 3
        assert "BackoffLimitExceeded" in [one.reason for one in s.list("events")]
        assert phases(s) == ["Failed"] * 3


def test_a_failure_policy_fails_the_job_at_once_or_forgives() -> None:
    fatal = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(image="bad:1", podFailurePolicy={"rules": [fatal]}))
        failed = s.wait("job/sum", "Failed", timeout="1m").status
        assert (failed.failed, failed.conditions[-1].reason) == (1, "PodFailurePolicy")
        assert "failed with exit code 1 matching FailJob rule at index 0" in failed.conditions[-1].message


def test_a_pod_that_is_evicted_counts_for_nothing_where_the_failure_policy_says_so() -> None:
    forgiving = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    with Simulation(nodes=2, seed=1, images=IMAGES) as s:
        s.apply(manifest(image="web:1", backoffLimit=0, podFailurePolicy={"rules": [forgiving]}))
        s.wait("job/sum", lambda it: it.status is not None and it.status.ready == 1)
        (pod,) = s.list("pods")
        s.nodes[pod.spec.node_name].drain()
        s.wait("job/sum", lambda it: (it.status.failed, it.status.ready) == (None, 1), timeout="2m")
        assert [one.spec.node_name for one in s.list("pods")] != [pod.spec.node_name]


def test_containers_that_are_started_again_in_place_need_no_other_pod() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(image="faltering:1", policy="OnFailure"))
        s.wait("job/sum", timeout="5m")
        (pod,) = s.list("pods")
        assert pod.status.container_statuses[0].restart_count == 1


def test_a_job_whose_time_is_over_ends_its_pods() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(image="web:1", activeDeadlineSeconds=30))
        s.wait("job/sum", "Failed", timeout="2m")
        (reason,) = {one.reason for one in s.get("job/sum").status.conditions}
        assert reason == "DeadlineExceeded"
        assert s.list("pods") == []


def test_a_job_that_rests_goes_on_later() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(completions=2, suspend=True))
        s.settle()
        assert s.list("pods") == []
        assert [one.type for one in s.get("job/sum").status.conditions] == ["Suspended"]
        s.apply(manifest(completions=2, suspend=False))
        s.wait("job/sum")
        assert phases(s) == ["Succeeded"] * 2


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_deleted_job_takes_its_pods_with_it(propagation: Any) -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(image="web:1", parallelism=2, completions=2))
        s.wait("job/sum", lambda it: it.status is not None and it.status.ready == 2)
        s.delete("job/sum", propagation=propagation)
        s.advance("1m")
        assert (s.list("jobs"), s.list("pods")) == ([], [])


def test_orphans_of_a_deleted_job_run_on_and_can_be_deleted() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(image="web:1"))
        s.wait("job/sum", lambda it: it.status is not None and it.status.ready == 1)
        s.delete("job/sum", propagation="Orphan")
        s.settle()
        (pod,) = s.list("pods")
        assert (is_ready(pod), pod.metadata.finalizers, pod.metadata.owner_references) == (True, (), ())
        s.delete(f"pod/{pod.metadata.name}")
        s.settle()
        assert s.list("pods") == []


def test_a_namespace_with_a_running_job_can_go() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "batch"}})
        s.apply({**manifest(image="web:1"), "metadata": {"name": "sum", "namespace": "batch"}})
        s.settle()
        assert len(s.list("pods", namespace="batch")) == 1
        s.delete("namespace/batch")
        s.advance("2m")
        assert [one.metadata.name for one in s.list("namespaces") if one.metadata.name == "batch"] == []


def test_a_pod_on_a_lost_node_is_replaced_and_counts_as_failed() -> None:
    with Simulation(nodes=2, seed=1, timing="fast", images=IMAGES) as s:
        s.apply(manifest(image="web:1"))
        s.wait("job/sum", lambda it: it.status is not None and it.status.ready == 1)
        (pod,) = s.list("pods")
        s.nodes[pod.spec.node_name].crash()
        s.wait("job/sum", lambda it: (it.status.failed, it.status.ready) == (1, 1), timeout="2m")


def test_a_finished_job_goes_with_its_pods_when_its_time_is_over() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(manifest(ttlSecondsAfterFinished=600))
        s.wait("job/sum")
        s.settle()
        assert len(s.list("jobs")) == 1
        s.advance("601s")
        assert (s.list("jobs"), s.list("pods")) == ([], [])


def test_the_example_runs_and_what_nobody_described_comes_to_an_end() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply("examples/report.yaml")
        s.wait("job/report")
        s.advance("5m30s")
        assert [one.metadata.name.rpartition("-")[0] for one in s.list("jobs")] == ["nightly", ""]
        assert {pod.status.phase for pod in s.list("pods")} == {"Succeeded"}
        assert {event.source.component for event in s.list("events") if event.reason == "SuccessfulCreate"} == {
            "job-controller",
            "cronjob-controller",
        }


def test_what_the_controller_does_not_do_is_refused() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s, pytest.raises(Invalid, match="doesn't act on successPolicy"):
        s.apply(manifest(successPolicy={"rules": []}))


def test_a_cron_job_makes_a_job_for_every_moment_and_keeps_the_last_three() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(cron_manifest())
        s.settle()
        assert s.list("jobs") == []
        s.advance("26m")
        made = sorted(one.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] for one in s.list("jobs"))
        assert made == [f"2026-01-01T00:{minute}:00Z" for minute in (15, 20, 25)]
        status = s.get("cronjob/tick").status
        assert (status.active, status.last_schedule_time) == ((), "2026-01-01T00:25:00Z")
        assert len(s.list("pods")) == 3
        s.delete("cronjob/tick")
        s.settle()
        assert (s.list("jobs"), s.list("pods")) == ([], [])


def test_a_schedule_follows_its_time_zone() -> None:
    with Simulation(nodes=1, seed=1, images=IMAGES) as s:
        s.apply(cron_manifest("30 1 * * *", timeZone="Europe/Berlin"))
        s.advance("31m")
        (job,) = s.list("jobs")
        assert job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-01-01T01:30:00+01:00"
