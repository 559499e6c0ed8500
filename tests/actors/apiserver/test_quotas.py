"""Quotas at admission. Rules and words: apiserver pkg/admission/plugin/resourcequota, kubernetes pkg/quota/v1/evaluator/core."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.core import Container, Pod, PodSpec, PodStatus, ResourceRequirements
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.generic import GenericObject
from callboard.models.messages.api import CreateObject, GetObject, PatchObject, WriteStatus
from callboard.models.quotas import matches, missing_of, spec_of, usage_of

QUOTAS = "resourcequotas"
PLACE = {"resource": QUOTAS, "namespace": "default"}


def quota(world: Any, name: str, hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> None:
    """A quota that has been counted, unless `used` is None."""
    content = freeze({"spec": {"hard": hard, **spec}})
    meta = ObjectMeta(name=name, namespace="default")
    world.ok(CreateObject, resource=QUOTAS, obj=GenericObject(api_version="v1", kind="ResourceQuota", metadata=meta, content=content))
    if used is not None:
        world.ok(WriteStatus, **PLACE, name=name, status=freeze({"hard": hard, "used": used}))
    world.run()


def used_of(world: Any, name: str) -> Any:
    return world.ok(GetObject, **PLACE, name=name).obj.content["status"]["used"]


def pod_asking(name: str, *, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **more: Any) -> Pod:
    resources = ResourceRequirements(requests=FrozenMap(requests or {}), limits=FrozenMap(limits or {}))
    spec = PodSpec(containers=(Container(name="c", image="nginx", resources=resources),), **more)
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


def test_what_is_created_is_counted_in_the_same_transaction(world: Any, objects: Any) -> None:
    quota(world, "q", {"pods": "2", "requests.cpu": "1"}, {"pods": "0", "requests.cpu": "0"})
    written = world.ok(CreateObject, resource="pods", obj=pod_asking("a", requests={"cpu": "300m"}))
    stored = world.ok(GetObject, **PLACE, name="q").obj
    assert stored.metadata.resource_version == written.revision
    assert stored.content["status"]["used"] == {"pods": "1", "requests.cpu": "300m"}


def test_a_quota_exceeded_is_told_in_kubernetes_words_and_nothing_is_stored(world: Any, objects: Any) -> None:
    quota(world, "q", {"pods": "2", "requests.cpu": "1"}, {"pods": "2", "requests.cpu": "900m"})
    before = world.revision
    refusal = world.refused(CreateObject, resource="pods", obj=pod_asking("x", requests={"cpu": "200m"}))
    assert (refusal.code, refusal.reason) == (403, "Forbidden")
    assert refusal.message == (
        'pods "x" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=200m, used: pods=2,requests.cpu=900m, '
        "limited: pods=2,requests.cpu=1"
    )
    assert world.revision == before


def test_every_container_has_to_say_what_a_quota_limits(world: Any, objects: Any) -> None:
    hard = {"limits.cpu": "1", "requests.memory": "1Gi"}
    quota(world, "q", hard, dict.fromkeys(hard, "0"))
    refusal = world.refused(CreateObject, resource="pods", obj=pod_asking("x"))
    assert refusal.message == 'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: c; requests.memory for: c'


def test_a_quota_that_has_not_been_counted_limits_nothing_yet_but_is_touched(world: Any, objects: Any) -> None:
    quota(world, "q", {"pods": "0"})
    written = world.ok(CreateObject, resource="pods", obj=pod_asking("a"))
    assert world.ok(GetObject, **PLACE, name="q").obj.metadata.resource_version == written.revision


def test_a_status_without_usage_refuses(world: Any, objects: Any) -> None:
    quota(world, "q", {"pods": "3"}, {})
    refusal = world.refused(CreateObject, resource="pods", obj=pod_asking("a"))
    assert refusal.message == 'pods "a" is forbidden: status unknown for quota: q, resources: pods'


def test_objects_are_counted_by_kind_and_by_count(world: Any, objects: Any) -> None:
    quota(world, "q", {"configmaps": "1", "count/deployments.apps": "0"}, {"configmaps": "0", "count/deployments.apps": "0"})
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    assert world.refused(CreateObject, resource="configmaps", obj=objects.config("b")).message == (
        'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1'
    )
    assert used_of(world, "q") == {"configmaps": "1", "count/deployments.apps": "0"}


def test_a_service_that_becomes_a_node_port_is_charged_for_the_change(world: Any, objects: Any) -> None:
    hard = {"services": "5", "services.nodeports": "1", "services.loadbalancers": "0"}
    quota(world, "q", hard, dict.fromkeys(hard, "0"))
    for name in ("a", "b"):
        world.ok(CreateObject, resource="services", obj=objects.service(name))
    change = {"resource": "services", "namespace": "default", "type": "merge", "patch": freeze({"spec": {"type": "NodePort"}})}
    world.ok(PatchObject, name="a", **change)
    assert used_of(world, "q")["services.nodeports"] == "1"
    refusal = world.refused(PatchObject, name="b", **change)
    assert refusal.message.endswith("requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1")
    assert world.ok(GetObject, resource="services", namespace="default", name="b").obj.spec.type == "ClusterIP"


def test_a_dry_run_is_judged_and_charges_nothing(world: Any, objects: Any) -> None:
    quota(world, "q", {"pods": "1"}, {"pods": "0"})
    world.ok(CreateObject, resource="pods", obj=pod_asking("a"), dry_run=True)
    assert used_of(world, "q") == {"pods": "0"}


def test_many_creations_at_once_through_two_apiservers_spend_exactly_what_there_is(make_world: Any, objects: Any) -> None:
    world = make_world(servers=2)
    quota(world, "q", {"pods": "7"}, {"pods": "0"})
    answers: list[Any] = []
    outlet = world.system.outlet(answers.append)
    for number in range(40):
        world.system.post(
            f"apiserver-{number % 2}", CreateObject(number, outlet, "pods", pod_asking(f"p{number}"), trusted=number % 3 == 0)
        )
    world.run(30.0)
    assert len(answers) == 40
    assert used_of(world, "q") == {"pods": "7"}
    assert sum(key.startswith("pods/") for key in world.items) == 7
    assert sum(getattr(answer, "code", 200) == 200 for answer in answers) == 7


def test_creations_in_other_namespaces_do_not_wait_for_a_turn(world: Any, objects: Any) -> None:
    quota(world, "q", {"pods": "7"}, {"pods": "0"})
    assert world.server()._place_of(CreateObject(1, "x", "pods", objects.pod("a"))) == "default"
    assert world.server()._place_of(CreateObject(1, "x", "configmaps", objects.config("a", namespace="kube-system"))) == ""


# -- what is counted (pure) -----------------------------------------------------------------------------------------------------------


def test_terminal_pods_count_as_objects_but_not_as_pods() -> None:
    pod = pod_asking("a", requests={"cpu": "1", "ephemeral-storage": "1Gi"}, limits={"memory": "1Gi"})
    counted = usage_of("pods", pod)
    assert {name: str(amount) for name, amount in counted.items()} == {
        "count/pods": "1",
        "pods": "1",
        "cpu": "1",
        "requests.cpu": "1",
        "ephemeral-storage": str(2**30),
        "requests.ephemeral-storage": str(2**30),
        "limits.memory": str(2**30),
    }
    for phase in ("Succeeded", "Failed"):
        assert list(usage_of("pods", replace(pod, status=PodStatus(phase=phase)))) == ["count/pods"]


@pytest.mark.parametrize(
    ("scope", "pod", "fits"),
    [
        ({"scopes": ["BestEffort"]}, replace(pod_asking("a"), status=PodStatus(qos_class="BestEffort")), True),
        ({"scopes": ["NotBestEffort"]}, replace(pod_asking("a"), status=PodStatus(qos_class="BestEffort")), False),
        ({"scopes": ["NotBestEffort"]}, replace(pod_asking("a"), status=PodStatus(qos_class="Burstable")), True),
        ({"scopes": ["Terminating"]}, pod_asking("a", active_deadline_seconds=5), True),
        ({"scopes": ["Terminating"]}, pod_asking("a"), False),
        ({"scopes": ["NotTerminating"]}, pod_asking("a"), True),
        ({"scopes": ["NotTerminating", "BestEffort"]}, replace(pod_asking("a"), status=PodStatus(qos_class="Burstable")), False),
        ({"scopes": ["PriorityClass"]}, pod_asking("a", priority_class_name="high"), True),
        ({"scopes": ["PriorityClass"]}, pod_asking("a"), False),
    ],
)
def test_scopes(scope: dict[str, Any], pod: Pod, fits: bool) -> None:
    stored = GenericObject(api_version="v1", kind="ResourceQuota", content=freeze({"spec": {"hard": {"pods": "1"}, **scope}}))
    assert matches(spec_of(stored), "pods", pod) == fits


@pytest.mark.parametrize(
    ("operator", "values", "name", "fits"),
    [("In", ["high"], "high", True), ("In", ["high"], "", False), ("NotIn", ["high"], "low", True), ("DoesNotExist", [], "", True)],
)
def test_the_scope_selector_on_priority_classes(operator: str, values: list[str], name: str, fits: bool) -> None:
    selector = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}
    content = freeze({"spec": {"hard": {"pods": "1"}, "scopeSelector": selector}})
    stored = GenericObject(api_version="v1", kind="ResourceQuota", content=content)
    assert matches(spec_of(stored), "pods", pod_asking("a", priority_class_name=name)) == fits


def test_missing_amounts_are_told_by_resource_with_all_containers() -> None:
    spec = PodSpec(containers=(Container(name="b", image="x"), Container(name="a", image="x")))
    pod = Pod(metadata=ObjectMeta(name="p"), spec=spec)
    assert missing_of(pod, ("pods", "limits.cpu", "cpu")) == "cpu for: a,b; limits.cpu for: a,b"
    assert missing_of(pod, ("pods", "requests.ephemeral-storage")) == ""
