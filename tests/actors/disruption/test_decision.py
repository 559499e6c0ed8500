"""What a budget's status has to be. Source: kubernetes pkg/controller/disruption/disruption_test.go, doc page "Disruptions"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.apiserver.eviction import counted_down
from callboard.actors.disruption.decision import Verdict, decide, needs_scale, selector_text
from callboard.models.api.apiextensions import (
    CustomResourceDefinition,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
    CustomResourceSubresourceScale,
)
from callboard.models.api.apps import Deployment, DeploymentSpec, ReplicaSet, ReplicaSetSpec
from callboard.models.api.core import Pod, PodCondition, PodStatus
from callboard.models.api.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.budgets import condition_of, label_selector_of, selects
from callboard.models.errors import TooManyRequests
from callboard.models.generic import GenericObject
from callboard.models.times import parse, rfc3339

NOW_S = parse("2026-01-01T00:00:00Z")
SELECTOR = {"matchLabels": {"app": "web"}}


def gizmos(*subresources: CustomResourceSubresources) -> CustomResourceDefinition:
    versions = tuple(CustomResourceDefinitionVersion(name=f"v{n}", served=True, subresources=one) for n, one in enumerate(subresources, 1))
    spec = CustomResourceDefinitionSpec(group="example.com", versions=versions)
    return CustomResourceDefinition(metadata=ObjectMeta(name="gizmos.example.com"), spec=spec)


SCALE = CustomResourceSubresourceScale(spec_replicas_path=".spec.size", status_replicas_path=".status.size")
GIZMOS = gizmos(CustomResourceSubresources(scale=SCALE))


def budget(status: dict[str, Any] | None = None, **spec: Any) -> GenericObject:
    content = {"spec": {"selector": SELECTOR, **spec}, **({} if status is None else {"status": status})}
    meta = ObjectMeta(name="web", namespace="default", generation=2)
    return GenericObject(api_version="policy/v1", kind="PodDisruptionBudget", metadata=meta, content=freeze(content))


def owner(kind: str, name: str, uid: str = "", api_version: str = "apps/v1") -> tuple[OwnerReference, ...]:
    return (OwnerReference(api_version=api_version, kind=kind, name=name, uid=uid or f"{name}-uid", controller=True),)


def pod(name: str, ready: bool = True, going: bool = False, owners: tuple[OwnerReference, ...] = ()) -> Pod:
    deleted = "2026-01-01T00:00:00Z" if going else ""
    meta = ObjectMeta(
        name=name,
        namespace="default",
        labels=FrozenMap(app="web"),
        deletion_timestamp=deleted,
        owner_references=owners or owner("ReplicaSet", "rs"),
    )
    conditions = (PodCondition(type="Ready", status="True" if ready else "False"),)
    return Pod(metadata=meta, status=PodStatus(phase="Running", conditions=conditions))


def replica_set(replicas: int, owners: tuple[OwnerReference, ...] = ()) -> ReplicaSet:
    return ReplicaSet(metadata=ObjectMeta(name="rs", uid="rs-uid", owner_references=owners), spec=ReplicaSetSpec(replicas=replicas))


def deployment(replicas: int, uid: str = "d-uid") -> Deployment:
    return Deployment(metadata=ObjectMeta(name="d", uid=uid), spec=DeploymentSpec(replicas=replicas))


def judge(one: GenericObject, pods: list[Pod], *workloads: Any, current: bool = True, now_s: float = NOW_S) -> Verdict:
    resources = {
        "Gizmo": "gizmos.example.com",
        "ReplicaSet": "replicasets.apps",
        "Deployment": "deployments.apps",
        "StatefulSet": "statefulsets.apps",
    }
    there = {(resources[getattr(one, "KIND", "") or one.kind], one.metadata.name): one for one in workloads}
    definitions = {("example.com/v1", "Gizmo"): GIZMOS}
    return decide(
        one,
        {pod.metadata.name: pod for pod in pods},
        lambda resource, name: there.get((resource, name)),
        lambda api_version, kind: definitions.get((api_version, kind)),
        now_s,
        current,
    )


def numbers(verdict: Verdict) -> tuple[int, int, int, int]:
    """disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods."""
    status = verdict.status
    return status["disruptionsAllowed"], status["currentHealthy"], status["desiredHealthy"], status["expectedPods"]


def reasons(verdict: Verdict) -> list[str]:
    return [one.reason for one in verdict.tellings]


def test_a_number_that_must_be_available_needs_no_controllers() -> None:
    verdict = judge(budget(minAvailable=2), [pod("a"), pod("b"), pod("c"), pod("d", ready=False)])
    assert numbers(verdict) == (1, 3, 2, 4)
    assert verdict.status["observedGeneration"] == 2
    assert condition_of(verdict.status) == {
        "type": "DisruptionAllowed",
        "status": "True",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "SufficientPods",
        "message": "",
        "observedGeneration": 2,
    }
    assert verdict.tellings == ()
    assert not needs_scale(budget(minAvailable=2))


def test_fewer_healthy_pods_than_wanted_allow_nothing() -> None:
    verdict = judge(budget(minAvailable=3), [pod("a"), pod("b", ready=False), pod("c", going=True)])
    assert numbers(verdict) == (0, 1, 3, 3)
    condition = condition_of(verdict.status)
    assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods")


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"minAvailable": "50%"}, (1, 4, 3, 5)),
        ({"minAvailable": "100%"}, (0, 4, 5, 5)),
        ({"maxUnavailable": 2}, (1, 4, 3, 5)),
        ({"maxUnavailable": 0}, (0, 4, 5, 5)),
        ({"maxUnavailable": 9}, (4, 4, 0, 5)),
        ({"maxUnavailable": "30%"}, (1, 4, 3, 5)),
        ({}, (0, 4, 0, 0)),
    ],
)
def test_shares_are_of_what_the_controllers_want_and_are_rounded_up(spec: dict[str, Any], wanted: tuple[int, ...]) -> None:
    assert numbers(judge(budget(**spec), [pod(name) for name in "abcd"], replica_set(5))) == wanted


def test_a_deployment_speaks_for_its_replica_sets_and_is_counted_once() -> None:
    below = owner("Deployment", "d")
    assert numbers(judge(budget(maxUnavailable=1), [pod("a"), pod("b")], replica_set(3, below), deployment(2))) == (1, 2, 1, 2)
    assert numbers(judge(budget(maxUnavailable=1), [pod("a"), pod("b")], replica_set(3, below), deployment(2, "other"))) == (0, 2, 2, 3)


def test_controllers_of_several_kinds_are_added_up() -> None:
    stateful = GenericObject(
        api_version="apps/v1", kind="StatefulSet", metadata=ObjectMeta(name="db", uid="db-uid"), content=freeze({"spec": {"replicas": 4}})
    )
    pods = [pod("a"), pod("db-0", owners=owner("StatefulSet", "db"))]
    assert numbers(judge(budget(minAvailable="10%"), pods, replica_set(3), stateful)) == (1, 2, 1, 7)


@pytest.mark.parametrize(("spec", "wanted"), [({"size": 4}, (1, 2, 1, 4)), ({}, (0, 2, 0, 0))])
def test_a_user_defined_kind_says_how_many_where_its_definition_says(spec: dict[str, int], wanted: tuple[int, ...]) -> None:
    meta = ObjectMeta(name="g", uid="g-uid")
    gizmo = GenericObject(api_version="example.com/v1", kind="Gizmo", metadata=meta, content=freeze({"spec": spec}))
    below = owner("Gizmo", "g", "", "example.com/v1")
    assert numbers(judge(budget(minAvailable="20%"), [pod("a", owners=below), pod("b", owners=below)], gizmo)) == wanted


@pytest.mark.parametrize("size", [{"min": 1}, [1], "many", "4", 2.5, True])
def test_a_user_defined_kind_that_gives_no_whole_number_forbids_everything(size: Any) -> None:
    meta = ObjectMeta(name="g", uid="g-uid")
    gizmo = GenericObject(api_version="example.com/v1", kind="Gizmo", metadata=meta, content=freeze({"spec": {"size": size}}))
    verdict = judge(budget(maxUnavailable=1), [pod("a", owners=owner("Gizmo", "g", "", "example.com/v1"))], gizmo)
    assert numbers(verdict) == (0, 0, 0, 0)
    assert reasons(verdict) == ["CalculateExpectedPodCountFailed"]
    assert ".spec.size accessor error" in verdict.tellings[0].message


@pytest.mark.parametrize(
    ("owners", "words"),
    [
        (owner("ReplicaSet", "gone"), 'found no controllers for pod "a"'),
        (owner("ReplicaSet", "rs", "another"), 'found no controllers for pod "a"'),
        (owner("Gizmo", "gone", "", "example.com/v1"), 'found no controllers for pod "a"'),
        (owner("Gizmo", "g", "", "example.com/v2"), 'no matches for kind "Gizmo" in version "example.com/v2"'),
        (owner("Job", "j", "", "batch/v1"), "jobs.batch does not implement the scale subresource"),
    ],
)
def test_a_controller_that_cannot_be_asked_forbids_everything_and_is_named(owners: tuple[OwnerReference, ...], words: str) -> None:
    before = {"disruptionsAllowed": 3, "currentHealthy": 5, "desiredHealthy": 2, "expectedPods": 5, "observedGeneration": 1}
    verdict = judge(budget(before, maxUnavailable=1), [pod("a", owners=owners)], replica_set(1))
    assert numbers(verdict) == (0, 5, 2, 5)
    condition = condition_of(verdict.status)
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "SyncFailed", words)
    assert condition["observedGeneration"] == verdict.status["observedGeneration"] == 1
    assert [(one.type, one.reason, one.message) for one in verdict.tellings] == [
        ("Warning", "CalculateExpectedPodCountFailed", f"Failed to calculate the number of expected pods: {words}")
    ]


def test_pods_of_nobody_count_as_healthy_only_and_are_told() -> None:
    lone = replace(pod("a"), metadata=replace(pod("a").metadata, owner_references=()))
    verdict = judge(budget(maxUnavailable=1), [lone, pod("b")], replica_set(2))
    assert numbers(verdict) == (1, 2, 1, 2)
    assert reasons(verdict) == ["UnmanagedPods"]
    shown = "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},}"
    assert f"(selector: {shown}) were found to be unmanaged." in verdict.tellings[0].message
    assert reasons(judge(budget(minAvailable=1), [lone])) == []


def test_a_budget_without_pods_says_so_and_allows_nothing() -> None:
    verdict = judge(budget(minAvailable=0), [])
    assert numbers(verdict) == (0, 0, 0, 0)
    assert [(one.type, one.reason, one.message) for one in verdict.tellings] == [("Normal", "NoPods", "No matching pods found")]


# -- evicted pods ----------------------------------------------------------------------------------------------------------------------


def evicted(**pods: float) -> dict[str, Any]:
    return {"disruptedPods": {name: rfc3339(NOW_S - age_s) for name, age_s in pods.items()}}


def test_an_evicted_pod_is_not_healthy_though_it_is_not_seen_terminating_yet() -> None:
    verdict = judge(budget(evicted(a=1, b=30), minAvailable=1), [pod("a"), pod("b"), pod("c")])
    assert numbers(verdict) == (0, 1, 1, 3)
    assert list(verdict.status["disruptedPods"]) == ["a", "b"]
    assert verdict.again_s == 90


def test_an_evicted_pod_that_is_terminating_or_gone_is_forgotten() -> None:
    verdict = judge(budget(evicted(a=1, gone=1), minAvailable=1), [pod("a", going=True), pod("b"), pod("c")])
    assert numbers(verdict) == (1, 2, 1, 3)
    assert "disruptedPods" not in verdict.status
    assert verdict.again_s is None


@pytest.mark.parametrize("since", ["2025-12-31T23:57:59Z", "no time"])
def test_an_eviction_that_came_to_nothing_is_over_after_two_minutes(since: str) -> None:
    verdict = judge(budget({"disruptedPods": {"a": since}}, minAvailable=1), [pod("a"), pod("b")])
    assert numbers(verdict) == (1, 2, 1, 2)
    assert "disruptedPods" not in verdict.status
    assert [(one.reason, one.message) for one in verdict.tellings] == [
        ("NotDeleted", "Pod was expected by PDB default/web to be deleted but it wasn't")
    ]


def test_a_view_that_may_have_missed_the_eviction_forgets_none() -> None:
    verdict = judge(budget(evicted(a=130), minAvailable=1), [pod("a"), pod("b")], current=False)
    assert numbers(verdict) == (0, 1, 1, 2)
    assert verdict.doubtful
    assert verdict.tellings == ()


# -- properties ------------------------------------------------------------------------------------------------------------------------

PODS = st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, 1, 130])), max_size=8)
SPECS = st.one_of(
    st.integers(0, 9).map(lambda n: {"minAvailable": n}),
    st.integers(0, 100).map(lambda n: {"minAvailable": f"{n}%"}),
    st.integers(0, 9).map(lambda n: {"maxUnavailable": n}),
    st.integers(0, 100).map(lambda n: {"maxUnavailable": f"{n}%"}),
)


@given(shapes=PODS, spec=SPECS, replicas=st.integers(0, 9))
def test_as_many_as_are_allowed_may_be_evicted_and_enough_stay_healthy(shapes: list[Any], spec: dict[str, Any], replicas: int) -> None:
    pods = [pod(f"p{number}", ready, going) for number, (ready, going, _) in enumerate(shapes)]
    told = evicted(**{f"p{number}": age_s for number, (_, _, age_s) in enumerate(shapes) if age_s is not None})
    one = budget(told, **spec)
    verdict = judge(one, pods, replica_set(replicas))
    allowed, healthy, desired, _ = numbers(verdict)
    assert 0 <= allowed <= healthy
    for gone in range(allowed):
        one = replace(one, content=FrozenMap({**one.content, "status": verdict.status}))
        name = next(
            pod.metadata.name
            for pod in pods
            if pod.status is not None
            and pod.status.conditions[0].status == "True"
            and not pod.metadata.deletion_timestamp
            and pod.metadata.name not in verdict.status.get("disruptedPods", {})
        )
        one = counted_down(one, name, rfc3339(NOW_S))
        verdict = judge(one, pods, replica_set(replicas))
        assert numbers(verdict)[:2] == (allowed - gone - 1, healthy - gone - 1)
        assert verdict.status["disruptionsAllowed"] == one.content["status"]["disruptionsAllowed"]
        assert condition_of(verdict.status) == condition_of(one.content["status"])
        assert numbers(verdict)[1] >= desired
    if allowed:
        with pytest.raises(TooManyRequests):
            counted_down(one, "p", rfc3339(NOW_S))


@given(shapes=PODS, spec=SPECS, replicas=st.integers(0, 9))
def test_a_status_that_was_written_is_right_until_something_changes(shapes: list[Any], spec: dict[str, Any], replicas: int) -> None:
    pods = [pod(f"p{number}", ready, going) for number, (ready, going, _) in enumerate(shapes)]
    one = budget(**spec)
    first = judge(one, pods, replica_set(replicas)).status
    again = judge(replace(one, content=FrozenMap({**one.content, "status": first})), pods, replica_set(replicas), now_s=NOW_S + 60)
    assert again.status == first


# -- selectors -------------------------------------------------------------------------------------------------------------------------


def test_an_empty_selector_selects_all_pods_and_none_selects_nothing() -> None:
    assert selects(budget(selector={}), pod("a"))
    assert not selects(budget(selector=None), pod("a"))
    assert label_selector_of(budget(selector=None)) is None


def test_expressions_are_shown_as_kubernetes_shows_them() -> None:
    one = LabelSelectorRequirement(key="tier", operator="In", values=("a", "b"))
    assert selector_text(LabelSelector(match_expressions=(one,))) == (
        "&LabelSelector{MatchLabels:map[string]string{},"
        "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}"
    )
