"""What a quota's status has to be. Source: kubernetes pkg/controller/resourcequota, doc page "Resource Quotas"."""

from __future__ import annotations

from typing import Any

from callboard.actors.resourcequota.decision import counts_otherwise, resources_counted, status_for
from callboard.models.api.core import ConfigMap, Container, Pod, PodSpec, PodStatus, ResourceRequirements
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.generic import GenericObject


def quota(hard: dict[str, str], **spec: Any) -> GenericObject:
    return GenericObject(api_version="v1", kind="ResourceQuota", content=freeze({"spec": {"hard": hard, **spec}}))


def pod(cpu: str, phase: str = "Running", qos: str = "Burstable") -> Pod:
    resources = ResourceRequirements(requests=FrozenMap(cpu=cpu))
    spec = PodSpec(containers=(Container(name="c", image="x", resources=resources),))
    return Pod(metadata=ObjectMeta(name="p"), spec=spec, status=PodStatus(phase=phase, qos_class=qos))


def test_a_quota_names_what_has_to_be_watched() -> None:
    hard = {"pods": "1", "limits.cpu": "1", "services.nodeports": "1", "count/deployments.apps": "1", "requests.storage": "1Gi"}
    assert resources_counted(quota(hard)) == ("deployments.apps", "pods", "persistentvolumeclaims", "services")


def test_usage_is_summed_and_terminal_pods_do_not_count() -> None:
    pods = {"pods/d/a": pod("250m"), "pods/d/b": pod("1"), "pods/d/c": pod("4", "Succeeded")}
    status = status_for(quota({"pods": "10", "requests.cpu": "2", "count/pods": "9"}), {"pods": pods})
    assert status == {
        "hard": {"count/pods": "9", "pods": "10", "requests.cpu": "2"},
        "used": {"count/pods": "3", "pods": "2", "requests.cpu": "1250m"},
    }


def test_only_pods_in_all_scopes_count() -> None:
    pods = {"pods/d/a": pod("1", qos="BestEffort"), "pods/d/b": pod("1")}
    assert status_for(quota({"pods": "10"}, scopes=["NotBestEffort"]), {"pods": pods})["used"] == {"pods": "1"}


def test_what_cannot_be_counted_is_not_limited() -> None:
    status = status_for(quota({"configmaps": "1", "count/gizmos.example.com": "1"}), {"configmaps": {"configmaps/d/a": ConfigMap()}})
    assert status == {"hard": {"configmaps": "1"}, "used": {"configmaps": "1"}}


def test_only_changes_of_what_is_used_are_worth_another_count() -> None:
    running = pod("1")
    assert status_changes_nothing(running)
    assert counts_otherwise(None, running)
    assert counts_otherwise(running, None)
    assert counts_otherwise(running, pod("1", "Failed"))
    assert counts_otherwise(running, pod("2"))


def status_changes_nothing(running: Pod) -> bool:
    assert running.status is not None
    return not counts_otherwise(running, replace(running, status=replace(running.status, message="x")))
