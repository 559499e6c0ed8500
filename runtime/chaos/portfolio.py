"""From a seed to a plan: scenarios and strategies in turn, and for each schedule a random handful of a random subset of the faults."""

from __future__ import annotations

import random
from collections.abc import Sequence

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
    place = drawing.Place(
        nodes=draft.nodes,
        apiservers=draft.apiservers,
        copies=draft.controllers,
        stirs=chosen.stirs,
        lasts_s=draft.lasts_s,
        moments_s=[operation.at_s for operation in draft.operations],
    )
    return Plan(
        scenario=name,
        seed=seed,
        nodes=draft.nodes,
        node_cpu=draft.node_cpu,
        apiservers=draft.apiservers,
        controllers=draft.controllers,
        operations=tuple(sorted(draft.operations, key=lambda operation: operation.at_s)),
        faults=drawing.handful(rng, place, kinds),
        strategy=how,
    )
