"""What Hypothesis makes of Callboard: plans that are played, and a state machine that drives a cluster."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers, sampled_from

from callboard import Simulation
from callboard.chaos import NodeCrash, WatchDelay, strategies, strategy_named
from callboard.runtime.chaos.oracles import every
from callboard.runtime.chaos.schedule import play
from callboard.runtime.faults.plan import Plan

QUICK = settings(max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@QUICK
@given(strategies.plans())
def test_plans_of_hypothesis_come_to_rest(plan: Plan) -> None:
    outcome = play(plan, strategy_named(plan.strategy, plan.seed, plan.lasts_s), every)
    assert outcome.finding is None, outcome.finding


@QUICK
@given(strategies.faults([NodeCrash, WatchDelay], nodes=2, about=["controller/mine"]))
def test_faults_are_of_the_kinds_that_were_asked_for_and_in_order(faults: tuple[object, ...]) -> None:
    assert faults
    assert all(isinstance(fault, NodeCrash | WatchDelay) for fault in faults)
    moments = [fault.at_s for fault in faults]  # type: ignore[attr-defined]
    assert moments == sorted(moments)


class Clusters(RuleBasedStateMachine):
    """A user, a Deployment, and nodes that fail: whatever is done, the replicas are there in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation(nodes=2, seed=1, timing="chaos")
        self.simulation.apply("examples/web.yaml")
        self.down: list[str] = []

    @rule(replicas=integers(0, 4))
    def scale(self, replicas: int) -> None:
        self.simulation.scale("deployment/web", replicas)

    @precondition(lambda self: not self.down)
    @rule(node=sampled_from(["node-1", "node-2"]))
    def crash(self, node: str) -> None:
        self.simulation.nodes[node].crash()
        self.down.append(node)

    @precondition(lambda self: self.down)
    @rule()
    def mend(self) -> None:
        self.simulation.nodes[self.down.pop()].restart()

    @rule(seconds=integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.simulation.advance(seconds)

    @invariant()
    def no_pod_moves(self) -> None:
        assert all(pod.metadata.uid for pod in self.simulation.list("pods"))

    def teardown(self) -> None:
        for node in self.down:
            self.simulation.nodes[node].restart()
        wanted = self.simulation.get("deployment/web").spec.replicas
        self.simulation.eventually(lambda view: (view.get("deployment/web").status.available_replicas or 0) == wanted)
        self.simulation.stop()


TestClusters = Clusters.TestCase
TestClusters.settings = settings(QUICK, max_examples=6, stateful_step_count=8)
