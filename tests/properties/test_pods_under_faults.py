"""A pod's life, its health and its end on a node that goes wrong: its kubelet restarts or is away, what it says to its runtime is lost or
late, the machine crashes. Truth is taken from the runtime; what the API says must come to agree with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from callboard import Behaviour, Simulation
from callboard.models.podstatus import is_ready
from callboard.models.timing import CHAOS

NODE, KUBELET, RUNTIME = "node-1", "kubelet/node-1", "runtime/node-1"
TIMING = msgspec.structs.replace(CHAOS, toleration_s=300)
"""A node that is away for a moment keeps its pods."""
FAULTS_LAST_S = 15.0
CONVERGES_WITHIN_S = 120.0
EXAMPLES = 20


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong from `at_s` on for `for_s`. `number`: every so many messages are lost, or they are so many milliseconds late."""

    kind: str
    at_s: float
    for_s: float
    number: int

    def begin(self, s: Simulation) -> Callable[[], None]:
        """Let it go wrong; returns what takes it back."""
        if self.kind == "crash":
            s.nodes[NODE].crash()
            return s.nodes[NODE].restart
        if self.kind == "down":
            s.components[KUBELET].crash()
            return lambda: None if s.components[KUBELET].alive else s.components[KUBELET].restart()
        if self.kind == "restart":
            s.components[KUBELET].restart()
            return lambda: None
        there, back = ((KUBELET, RUNTIME), (RUNTIME, KUBELET))
        if self.kind == "lost":
            numbers = [s.links.drop(*there, self._every()), s.links.drop(*back, self._every())]
        else:
            numbers = [s.links.delay(*there, self.number / 4), s.links.delay(*back, self.number / 4)]

        def take_back() -> None:
            for one in numbers:
                s.links.remove(one)

        return take_back

    def _every(self) -> Callable[[Any, Any], bool]:
        count = 0

        def judge(_passage: Any, _message: Any) -> bool:
            nonlocal count
            count += 1
            return count % (self.number + 1) == 0

        return judge


FAULT = st.builds(
    Fault,
    st.sampled_from(["crash", "down", "restart", "lost", "late"]),
    st.floats(0, 10).map(lambda s: round(s, 2)),
    st.floats(0.1, 4).map(lambda s: round(s, 2)),
    st.integers(1, 4),
)
FAULTS = st.lists(FAULT, min_size=1, max_size=3)


@contextmanager
def node(number: int, images: dict[str, Behaviour], *invariants: Callable[[Simulation], bool]) -> Iterator[Simulation]:
    """A cluster of one node."""
    with Simulation(nodes=1, seed=number, timing=TIMING, images=images) as s:
        for one in invariants:
            s.invariant(one)
        yield s


def let_happen(s: Simulation, faults: list[Fault]) -> None:
    """Play the faults, and take the last one back."""
    began_s = s.now
    due: list[tuple[float, int, Fault | Callable[[], None]]] = [(one.at_s, number, one) for number, one in enumerate(faults)]
    while due:
        due.sort(key=lambda entry: entry[:2])
        at_s, number, what = due.pop(0)
        if began_s + at_s > s.now:
            s.advance(began_s + at_s - s.now)
        if isinstance(what, Fault):
            due.append((at_s + what.for_s, number, what.begin(s)))
        else:
            what()


def until(s: Simulation, wrong: Callable[[], str]) -> None:
    """Wait until nothing is wrong any more."""
    deadline_s = s.now + CONVERGES_WITHIN_S
    while (why := wrong()) and s.now < deadline_s:
        s.advance(0.5)
    assert not why, f"{CONVERGES_WITHIN_S:g} s after the last fault: {why}"


def sandboxes(s: Simulation) -> dict[str, Any]:
    """What the runtime holds, by uid; nothing while it is down."""
    runtime = s._system.look(RUNTIME)
    return {} if runtime is None else runtime.sandboxes


