"""The subresource scale, and kinds in other versions. Rules: kubernetes pkg/registry/apps/deployment/storage, pkg/apis/autoscaling/v1."""

from __future__ import annotations

from typing import Any

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import freeze, replace
from callboard.models.generic import GenericObject
from callboard.models.messages.api import ApplyObject, CreateObject, GetObject, PatchObject, UpdateObject

WEB = {"resource": "deployments.apps", "namespace": "default", "name": "web"}


def deploy(world: Any, objects: Any) -> Any:
    return world.ok(ApplyObject, **WEB, tree=objects.deployment_tree()).obj


def test_a_deployment_is_seen_as_a_scale(world: Any, objects: Any) -> None:
    stored = deploy(world, objects)
    scale = world.ok(GetObject, **WEB, subresource="scale").obj
    assert (scale.api_version, scale.kind, scale.metadata.uid) == ("autoscaling/v1", "Scale", stored.metadata.uid)
    assert scale.content == {"spec": {"replicas": 2}, "status": {"replicas": 0, "selector": "app=web"}}


def test_a_patch_of_the_scale_changes_the_replicas_only_and_answers_with_a_scale(world: Any, objects: Any) -> None:
    before = deploy(world, objects)
    for number, type_ in enumerate(("merge", "strategic"), 5):
        answer = world.ok(PatchObject, **WEB, type=type_, patch=freeze({"spec": {"replicas": number}}), subresource="scale")
        assert (answer.obj.kind, answer.obj.content["spec"]["replicas"]) == ("Scale", number)
    after = world.ok(GetObject, **WEB).obj
    assert after.metadata.generation == 3
    assert replace(after.spec, replicas=2) == before.spec


def test_an_update_of_the_scale_is_checked_like_one_of_the_object(world: Any, objects: Any) -> None:
    deploy(world, objects)
    scale = world.ok(GetObject, **WEB, subresource="scale").obj
    three = replace(scale, content=freeze({"spec": {"replicas": 3}}))
    assert world.ok(UpdateObject, resource="deployments.apps", obj=three, subresource="scale").obj.content["spec"]["replicas"] == 3
    assert world.refused(UpdateObject, resource="deployments.apps", obj=three, subresource="scale").reason == "Conflict"
    negative = replace(three, metadata=ObjectMeta(name="web", namespace="default"), content=freeze({"spec": {"replicas": -1}}))
    refusal = world.refused(UpdateObject, resource="deployments.apps", obj=negative, subresource="scale")
    assert refusal.message == 'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    assert world.ok(GetObject, **WEB).obj.spec.replicas == 3


def test_a_stateful_set_has_a_scale_and_others_have_none(world: Any, objects: Any) -> None:
    template = objects.deployment_tree()["spec"]["template"]
    spec = {"replicas": 1, "serviceName": "db", "selector": {"matchLabels": {"app": "web"}}, "template": template}
    tree = freeze({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec})
    place = {"resource": "statefulsets.apps", "namespace": "default", "name": "db"}
    world.ok(ApplyObject, **place, tree=tree)
    world.ok(PatchObject, **place, type="merge", patch=freeze({"spec": {"replicas": 4}}), subresource="scale")
    assert world.ok(GetObject, **place).obj.spec.replicas == 4
    world.ok(CreateObject, resource="configmaps", obj=objects.config("a"))
    refusal = world.refused(GetObject, resource="configmaps", namespace="default", name="a", subresource="scale")
    assert (refusal.code, refusal.message) == (404, 'configmaps/scale "a" not found')


AUTOSCALER: dict[str, Any] = {
    "apiVersion": "autoscaling/v1",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 5,
        "targetCPUUtilizationPercentage": 60,
    },
}
METRICS = ({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},)


def test_an_autoscaler_of_version_1_is_stored_as_version_2(world: Any) -> None:
    place = {"resource": "horizontalpodautoscalers.autoscaling", "namespace": "default", "name": "web"}
    for tree in (AUTOSCALER, {**AUTOSCALER, "spec": {**AUTOSCALER["spec"], "maxReplicas": 7}}):
        stored = world.ok(ApplyObject, **place, tree=freeze(tree)).obj
        assert stored.api_version == "autoscaling/v2"
        assert stored.content["spec"]["metrics"] == METRICS
    assert stored.content["spec"]["maxReplicas"] == 7
    assert "targetCPUUtilizationPercentage" not in stored.content["spec"]


def test_a_version_that_kubernetes_does_not_serve_by_default_is_refused_in_words(world: Any) -> None:
    obj = GenericObject(
        api_version="networking.k8s.io/v1beta1",
        kind="ServiceCIDR",
        metadata=ObjectMeta(name="more"),
        content=freeze({"spec": {"cidrs": ["10.1.0.0/16"]}}),
    )
    refusal = world.refused(CreateObject, resource="servicecidrs.networking.k8s.io", obj=obj)
    assert refusal.code == 404
    assert refusal.message.startswith('no matches for kind "ServiceCIDR" in version "networking.k8s.io/v1beta1"')
