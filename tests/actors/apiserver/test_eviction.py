"""Evictions and disruption budgets. Rules and words: kubernetes pkg/registry/core/pod/storage/eviction.go."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.core import PodCondition, PodStatus
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.generic import GenericObject
from callboard.models.messages.api import BindPod, CreateObject, EvictPod, GetObject, ListObjects, UpdateObject, WriteStatus
from callboard.models.podstatus import condition

BUDGETS = "poddisruptionbudgets.policy"
POD = {"resource": "pods", "namespace": "default"}


def budget(world: Any, name: str, selector: dict[str, Any] | None, policy: str | None = None, **status: Any) -> None:
    spec: dict[str, Any] = {"minAvailable": 1} | ({} if selector is None else {"selector": selector})
    spec |= {} if policy is None else {"unhealthyPodEvictionPolicy": policy}
    obj = GenericObject(
        api_version="policy/v1",
        kind="PodDisruptionBudget",
        metadata=ObjectMeta(name=name, namespace="default"),
        content=freeze({"spec": spec}),
    )
    stored = world.ok(CreateObject, resource=BUDGETS, obj=obj).obj
    if status:
        with_status = replace(stored, content=FrozenMap({**stored.content, "status": freeze({"observedGeneration": 1, **status})}))
        world.ok(UpdateObject, resource=BUDGETS, obj=with_status, subresource="status")
    world.run()


def running(world: Any, objects: Any, name: str, *, ready: bool = True, phase: str = "Running") -> Any:
    made = objects.pod(name)
    stored = world.ok(CreateObject, resource="pods", obj=replace(made, metadata=replace(made.metadata, labels=FrozenMap(app="web")))).obj
    world.ok(BindPod, **POD, name=name, uid=stored.metadata.uid, node_name="n")
    status = PodStatus(phase=phase, conditions=(PodCondition(type="Ready", status="True" if ready else "False"),))
    world.ok(WriteStatus, **POD, name=name, status=status)
    world.run()
    return stored


def pod_now(world: Any, name: str) -> Any:
    return world.ok(GetObject, **POD, name=name).obj


def test_a_pod_that_no_budget_selects_is_deleted_gracefully(world: Any, objects: Any) -> None:
    running(world, objects, "a")
    budget(world, "other", {"matchLabels": {"app": "other"}})
    budget(world, "none", None)
    world.ok(EvictPod, **POD, name="a", grace_period_s=7)
    assert pod_now(world, "a").metadata.deletion_grace_period_seconds == 7


def test_a_budget_is_counted_down_in_the_transaction_of_the_deletion(world: Any, objects: Any) -> None:
    running(world, objects, "a")
    running(world, objects, "b")
    budget(world, "web", {"matchLabels": {"app": "web"}}, disruptionsAllowed=1, desiredHealthy=1, currentHealthy=2)
    written = world.ok(EvictPod, **POD, name="a")
    stored = world.ok(GetObject, resource=BUDGETS, namespace="default", name="web").obj
    assert stored.content["status"]["disruptionsAllowed"] == 0
    assert list(stored.content["status"]["disruptedPods"]) == ["a"]
    assert stored.metadata.resource_version == written.revision
    refusal = world.refused(EvictPod, **POD, name="b")
    assert (refusal.code, refusal.message) == (429, "Cannot evict pod as it would violate the pod's disruption budget.")
    assert refusal.details["causes"][0]["message"] == "The disruption budget web does not allow evicting pods currently"
    (said,) = stored.content["status"]["conditions"]
    assert (said["type"], said["status"], said["reason"]) == ("DisruptionAllowed", "False", "InsufficientPods")
    assert pod_now(world, "b").metadata.deletion_timestamp == ""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"desiredHealthy": 2, "currentHealthy": 2}, "needs 2 healthy pods and has 2 currently"),
        ({"reason": "SyncFailed", "message": "x"}, "does not allow evicting pods currently because it failed sync: x"),
        ({"desiredHealthy": 1, "currentHealthy": 2, "reason": "Y", "message": "x"}, "does not allow evicting pods currently (Y): x"),
    ],
)
def test_a_refusal_says_what_the_status_says(world: Any, objects: Any, status: dict[str, Any], words: str) -> None:
    running(world, objects, "a")
    said = {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": status.get("reason", "InsufficientPods"),
        "message": status.get("message", ""),
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    numbers = {name: value for name, value in status.items() if name.endswith("Healthy")}
    budget(world, "web", {"matchLabels": {"app": "web"}}, disruptionsAllowed=0, conditions=[said], **numbers)
    assert world.refused(EvictPod, **POD, name="a").details["causes"][0]["message"] == f"The disruption budget web {words}"


def test_an_evicted_pod_says_why_it_goes(world: Any, objects: Any) -> None:
    running(world, objects, "a")
    world.ok(EvictPod, **POD, name="a")
    said = condition(pod_now(world, "a"), "DisruptionTarget")
    assert (said.status, said.reason, said.message) == ("True", "EvictionByEvictionAPI", "Eviction API: evicting")


def test_two_evictions_at_once_never_share_one_allowed_disruption(make_world: Any, objects: Any) -> None:
    world = make_world(servers=2)
    for name in ("a", "b", "c", "d"):
        running(world, objects, name)
    budget(world, "web", {"matchLabels": {"app": "web"}}, disruptionsAllowed=2)
    answers: list[Any] = []
    outlet = world.system.outlet(answers.append)
    for number, name in enumerate(("a", "b", "c", "d")):
        world.system.post(f"apiserver-{number % 2}", EvictPod(number, outlet, "pods", "default", name))
    world.run(5.0)
    assert sorted(getattr(answer, "code", 200) for answer in answers) == [200, 200, 429, 429]
    pods = world.ok(ListObjects, resource="pods").objects
    assert sum(bool(one.metadata.deletion_timestamp) for one in pods) == 2


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_pods_that_do_not_serve_go_without_a_budget(world: Any, objects: Any, phase: str) -> None:
    running(world, objects, "a", ready=False, phase=phase)
    budget(world, "web", {"matchLabels": {"app": "web"}}, disruptionsAllowed=0)
    world.ok(EvictPod, **POD, name="a")


def test_a_pod_that_is_not_ready_goes_uncounted_while_enough_are_healthy(world: Any, objects: Any) -> None:
    running(world, objects, "a", ready=False)
    budget(world, "web", {}, disruptionsAllowed=0, desiredHealthy=1, currentHealthy=1)
    world.ok(EvictPod, **POD, name="a")


@pytest.mark.parametrize(("policy", "goes"), [("AlwaysAllow", True), ("IfHealthyBudget", False), (None, False)])
def test_a_pod_that_is_not_ready_goes_from_a_disrupted_workload_only_if_its_budget_says_so(
    world: Any, objects: Any, policy: str | None, goes: bool
) -> None:
    running(world, objects, "a", ready=False)
    running(world, objects, "b")
    budget(world, "web", {}, policy, disruptionsAllowed=0, desiredHealthy=2, currentHealthy=1)
    if goes:
        world.ok(EvictPod, **POD, name="a")
    else:
        assert world.refused(EvictPod, **POD, name="a").code == 429
    assert world.refused(EvictPod, **POD, name="b").code == 429


def test_a_budget_that_its_controller_has_not_seen_allows_nothing(world: Any, objects: Any) -> None:
    running(world, objects, "a")
    budget(world, "web", {"matchLabels": {"app": "web"}})
    refusal = world.refused(EvictPod, **POD, name="a")
    assert refusal.details["causes"][0]["message"] == "The disruption budget web is still being processed by the server."


def test_two_budgets_for_one_pod_are_refused_in_words(world: Any, objects: Any) -> None:
    running(world, objects, "a")
    for name in ("one", "two"):
        budget(world, name, {"matchLabels": {"app": "web"}}, disruptionsAllowed=1)
    refusal = world.refused(EvictPod, **POD, name="a")
    assert refusal.code == 500
    assert refusal.message == "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


def test_another_pod_of_the_name_and_none_are_told_apart(world: Any, objects: Any) -> None:
    running(world, objects, "a")
    assert world.refused(EvictPod, **POD, name="a", uid="other").reason == "Conflict"
    assert world.refused(EvictPod, **POD, name="none").message == 'pods "none" not found'
