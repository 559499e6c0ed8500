"""From a seed to a plan: scenarios and strategies in turn, and for each schedule a random handful of a random subset of the faults."""

from __future__ import annotations

import random
from collections.abc import Sequence

from callboard.models.base import replace
from callboard.runtime.chaos import drawing
from callboard.runtime.chaos.scenarios import SCENARIOS
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.strategies import PORTFOLIO


def plan_of(seed: int, scenario: str = "", strategy: str = "", kinds: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Plan:
    """The schedule of a seed; the same for ever, as long as scenarios, strategies and faults are. What is named is used instead of what is
    in turn; `kinds` are the kinds of faults that may happen (none named: all), `scenarios` those that take turns (none named: all)."""
    turns = tuple(scenarios) or tuple(SCENARIOS)
    name = scenario or turns[seed % len(turns)]
    how = strategy or PORTFOLIO[(seed // len(turns)) % len(PORTFOLIO)]
    rng = random.Random(f"plan/{name}/{how}/{seed}")
    chosen = SCENARIOS[name]
    draft = chosen.draft(rng)
    plan = Plan(
        scenario=name,
        seed=seed,
        nodes=draft.nodes,
        node_cpu=draft.node_cpu,
        apiservers=draft.apiservers,
        controllers=draft.controllers,
        operations=tuple(sorted(draft.operations, key=lambda operation: operation.at_s)),
        strategy=how,
    )
    return replace(plan, faults=drawing.handful(rng, place_of(plan, draft.lasts_s), kinds))


def place_of(plan: Plan, lasts_s: float = 12.0) -> drawing.Place:
    """What can be hit in a schedule, by faults that begin until `lasts_s`."""
    return drawing.Place(
        nodes=plan.nodes,
        apiservers=plan.apiservers,
        copies=plan.controllers,
        stirs=SCENARIOS[plan.scenario].stirs,
        lasts_s=lasts_s,
        moments_s=[operation.at_s for operation in plan.operations],
    )
