"""The priority of pods. Rules and words: kubernetes plugin/pkg/admission/priority, doc page "Pod Priority and Preemption"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.generic import GenericObject
from callboard.models.messages.api import CreateObject, DeleteObject, GetObject, ListObjects, UpdateObject

CLASSES = "priorityclasses.scheduling.k8s.io"


def priority_class(name: str, value: int, **more: Any) -> GenericObject:
    content = freeze({"value": value, **more})
    return GenericObject(api_version="scheduling.k8s.io/v1", kind="PriorityClass", metadata=ObjectMeta(name=name), content=content)


def create(world: Any, pod: Any, **more: Any) -> Any:
    return world.ok(CreateObject, resource="pods", obj=pod, **more).obj.spec


def test_every_cluster_has_the_two_system_classes(world: Any) -> None:
    found = {one.metadata.name: one.content["value"] for one in world.ok(ListObjects, resource=CLASSES).objects}
    assert found == {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def test_a_pod_without_a_class_has_priority_zero_and_preempts(world: Any, objects: Any) -> None:
    for trusted in (False, True):
        spec = create(world, objects.pod(f"p-{trusted}".lower()), trusted=trusted)
        assert (spec.priority, spec.priority_class_name, spec.preemption_policy) == (0, "", "PreemptLowerPriority")


def test_a_class_gives_its_number_and_policy_to_trusted_and_untrusted_creations(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource=CLASSES, obj=priority_class("high", 1000, preemptionPolicy="Never"))
    world.run()
    for trusted in (False, True):
        spec = create(world, objects.pod(f"p-{trusted}".lower(), priority_class_name="high"), trusted=trusted)
        assert (spec.priority, spec.preemption_policy) == (1000, "Never")


def test_a_global_default_goes_to_pods_without_a_class_and_their_template_is_admitted_anew(world: Any, objects: Any) -> None:
    template = objects.pod("a")
    assert create(world, template, trusted=True).priority == 0
    world.ok(CreateObject, resource=CLASSES, obj=priority_class("usual", 7, globalDefault=True))
    world.run()
    spec = create(world, replace(template, metadata=replace(template.metadata, name="b")), trusted=True)
    assert (spec.priority, spec.priority_class_name) == (7, "usual")


def test_pods_of_one_template_share_one_admitted_spec(world: Any, objects: Any) -> None:
    template = objects.pod("a")
    specs = [create(world, replace(template, metadata=replace(template.metadata, name=name)), trusted=True) for name in ("a", "b")]
    assert specs[0] is specs[1]


def test_an_unknown_class_is_refused_in_kubernetes_words(world: Any, objects: Any) -> None:
    for trusted in (False, True):
        refusal = world.refused(CreateObject, resource="pods", obj=objects.pod("p", priority_class_name="none"), trusted=trusted)
        assert (refusal.code, refusal.message) == (403, 'pods "p" is forbidden: no PriorityClass with name none was found')


def test_a_class_that_another_apiserver_has_just_stored_counts_for_a_stale_one(make_world: Callable[..., Any], objects: Any) -> None:
    world = make_world(servers=2)
    world.make_stale(1)
    world.ok(CreateObject, resource=CLASSES, obj=priority_class("high", 5))
    assert create(world, objects.pod("p", priority_class_name="high"), server=1).priority == 5


def test_a_number_or_policy_that_is_not_the_classes_is_refused(world: Any, objects: Any) -> None:
    refusal = world.refused(CreateObject, resource="pods", obj=objects.pod("p", priority=5))
    assert refusal.message == (
        'pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller '
        "computed 0 from the given PriorityClass name"
    )
    refusal = world.refused(CreateObject, resource="pods", obj=objects.pod("p", preemption_policy="Never"))
    assert refusal.message == (
        'pods "p" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission '
        "controller computed PreemptLowerPriority from the given PriorityClass name"
    )


def test_an_update_that_does_not_mention_the_priority_keeps_it(world: Any, objects: Any) -> None:
    world.ok(CreateObject, resource="pods", obj=objects.pod("p"))
    bare = objects.pod("p")
    labelled = replace(bare, metadata=replace(bare.metadata, labels=FrozenMap(a="b")))
    updated = world.ok(UpdateObject, resource="pods", obj=labelled).obj
    assert updated.metadata.labels == {"a": "b"}
    assert (updated.spec.priority, updated.spec.service_account_name) == (0, "default")


def test_only_one_class_is_the_default_and_system_names_are_reserved(world: Any) -> None:
    world.ok(CreateObject, resource=CLASSES, obj=priority_class("usual", 7, globalDefault=True))
    world.run()
    second = world.refused(CreateObject, resource=CLASSES, obj=priority_class("other", 8, globalDefault=True))
    assert second.message.endswith("PriorityClass usual is already marked as default. Only one default can exist")
    reserved = world.refused(CreateObject, resource=CLASSES, obj=priority_class("system-mine", 8))
    assert "priority class names with 'system-' prefix are reserved for system use only. error: " in reserved.message
    large = world.refused(CreateObject, resource=CLASSES, obj=priority_class("large", 1_000_000_001))
    assert "value: Forbidden: maximum allowed value of a user defined priority is 1000000000" in large.message
    changed = world.refused(UpdateObject, resource=CLASSES, obj=priority_class("usual", 8, globalDefault=True))
    assert "value: Forbidden: may not be changed in an update." in changed.message
    odd = world.refused(CreateObject, resource=CLASSES, obj=priority_class("odd", 1, preemptionPolicy="Sometimes"))
    assert 'preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"' in odd.message


def test_a_deleted_system_class_comes_back(world: Any) -> None:
    world.ok(DeleteObject, resource=CLASSES, namespace="", name="system-node-critical")
    world.run()
    assert world.ok(GetObject, resource=CLASSES, namespace="", name="system-node-critical").obj.content["value"] == 2_000_001_000
