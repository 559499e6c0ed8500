"""A rollout, a broken one and the way back on real processes, under steady requests: readiness probes decide, and nobody notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from callboard import Cluster
from callboard.cli.traffic import SteadyTraffic
from callboard.models.errors import WaitTimeout

WEB = Path(__file__).resolve().parents[2] / "examples" / "web.yaml"
TIMEOUT_S = 60.0
CAUSE = "kubernetes.io/change-cause"


def _manifests() -> Iterator[dict[str, Any]]:
    """The example, rolled out one by one without a gap: a pod that is told to end serves on until nobody is sent to it any more, which is
    what Kubernetes' documentation has a preStop hook for."""
    for tree in yaml.safe_load_all(WEB.read_text(encoding="utf-8")):
        if tree["kind"] == "Deployment":
            tree["metadata"]["annotations"] = {CAUSE: "the first"}
            tree["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
            tree["spec"]["progressDeadlineSeconds"] = 3
            (container,) = tree["spec"]["template"]["spec"]["containers"]
            container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "2"]}}}
        yield tree


def _change(cluster: Cluster, cause: str, **container: Any) -> None:
    """A new template, strategically merged."""
    patch = {
        "metadata": {"annotations": {CAUSE: cause}},
        "spec": {"template": {"metadata": {"annotations": {"told": cause}}, "spec": {"containers": [{"name": "web", **container}]}}},
    }
    cluster.patch("deployment/web", patch, type="strategic")


def _pods(cluster: Cluster) -> set[str]:
    return {pod.metadata.name for pod in cluster.list("pods", selector="app=web") if not pod.metadata.deletion_timestamp}


def test_a_rollout_a_broken_one_and_its_undoing_lose_no_request() -> None:
    with Cluster(nodes=2, containers="process", timing="fast") as cluster:
        cluster.apply([*_manifests()])
        cluster.rollout.status("deployment/web", timeout=TIMEOUT_S)
        first = _pods(cluster)
        with SteadyTraffic(cluster.url("service/web")) as traffic:
            _change(cluster, "the second")
            cluster.rollout.status("deployment/web", timeout=TIMEOUT_S)
            second = _pods(cluster)
            assert not first & second
            _await_answers(cluster, traffic, second)

            _change(cluster, "broken", readinessProbe={"httpGet": {"path": "/", "port": 9999}})
            with pytest.raises(WaitTimeout, match='deployment "web" exceeded its progress deadline'):
                cluster.rollout.status("deployment/web", timeout=TIMEOUT_S)
            assert second < _pods(cluster), "one pod that is never ready has come, and nobody has gone"

            assert cluster.rollout.undo("deployment/web").words == "rolled back"
            cluster.wait("deployment/web", timeout=TIMEOUT_S)
            assert second == _pods(cluster), "they are the pods of this template, and were never touched"
            assert cluster.rollout.undo("deployment/web", to_revision=1).words == "rolled back"
            cluster.rollout.status("deployment/web", timeout=TIMEOUT_S)
            _await_answers(cluster, traffic, _pods(cluster))
        assert traffic.failed == 0, f"{traffic.failed} of {traffic.sent} requests failed, at {traffic.failures_at_s} s"
        told = [(one.revision, one.change_cause) for one in cluster.rollout.history("deployment/web")]
        assert told == [(3, "broken"), (4, "the second"), (5, "the first")]


def _await_answers(cluster: Cluster, traffic: SteadyTraffic, pods: set[str]) -> None:
    """Wait until each of these pods has answered a request that came through the Service."""
    met: Callable[[Any], bool] = lambda _service: pods <= set(traffic.answers)  # noqa: E731
    cluster.wait("service/web", met, timeout=TIMEOUT_S)
