"""Anything may stop at any moment of a rollout, cleanly or not, alone or with another: afterwards all is as it should be, at no step does
a pod run twice, and nothing that was acknowledged is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from callboard import Behaviour, Simulation
from tests.properties.judges import CONVERGES_WITHIN_S, Steps, difference, running
from tests.properties.worlds import App, manifests

NODES = ("node-1", "node-2")
CONTROLLERS = ("deployment", "replicaset", "endpointslice", "nodelifecycle", "garbagecollector", "namespace", "disruption")
COMPONENTS = (
    "store",
    "apiserver-0",
    "scheduler",
    "metrics-server",
    *(f"controller/{name}" for name in CONTROLLERS),
    *(f"{part}/{node}" for node in NODES for part in ("kubelet", "runtime", "proxy")),
)
REPLICAS = 4
IMAGES = {"web:*": Behaviour(start="0.3s", ready_after="0.2s", stops_in="0.2s")}
EXAMPLES = 40


class Stop(msgspec.Struct, frozen=True):
    """A component, or a whole node, is down from `at_s` after the beginning of the rollout on, for `for_s`."""

    what: str
    at_s: float
    for_s: float

    def begin(self, s: Simulation) -> None:
        """It stops, as hard as it can."""
        (s.nodes[self.what] if self.what in NODES else s.components[self.what]).crash()

    def end(self, s: Simulation) -> None:
        """It comes back, unless something else has brought it back already."""
        if self.what in NODES:
            s.nodes[self.what].restart()
        elif not s.components[self.what].alive:
            s.components[self.what].restart()


def no_pod_runs_twice(s: Simulation) -> bool:
    """Truth is taken from the runtimes: no pod has containers on two nodes."""
    counts = Counter(uid for uids in running(s).values() for uid in uids)
    assert max(counts.values(), default=0) <= 1, f"these run on two nodes: {[uid for uid, count in counts.items() if count > 1]}"
    return True


@contextmanager
def cluster(number: int) -> Iterator[Simulation]:
    """Two nodes that run a Deployment and its Service, watched at every step."""
    with Simulation(nodes=len(NODES), seed=number, timing="chaos", images=IMAGES) as s:
        s.apply(manifests(App("web", REPLICAS)))
        s.wait("deployment/web", timeout="1m")
        s.invariant(Steps().hold)
        s.invariant(no_pod_runs_twice)
        yield s


def image_of(pod: Any) -> str:
    image: str = pod.spec.containers[0].image
    return image


def roll_out_and_stop(s: Simulation, stops: list[Stop]) -> None:
    """Begin a rollout, let things stop and come back, and judge."""
    acknowledged = [obj for number in range(3) for obj in s.apply(_config(number))]
    template = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}
    s.patch("deployment/web", {"spec": {"template": template}}, type="strategic")
    began_s = s.now
    moments = [(one.at_s, number, one.begin) for number, one in enumerate(stops)]
    moments += [(one.at_s + one.for_s, number, one.end) for number, one in enumerate(stops)]
    for at_s, _, what in sorted(moments, key=lambda moment: moment[:2]):
        if began_s + at_s > s.now:
            s.advance(began_s + at_s - s.now)
        what(s)
    deadline_s = s.now + CONVERGES_WITHIN_S
    while (wrong := difference(s) or _not_rolled_out(s)) and s.now < deadline_s:
        s.advance(1.0)
    assert not wrong, f"{CONVERGES_WITHIN_S:g} s after all is back: {wrong}"
    for obj in acknowledged:
        found = s.get(f"configmap/{obj.metadata.name}")
        assert (found.metadata.uid, found.metadata.resource_version) == (obj.metadata.uid, obj.metadata.resource_version)


def _config(number: int) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"kept-{number}"}, "data": {"number": str(number)}}


def _not_rolled_out(s: Simulation) -> str:
    old = [pod.metadata.name for pod in s.list("pods") if image_of(pod) != "web:2" and not pod.metadata.deletion_timestamp]
    return f"{old} have the old image" if old else ""


@pytest.mark.parametrize("what", [*COMPONENTS, *NODES])
def test_a_rollout_ends_well_whatever_stops_in_the_middle_of_it(what: str) -> None:
    with cluster(1) as s:
        assert set(COMPONENTS) <= set(s.components)
        roll_out_and_stop(s, [Stop(what, 0.15, 3.0)])


@pytest.mark.parametrize("what", COMPONENTS)
def test_what_is_restarted_at_once_is_not_missed(what: str) -> None:
    with cluster(2) as s:
        roll_out_and_stop(s, [Stop(what, at_s, 0.0) for at_s in (0.01, 0.2, 0.5, 0.9)])


STOPS = st.builds(
    Stop,
    st.sampled_from([*COMPONENTS, *NODES]),
    st.floats(0, 4).map(lambda s: round(s, 3)),
    st.floats(0, 8).map(lambda s: round(s, 3)),
)


@pytest.mark.parametrize("chunk", range(2))
def test_a_rollout_ends_well_whichever_two_stop_whenever(chunk: int) -> None:
    @seed(chunk)
    @settings(
        max_examples=EXAMPLES // 2,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(st.integers(0, 2**16), st.tuples(STOPS, STOPS))
    def run(number: int, stops: tuple[Stop, Stop]) -> None:
        with cluster(number) as s:
            roll_out_and_stop(s, list(stops))

    run()
