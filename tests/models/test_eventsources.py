"""Who says an Event."""

from __future__ import annotations

import pytest

from callboard.models.eventsources import event_source


@pytest.mark.parametrize(
    ("process", "source"),
    [
        ("scheduler", ("default-scheduler", "")),
        ("scheduler-1", ("default-scheduler", "")),
        ("controller/deployment", ("deployment-controller", "")),
        ("controller/replicaset-2", ("replicaset-controller", "")),
        ("controller/nodelifecycle", ("node-controller", "")),
        ("controller/job-1", ("job-controller", "")),
        ("controller/cronjob", ("cronjob-controller", "")),
        ("kubelet/node-1", ("kubelet", "node-1")),
        ("proxy/node-1", ("kube-proxy", "node-1")),
        ("proxy", ("kube-proxy", "")),
        ("controller/mine", ("mine", "")),
        ("controller/mine-7", ("mine-7", "")),
    ],
)
def test_components_are_called_as_in_kubernetes(process: str, source: tuple[str, str]) -> None:
    assert event_source(process) == source
