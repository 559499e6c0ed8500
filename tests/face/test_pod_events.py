"""Which Events tell of a pod that is well: all of them only where somebody asked for that."""

from __future__ import annotations

from typing import Any

import pytest

from callboard import BadRequest, Cluster, Simulation

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}


def told(cluster: Any) -> list[tuple[str, str]]:
    return [(one.reason, one.message) for one in cluster.events("pod/a")]


def test_all_events_of_a_pod_that_is_well_are_told_in_kubernetes_words_and_order() -> None:
    """Source: the scheduler's and the kubelet's Events as kubectl 1.36 shows them."""
    with Simulation(nodes=1, events="all") as s:
        s.apply(POD)
        s.settle()
        assert told(s) == [
            ("Scheduled", "Successfully assigned default/a to node-1"),
            ("Pulled", 'Container image "web:1" already present on machine and can be accessed by the pod'),
            ("Created", "Container created"),
            ("Started", "Container started"),
        ]
        s.delete("pod/a")
        s.advance(5)
        assert told(s)[-1] == ("Killing", "Stopping container web")


def test_by_default_a_pod_that_is_well_makes_no_events_of_its_kubelet() -> None:
    with Simulation(nodes=1) as s:
        s.apply(POD)
        s.settle()
        assert "Started" not in dict(told(s))


def test_a_cluster_on_real_time_tells_them_too() -> None:
    with Cluster(nodes=1, events="all") as c:
        c.apply(POD)
        c.wait("pod/a", "Ready")
        for event in c.watch("events", timeout=20):
            if event.obj.reason == "Started":
                break
        assert [reason for reason, _ in told(c)] == ["Scheduled", "Pulled", "Created", "Started"]


@pytest.mark.parametrize("kind", [Cluster, Simulation])
def test_a_choice_that_does_not_exist_is_refused(kind: Any) -> None:
    with pytest.raises(BadRequest, match='there are "warnings" and "all"'):
        kind(nodes=1, events="none")
