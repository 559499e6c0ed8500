"""Init containers of images that nobody has described end at once, so that any manifest comes up; sidecars run on."""

from __future__ import annotations

from callboard import Simulation


def test_an_undescribed_init_container_completes_and_a_sidecar_runs_on() -> None:
    inits = [{"name": "first", "image": "any:1"}, {"name": "beside", "image": "any:1", "restartPolicy": "Always"}]
    spec = {"initContainers": inits, "containers": [{"name": "web", "image": "any:1"}]}
    with Simulation(nodes=1, seed=1) as s:
        s.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})
        status = s.wait("pod/web", "Ready").status
        first, beside = status.init_container_statuses
        assert (first.state.terminated.exit_code, first.state.terminated.reason) == (0, "Completed")
        assert beside.state.running is not None
