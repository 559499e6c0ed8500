"""What a drain may evict: kubectl's filters (kubectl pkg/drain/filters.go), each with the words that kubectl says."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.core import Container, EmptyDirVolumeSource, Pod, PodSpec, PodStatus, Volume
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import FrozenMap
from callboard.models.draining import DrainOptions, plan_drain


def pod(
    name: str, owner: str = "ReplicaSet", phase: str = "Running", empty_dir: bool = False, deleted: str = "", mirror: bool = False
) -> Pod:
    references = (OwnerReference(api_version="apps/v1", kind=owner, name="o", uid="u", controller=True),) if owner else ()
    annotations = FrozenMap({"kubernetes.io/config.mirror": "x"}) if mirror else FrozenMap()
    volumes = (Volume(name="v", empty_dir=EmptyDirVolumeSource()),) if empty_dir else ()
    meta = ObjectMeta(name=name, namespace="ns", owner_references=references, annotations=annotations, deletion_timestamp=deleted)
    return Pod(metadata=meta, spec=PodSpec(containers=(Container(name="c"),), volumes=volumes), status=PodStatus(phase=phase))


def plan(*pods: Pod, **options: bool) -> Any:
    return plan_drain(pods, DrainOptions(**options))


def evicted(*pods: Pod, **options: bool) -> list[str]:
    return [one.metadata.name for one in plan(*pods, **options).evict]


def test_pods_of_a_controller_are_evicted() -> None:
    assert evicted(pod("a"), pod("b")) == ["a", "b"]


@pytest.mark.parametrize(
    ("in_the_way", "option", "words", "warning"),
    [
        (
            pod("x", owner=""),
            "force",
            "cannot delete Pods that declare no controller (use --force to override): ns/x",
            "deleting Pods that declare no controller: ns/x",
        ),
        (
            pod("x", empty_dir=True),
            "delete_emptydir_data",
            "cannot delete Pods with local storage (use --delete-emptydir-data to override): ns/x",
            "deleting Pods with local storage: ns/x",
        ),
    ],
    ids=["no controller", "local storage"],
)
def test_a_pod_that_would_be_lost_forbids_the_drain_unless_allowed(in_the_way: Pod, option: str, words: str, warning: str) -> None:
    refused = plan(pod("a"), in_the_way)
    assert refused.evict == ()
    assert refused.forbidden == words
    allowed = plan(pod("a"), in_the_way, **{option: True})
    assert [one.metadata.name for one in allowed.evict] == ["a", "x"]
    assert allowed.warnings == (warning,)


def test_pods_of_a_daemon_set_stay_if_they_are_ignored() -> None:
    daemon = pod("d", owner="DaemonSet")
    assert plan(daemon).forbidden == "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): ns/d"
    ignored = plan(pod("a"), daemon, ignore_daemonsets=True)
    assert [one.metadata.name for one in ignored.evict] == ["a"]
    assert ignored.warnings == ("ignoring DaemonSet-managed Pods: ns/d",)


def test_finished_pods_go_whatever_they_are() -> None:
    for finished in (pod("f", owner="", phase="Succeeded"), pod("f", empty_dir=True, phase="Failed"), pod("f", "DaemonSet", "Failed")):
        assert evicted(finished) == ["f"]


def test_mirror_pods_and_those_that_are_going_already_are_left_alone() -> None:
    assert evicted(pod("m", owner="", mirror=True), pod("t", deleted="2026-01-01T00:00:00Z")) == []


def test_every_reason_is_told_at_once() -> None:
    told = plan(pod("a", owner=""), pod("b", owner=""), pod("c", empty_dir=True)).forbidden
    assert told == (
        "cannot delete Pods that declare no controller (use --force to override): ns/a, ns/b, "
        "cannot delete Pods with local storage (use --delete-emptydir-data to override): ns/c"
    )
