"""LimitRanges. Rules and words: kubernetes plugin/pkg/admission/limitranger/admission.go, doc page "Limit Ranges"."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.apiserver.limits import pod_problem, with_range_defaults
from callboard.models.api.core import Container, PodSpec, ResourceRequirements
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.defaults import with_defaults
from callboard.models.generic import GenericObject
from callboard.models.messages.api import CreateObject


def limit_range(*items: dict[str, Any]) -> GenericObject:
    meta, content = ObjectMeta(name="limits", namespace="default"), freeze({"spec": {"limits": list(items)}})
    obj: GenericObject = with_defaults(GenericObject(api_version="v1", kind="LimitRange", metadata=meta, content=content))
    return obj


def container(
    name: str = "main", *, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **more: Any
) -> Container:
    resources = ResourceRequirements(requests=FrozenMap(requests or {}), limits=FrozenMap(limits or {}))
    return Container(name=name, image="nginx", resources=resources, **more)


def spec(*containers: Container, **more: Any) -> PodSpec:
    return PodSpec(containers=containers, **more)


def test_defaults_fill_what_a_container_leaves_out_and_the_annotation_tells_what() -> None:
    ranges = [limit_range({"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "500m"}})]
    changed, told = with_range_defaults(spec(container(requests={"memory": "1Mi"}), init_containers=(container("init"),)), ranges)
    (main,), (init,) = changed.containers, changed.init_containers
    assert main.resources is not None
    assert init.resources is not None
    assert main.resources.requests == {"cpu": "500m", "memory": "1Mi"}
    assert main.resources.limits == {"cpu": "1", "memory": "1Gi"}
    assert init.resources.requests == {"cpu": "500m", "memory": "1Gi"}
    assert told == (
        "LimitRanger plugin set: cpu request for container main; cpu, memory limit for container main; "
        "cpu, memory request for init container init; cpu, memory limit for init container init"
    )


def test_without_a_default_the_maximum_is_the_default_limit_and_that_the_default_request() -> None:
    item = limit_range({"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}).content["spec"]["limits"][0]
    assert item["default"] == {"cpu": "2"}
    assert item["defaultRequest"] == {"cpu": "2", "memory": "1Mi"}


MIN, MAX, RATIO = {"min": {"cpu": "100m"}}, {"max": {"memory": "1Gi"}}, {"maxLimitRequestRatio": {"cpu": "2"}}


@pytest.mark.parametrize(
    ("item", "requests", "limits", "words"),
    [
        (MIN, {"cpu": "100m"}, {}, ""),
        (MIN, {}, {}, "minimum cpu usage per Container is 100m.  No request is specified"),
        (MIN, {"cpu": "50m"}, {}, "minimum cpu usage per Container is 100m, but request is 50m"),
        (MIN, {"cpu": "100m"}, {"cpu": "10m"}, "minimum cpu usage per Container is 100m, but limit is 10m"),
        (MAX, {}, {"memory": "1Gi"}, ""),
        (MAX, {}, {}, "maximum memory usage per Container is 1Gi.  No limit is specified"),
        (MAX, {}, {"memory": "2Gi"}, "maximum memory usage per Container is 1Gi, but limit is 2Gi"),
        (MAX, {"memory": "1025Mi"}, {"memory": "1Gi"}, "maximum memory usage per Container is 1Gi, but request is 1025Mi"),
        (RATIO, {"cpu": "1"}, {"cpu": "2"}, ""),
        (RATIO, {}, {"cpu": "2"}, "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"),
        (RATIO, {"cpu": "1"}, {}, "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0"),
        (RATIO, {"cpu": "800m"}, {"cpu": "2"}, "cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000"),
    ],
)
def test_minimum_maximum_and_ratio_of_a_container(item: Any, requests: Any, limits: Any, words: str) -> None:
    bare = GenericObject(api_version="v1", kind="LimitRange", content=freeze({"spec": {"limits": [{"type": "Container", **item}]}}))
    assert pod_problem(spec(container(requests=requests, limits=limits)), [bare]) == words


def test_limits_of_a_pod_judge_the_sum_with_init_containers_as_a_minimum() -> None:
    ranges = [limit_range({"type": "Pod", "max": {"cpu": "1"}})]
    two = (container("a", limits={"cpu": "600m"}), container("b", limits={"cpu": "500m"}))
    assert pod_problem(spec(*two), ranges) == "maximum cpu usage per Pod is 1, but limit is 1100m"
    small = container("a", limits={"cpu": "600m"})
    assert pod_problem(spec(small, init_containers=(container("i", limits={"cpu": "1"}),)), ranges) == ""
    sidecar = container("s", limits={"cpu": "500m"}, restart_policy="Always")
    assert pod_problem(spec(small, init_containers=(sidecar,)), ranges) == "maximum cpu usage per Pod is 1, but limit is 1100m"


PAIRS = (("cpu", "1"), ("memory", "1Gi"))


def test_several_problems_are_told_together_in_brackets() -> None:
    ranges = [limit_range({"type": "Container", "min": dict(PAIRS)})]
    first, second = (f"minimum {name} usage per Container is {least}.  No request is specified" for name, least in PAIRS)
    assert pod_problem(spec(container()), ranges) == f"[{first}, {second}]"


def test_a_pod_is_admitted_with_defaults_or_refused_whole_whoever_creates_it(world: Any, objects: Any) -> None:
    items = {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "500m"}}
    world.ok(CreateObject, resource="limitranges", obj=limit_range(items))
    world.run()
    for trusted in (False, True):
        name = f"p-{trusted}".lower()
        stored = world.ok(CreateObject, resource="pods", obj=objects.pod(name), trusted=trusted).obj
        assert stored.spec.containers[0].resources.limits == {"cpu": "500m"}
        assert stored.metadata.annotations["kubernetes.io/limit-ranger"].startswith("LimitRanger plugin set: cpu")
        assert stored.status.qos_class == "Burstable"
        large = replace(objects.pod("large"), spec=spec(container(limits={"cpu": "2"})))
        refusal = world.refused(CreateObject, resource="pods", obj=large, trusted=trusted)
        assert refusal.message == 'pods "large" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
    assert "pods/default/large" not in world.items


def test_a_claim_is_judged_by_its_request(world: Any) -> None:
    world.ok(CreateObject, resource="limitranges", obj=limit_range({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}))
    world.run()
    claim_spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    claim = GenericObject(
        api_version="v1",
        kind="PersistentVolumeClaim",
        metadata=ObjectMeta(name="data", namespace="default"),
        content=freeze({"spec": claim_spec}),
    )
    refusal = world.refused(CreateObject, resource="persistentvolumeclaims", obj=claim)
    assert refusal.message.endswith("maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi")
