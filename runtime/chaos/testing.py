"""A user's own test under chaos: its body is run again and again, each time in a simulation in which other things go wrong.

First it is run undisturbed: that tells which components there are to hit and how long it takes, and if it fails then, nothing need be
explored. Some schedules are run twice, since a controller that reads a clock, draws random numbers or keeps global state can't be replayed.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from callboard.actors.usercontroller.actor import UserController
from callboard.models.base import replace
from callboard.models.timing import Timing, timing_named
from callboard.runtime.chaos import drawing
from callboard.runtime.chaos.schedule import FAILS, LIVELOCK
from callboard.runtime.chaos.shrinking import shrink
from callboard.runtime.errors import InvariantBroken
from callboard.runtime.face.simulation import Simulation
from callboard.runtime.faults import carrying
from callboard.runtime.faults.findings import Finding, Outcome
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.recording import Strategy, replaying
from callboard.runtime.faults.strategies import PORTFOLIO, strategy_named
from callboard.runtime.faults.vocabulary import Fault
from callboard.runtime.systems import ComponentFailed, InboxOverflow, Livelock, MutableMessage
from callboard.runtime.systems.trace import Record

Body = Callable[[Simulation], object]
TEST = "the test itself"
RAISES = "no controller raises"
TWICE_EVERY = 50
"""One schedule of so many is run twice, the first one among them."""
SHRINK_BUDGET = 400
LEAST_S = 5.0
"""Faults begin within this time at least, however short the body is."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What `@chaos` was told. `kinds` names kinds of faults, none means all; `strategies` none means all in turn."""

    nodes: int = 3
    apiservers: int = 1
    controllers: int = 1
    timing: str | Timing = "chaos"
    kinds: tuple[str, ...] = ()
    schedules: int = 100
    first_seed: int = 0
    strategies: tuple[str, ...] = ()
    shrink_budget: int = SHRINK_BUDGET


class Failed(msgspec.Struct, frozen=True):
    """A test that failed: the smallest plan for it, what happens then, and how many schedules and replays that took. `trouble` is for
    failures that are not the schedule's: undisturbed, or not deterministic."""

    plan: Plan
    outcome: Outcome
    schedules: int
    replays: int = 0
    trouble: str = ""


class _Played(msgspec.Struct):
    outcome: Outcome
    records: list[Record]
    components: tuple[str, ...]
    lasted_s: float


def explore(case: Case, body: Body) -> Failed | None:
    """Run a test's body in as many schedules as its case says; the first failure, made small, or None.

    It ends at once if the body fails undisturbed, or if the same schedule run twice has two histories.
    """
    calm = Plan(scenario="test", seed=case.first_seed, nodes=case.nodes, apiservers=case.apiservers, controllers=case.controllers)
    first = _play(case, calm, None, body, record=True)
    if first.outcome.finding is not None:
        return Failed(calm, first.outcome, 0, trouble="it fails though nothing goes wrong: there is nothing to explore yet")
    place = _place(case, first)
    for number in range(case.schedules):
        plan = _plan(case, number, place)
        strategy = strategy_named(plan.strategy, plan.seed, plan.lasts_s)
        twice = number % TWICE_EVERY == 0
        played = _play(case, plan, strategy, body, record=twice)
        plan = replace(plan, holds=played.outcome.holds)
        if twice:
            again = _play(case, plan, None, body, record=True)
            if (trouble := _difference(played, again)) is not None:
                return Failed(plan, played.outcome, number + 1, trouble=trouble)
        if played.outcome.finding is not None:
            shrunk = shrink(plan, played.outcome, lambda smaller: replay(case, smaller, body), case.shrink_budget)
            return Failed(shrunk.plan, shrunk.outcome, number + 1, shrunk.replays)
    return None


def replay(case: Case, plan: Plan, body: Body) -> Outcome:
    """Run a test's body once, with just the faults and holds of this plan."""
    return _play(case, plan, None, body).outcome


def _plan(case: Case, number: int, place: drawing.Place) -> Plan:
    seed = case.first_seed + number
    strategies = case.strategies or PORTFOLIO
    how = strategies[number % len(strategies)]
    rng = random.Random(f"test/{how}/{seed}")
    return Plan(
        scenario="test",
        seed=seed,
        nodes=case.nodes,
        apiservers=case.apiservers,
        controllers=case.controllers,
        faults=drawing.handful(rng, place, case.kinds),
        strategy=how,
    )


