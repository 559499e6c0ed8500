"""From a seed to a plan: scenarios and strategies in turn, and for each schedule a random handful of a random subset of the faults.

The subset is swarm testing (Groce et al., ISSTA 2012): a schedule in which only two kinds of faults happen finds what is drowned where all
do.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from callboard.runtime.chaos import drawing
from callboard.runtime.chaos.scenarios import SCENARIOS
from callboard.runtime.chaos.scenarios.drafting import Draft, Scenario
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.strategies import PORTFOLIO
from callboard.runtime.faults.vocabulary import AnyFault

FAULTS_LIMIT = 4
KINDS_LIMIT = 4


def plan_of(seed: int, scenario: str = "", strategy: str = "", kinds: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Plan:
    """The schedule of a seed; the same for ever, as long as scenarios, strategies and faults are. What is named is used instead of what is
    in turn; `kinds` are the kinds of faults that may happen (none named: all), `scenarios` those that take turns (none named: all)."""
    turns = tuple(scenarios) or tuple(SCENARIOS)
    name = scenario or turns[seed % len(turns)]
    how = strategy or PORTFOLIO[(seed // len(turns)) % len(PORTFOLIO)]
    rng = random.Random(f"plan/{name}/{how}/{seed}")
    chosen = SCENARIOS[name]
    draft = chosen.draft(rng)
    return Plan(
        scenario=name,
        seed=seed,
        nodes=draft.nodes,
        node_cpu=draft.node_cpu,
        apiservers=draft.apiservers,
        controllers=draft.controllers,
        operations=tuple(sorted(draft.operations, key=lambda operation: operation.at_s)),
        faults=faults_of(rng, chosen, draft, kinds),
        strategy=how,
    )


def faults_of(rng: random.Random, scenario: Scenario, draft: Draft, kinds: Sequence[str] = ()) -> tuple[AnyFault, ...]:
    """At least one fault, of at most `KINDS_LIMIT` kinds."""
    possible = [kind for kind in drawing.KINDS if not kinds or kind in kinds]
    if not possible:
        return ()
    swarm = rng.sample(possible, min(len(possible), rng.randint(1, KINDS_LIMIT)))
    place = drawing.Place(scenario, draft)
    drawn = [drawing.draw(rng, rng.choice(swarm), place) for _ in range(rng.randint(1, FAULTS_LIMIT))]
    return tuple(sorted(drawn, key=lambda fault: fault.at_s))
