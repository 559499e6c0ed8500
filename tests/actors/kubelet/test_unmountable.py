"""Pods whose volumes can't be had here wait, and say why."""

from __future__ import annotations

import pytest

from callboard.models.api.core import (
    CSIVolumeSource,
    EmptyDirVolumeSource,
    NFSVolumeSource,
    PersistentVolumeClaimVolumeSource,
    Volume,
)
from tests.actors.kubelet.kit import World, pod

INSTEAD = "use configMap, secret, downwardAPI, projected, emptyDir or hostPath"


@pytest.mark.parametrize(
    ("volume", "why"),
    [
        (
            Volume(name="v", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="z")),
            'persistentvolumeclaim "z" can\'t be bound, since there are no PersistentVolumes here',
        ),
        (Volume(name="v", nfs=NFSVolumeSource(server="s", path="/")), "nfs volumes are not supported"),
        (Volume(name="v", csi=CSIVolumeSource(driver="d")), "csi volumes are not supported"),
    ],
)
def test_a_pod_whose_volume_cannot_be_had_stays_pending_and_says_why(volume: Volume, why: str) -> None:
    world = World()
    world.create(pod(volumes=(volume,)))
    world.run(30)
    assert world.phase() == "Pending"
    assert world.running() == []
    state = world.status().state
    assert state is not None
    assert state.waiting is not None
    assert state.waiting.reason == "ContainerCreating"
    assert not world.is_true("Ready")
    [event] = world.events("FailedMount")
    assert event.message == f'MountVolume.SetUp failed for volume "v" : {why}; {INSTEAD}'
    assert event.type == "Warning"
    world.delete("web")
    world.run(2)
    assert world.find("web") is None


def test_a_volume_without_a_source_and_an_empty_one_are_had() -> None:
    world = World()
    world.create(pod(volumes=(Volume(name="a"), Volume(name="b", empty_dir=EmptyDirVolumeSource()))))
    world.run(2)
    assert world.phase() == "Running"