def disagreement(s: Simulation, name: str) -> str:
    """Where the API says another thing of a pod than its runtime; "" if nowhere."""
    pod = s.get(f"pod/{name}")
    sandbox = sandboxes(s).get(pod.metadata.uid)
    if sandbox is None:
        return f"{name} has no sandbox"
    if pod.status.pod_ip != sandbox.ip:
        return f"{name} has the address {sandbox.ip} and says {pod.status.pod_ip}"
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        one = sandbox.containers.get(status.name)
        if one is None:
            return f"{status.name} is not there"
        if (one.state == "running") != (status.state.running is not None):
            return f"{status.name} is {one.state} and says {status.state}"
        if one.state == "running" and (status.container_id, status.restart_count) != (one.id, one.attempt):
            return f"{status.name} is life {one.attempt} and says {status.restart_count}"
    return ""


def pod_of(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def examples(chunk: int) -> Callable[[Any], Any]:
    """The settings of all properties here."""

    def decorated(test: Any) -> Any:
        healthy = settings(
            max_examples=EXAMPLES // 2,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        return seed(chunk)(healthy(given(st.integers(0, 2**16), FAULTS)(test)))

    return decorated


# -- pod life ----------------------------------------------------------------------------------------------------------

WORK = pod_of(
    "work",
    restartPolicy="OnFailure",
    terminationGracePeriodSeconds=1,
    initContainers=[
        {"name": "first", "image": "init:1"},
        {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"},
        {"name": "second", "image": "init:1"},
    ],
    containers=[{"name": "app", "image": "app:1"}],
)
LIFE = {
    "init:*": Behaviour(start="0.2s", exits=[0] * 50, runs_for="0.5s"),
    "proxy:*": Behaviour(start="0.2s"),
    "app:*": Behaviour(start="0.1s", exits=[1, *[0] * 50], runs_for="2s"),
}


def nothing_starts_before_its_turn(s: Simulation) -> bool:
    """By the runtime: the second init container began after the first had ended well and the sidecar had begun, the app after all."""
    order = ("first", "proxy", "second", "app")
    for sandbox in sandboxes(s).values():
        there = [name for name in order if name in sandbox.containers]
        assert there == list(order[: len(there)]), there
        for name in there[:-1]:
            one = sandbox.containers[name]
            if name == "proxy":
                assert one.state != "starting" or one.attempt > 0, "what comes after a sidecar waits until that runs"
            else:
                assert one.exited is not None, f"{name} had not ended when {there[-1]} began"
                assert one.exited.exit_code == 0
    return True


@pytest.mark.parametrize("chunk", range(2))
def test_containers_keep_their_order_and_a_job_s_pod_succeeds(chunk: int) -> None:
    @examples(chunk)
    def run(number: int, faults: list[Fault]) -> None:
        phases: list[str] = []

        def phase_only_moves_forward(s: Simulation) -> bool:
            for pod in s.list("pods"):
                phase = pod.status.phase if pod.status is not None else ""
                if not phases or phases[-1] != phase:
                    phases.append(phase)
            assert not set(phases[:-1]) & {"Succeeded", "Failed"}, phases
            return True

        with node(number, LIFE, nothing_starts_before_its_turn, phase_only_moves_forward) as s:
            s.apply(WORK)
            let_happen(s, faults)
            until(s, lambda: "" if phases[-1:] == ["Succeeded"] else f"it is {phases}")
            s.advance(5)
            states = [one.state for sandbox in sandboxes(s).values() for one in sandbox.containers.values()]
            assert "running" not in states, "its sidecar has ended with it"

    run()


# -- health ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", range(2))
def test_who_is_not_alive_is_restarted_and_who_is_healthy_becomes_ready_and_stays_so(chunk: int) -> None:
    @examples(chunk)
    def run(number: int, faults: list[Fault]) -> None:
        ill = {"sick": True}

        def serve(request: Any) -> tuple[int, str]:
            return (500 if ill[request.pod] else 200), "x"

        def probe(**fields: Any) -> dict[str, Any]:
            return {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1, **fields}

        def pod(name: str) -> dict[str, Any]:
            probes = {"livenessProbe": probe(failureThreshold=2), "readinessProbe": probe(), "startupProbe": probe(failureThreshold=5)}
            return pod_of(name, terminationGracePeriodSeconds=1, containers=[{"name": "web", "image": "web:1", **probes}])

        ill["well"] = False
        with node(number, {"web:*": Behaviour(start="0.2s", serve=serve)}) as s:
            s.apply([pod("sick"), pod("well")])
            let_happen(s, faults)
            until(s, lambda: disagreement(s, "well") or ("" if is_ready(s.get("pod/well")) else "it is not ready"))
            before = s.get("pod/well").status.container_statuses[0].restart_count
            until(s, lambda: "" if s.get("pod/sick").status.container_statuses[0].restart_count > 0 else "nobody has restarted it")
            assert not is_ready(s.get("pod/sick"))
            ill["sick"] = False
            until(s, lambda: disagreement(s, "sick") or ("" if is_ready(s.get("pod/sick")) else "it is not ready"))
            s.advance(30)
            assert is_ready(s.get("pod/well"))
            assert s.get("pod/well").status.container_statuses[0].restart_count == before, "the healthy one is left alone"

    run()


# -- termination -------------------------------------------------------------------------------------------------------


def no_object_goes_before_its_containers(s: Simulation) -> bool:
    """By the runtime: what runs has an object. It may be gone only by force, which nobody uses here."""
    there = {pod.metadata.uid for pod in s.list("pods")}
    for uid, sandbox in sandboxes(s).items():
        if uid not in there:
            assert all(one.state != "running" for one in sandbox.containers.values()), "its object went before it"
    return True


@pytest.mark.parametrize("chunk", range(2))
def test_a_deleted_pod_ends_in_time_and_its_object_goes_last(chunk: int) -> None:
    @examples(chunk)
    def run(number: int, faults: list[Fault]) -> None:
        hook = {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}
        containers = [{"name": "deaf", "image": "deaf:1", **hook}, {"name": "slow", "image": "slow:1"}]
        sidecar = {"name": "proxy", "image": "slow:1", "restartPolicy": "Always"}
        images = {"deaf:*": Behaviour(stops_in="1h"), "slow:*": Behaviour(stops_in="0.5s")}
        with node(number, images, no_object_goes_before_its_containers) as s:
            s.apply(pod_of("end", terminationGracePeriodSeconds=4, initContainers=[sidecar], containers=containers))
            s.wait("pod/end", timeout="1m")
            s.delete("pod/end")
            let_happen(s, faults)
            until(
                s, lambda: "" if not s.list("pods") and not sandboxes(s) else f"{len(s.list('pods'))} pods, {len(sandboxes(s))} sandboxes"
            )

    run()


def test_endpoints_are_withdrawn_before_the_pod_ends_even_if_its_kubelet_is_away() -> None:
    """Documented of termination: ready is false from the deletion on, `serving` tells what its readiness probe says."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    with node(1, {"web:*": Behaviour(stops_in="20s")}) as s:
        s.apply([pod_of("web", terminationGracePeriodSeconds=60, containers=[{"name": "web", "image": "web:1"}]), service])
        s.wait("pod/web")
        s.advance(2)
        s.components[KUBELET].crash()
        s.delete("pod/web")
        s.advance(1)
        (found,) = s.list("endpointslices")
        (endpoint,) = found.endpoints
        assert (endpoint.conditions.ready, endpoint.conditions.serving, endpoint.conditions.terminating) == (False, True, True)
        assert [one.state for one in next(iter(sandboxes(s).values())).containers.values()] == ["running"]
        s.components[KUBELET].restart()
        until(s, lambda: "it is there" if s.list("pods") else "")
