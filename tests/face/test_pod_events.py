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


def test_what_happens_to_each_container_is_told_and_shown_by_itself() -> None:
    """As Kubernetes does: without that, "Container created" of two containers would be one Event that happened twice."""
    containers = [{"name": name, "image": f"{name}:1"} for name in ("web", "log")]
    init = [{"name": "first", "image": "first:1"}]
    with Simulation(nodes=1, events="all") as s:
        s.apply({**POD, "spec": {"containers": containers, "initContainers": init}})
        s.settle()
        started = [one.involved_object.field_path for one in s.events("pod/a") if one.reason == "Started" and one.involved_object]
        assert sorted(started) == ["spec.containers{log}", "spec.containers{web}", "spec.initContainers{first}"]
        assert started[0] == "spec.initContainers{first}"
        assert "spec.containers{web}: Container started" in s.describe("pod/a")


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
