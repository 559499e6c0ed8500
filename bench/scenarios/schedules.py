"""Schedules of the chaos harness per second on one core: a cluster's whole life with faults and all oracles, small and not so small."""

from __future__ import annotations

import random
import statistics
import time

from callboard.models.base import replace
from callboard.runtime.chaos import drawing
from callboard.runtime.chaos.oracles import every
from callboard.runtime.chaos.portfolio import place_of
from callboard.runtime.chaos.scenarios.drafting import apply, deployment, image, scale, service
from callboard.runtime.chaos.schedule import play
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.strategies import PORTFOLIO, strategy_named

WARM_UP = 2
"""Schedules before those that count: imports and caches."""


def plan_of(seed: int, nodes: int, pods: int) -> Plan:
    """So many pods of one Deployment behind a Service; another image, another size and back, and at least one fault."""
    operations = (
        apply(0.0, service("web")),
        apply(0.0, deployment("web", pods)),
        image(3.0, "deployments.apps", "web", "web:2"),
        scale(6.0, "deployments.apps", "web", pods - 1),
        scale(9.0, "deployments.apps", "web", pods),
    )
    strategy = PORTFOLIO[seed % len(PORTFOLIO)]
    plan = Plan(scenario="rollouts", seed=seed, nodes=nodes, operations=operations, strategy=strategy, node_cpu="16")
    return replace(plan, faults=drawing.handful(random.Random(f"bench/{seed}"), place_of(plan)))


def measure(nodes: int, pods: int, schedules: int) -> dict[str, float]:
    """Schedules per second, and steps of each in the median.

    Raises:
        RuntimeError: an oracle has found something, which would be another story than speed.
    """
    steps: list[int] = []
    began_s = 0.0
    for seed in range(WARM_UP + schedules):
        if seed == WARM_UP:
            began_s = time.perf_counter()
        plan = plan_of(seed, nodes, pods)
        outcome = play(plan, strategy_named(plan.strategy, seed, plan.lasts_s), every)
        if outcome.finding is not None:
            raise RuntimeError(f"seed {seed}: {outcome.finding.oracle}: {outcome.finding.words}")
        steps.append(outcome.steps)
    took_s = time.perf_counter() - began_s
    return {"schedules_per_s": schedules / took_s, "median_steps": statistics.median(steps[WARM_UP:])}