def _place(case: Case, first: _Played) -> drawing.Place:
    own = tuple(name for name in first.components if name.startswith("controller/") and name not in drawing.CONTROLLERS)
    return drawing.Place(
        nodes=case.nodes, apiservers=case.apiservers, copies=case.controllers, stirs=own, lasts_s=max(LEAST_S, first.lasted_s)
    )


def _play(case: Case, plan: Plan, strategy: Strategy | None, body: Body, *, record: bool = False) -> _Played:
    simulation = Simulation(
        nodes=plan.nodes,
        seed=plan.seed,
        timing=timing_named(case.timing),
        apiservers=plan.apiservers,
        controllers=plan.controllers,
        jitter_s=0.0,
        silent=True,
        durable=carrying.needs_disk(plan.faults),
    )
    system: Any = simulation._system
    began_s = system.now()
    records: list[Record] = []
    if record:
        system.on_step.append(lambda: records.append(system.last))
    system.on_step.append(lambda: _look_at_controllers(system))
    finding, lasted_s = None, 0.0
    try:
        simulation.deviate(strategy or replaying(plan.holds))
        simulation.faults(*plan.faults)
        body(simulation)
        lasted_s = system.now() - began_s
        if system.now() < simulation._calm_from_s:
            system.run_for(simulation._calm_from_s - system.now())
    except Exception as problem:  # whatever a test raises is its failure; pytest's own exceptions are no `Exception`
        finding = _finding(problem, system, began_s)
    finally:
        recorder = simulation._recorder
        holds = tuple(recorder.holds) if recorder is not None else ()
        outcome = Outcome(finding, system.steps, system.now() - began_s, system.trace_hash, holds)
        components = tuple(system.names())
        simulation.stop()
    return _Played(outcome, records, components, lasted_s)


class _ControllerRaised(Exception):
    """A user's controller has raised."""


def _look_at_controllers(system: Any) -> None:
    receiver = system.last[2]
    if receiver.startswith("controller/"):
        component = system.look(receiver.partition("#")[0])
        if isinstance(component, UserController) and component.problem is not None:
            raise _ControllerRaised(component.port.name) from component.problem


def _finding(problem: Exception, system: Any, began_s: float) -> Finding:
    oracle, object_, words, trace = TEST, "", f"{type(problem).__name__}: {problem}", "".join(traceback.format_exception(problem))
    match problem:
        case _ControllerRaised():
            cause = problem.__cause__
            assert cause is not None
            oracle, object_, words = RAISES, str(problem), f"it raised {type(cause).__name__}: {cause}"
            trace = "".join(traceback.format_exception(cause))
        case InvariantBroken():
            oracle, words = f"invariant {_named(str(problem))}", str(problem)
            trace = "" if problem.__cause__ is None else trace
        case ComponentFailed() | MutableMessage() | InboxOverflow():
            oracle, words = FAILS, str(problem).splitlines()[-1]
        case Livelock():
            oracle, words, trace = LIVELOCK, str(problem), ""
    return Finding(oracle, object_, words, system.now() - began_s, system.steps, trace)


def _named(words: str) -> str:
    """The function that the text of an `InvariantBroken` is about."""
    return words.removeprefix("the invariant ").partition(" ")[0]


def _difference(one: _Played, other: _Played) -> str | None:
    """Whether two runs of one schedule differ, and where first, in words; None if they are the same."""
    if one.outcome.trace_hash == other.outcome.trace_hash:
        return None
    numbered = enumerate(zip(one.records, other.records, strict=False), start=1)
    step, pair = next(
        ((number, pair) for number, pair in numbered if pair[0] != pair[1]), (min(len(one.records), len(other.records)) + 1, None)
    )
    what = "one of them ends there" if pair is None else f"once {_record(pair[0])}, once {_record(pair[1])}"
    return (
        f"the same schedule, run twice, has two histories: from step {step} on they differ: {what}. A controller or the test reads a "
        "clock, draws random numbers, or keeps something from one run to the next; use `now` and the view that `reconcile` is given"
    )


def _record(record: Record) -> str:
    at_s, sender, receiver, kind, subject = record
    return f"{sender or 'a timer'} -> {receiver} {kind} {subject} at {at_s:.3f}".replace("  ", " ")


def kinds_named(faults: Sequence[Any]) -> tuple[str, ...]:
    """Names of kinds of faults, given as classes or names.

    Raises:
        TypeError: one of them is no kind of fault that can be drawn.
    """
    names = []
    for one in faults:
        name = one.__name__ if isinstance(one, type) and issubclass(one, Fault) else one
        if name not in drawing.KINDS:
            raise TypeError(f"{one!r} is no kind of fault; there are {', '.join(drawing.KINDS)}")
        names.append(name)
    return tuple(names)
