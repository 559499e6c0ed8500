"""What the portfolio is worth beside the two things that anybody would try first, at equal processor time.

Every mutant is looked for in three ways, each in a fresh process and with the same budget on the wall (see `searchers.py`): by the
portfolio; on real threads with random sleeps before deliveries ("threads"); and by Hypothesis that draws every choice of a schedule
("hypothesis"). Workloads and oracles are the same. What is compared is the processor time to the first kill: a search that mostly sleeps
must not look dear, nor one that uses a whole core cheap.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import msgspec

from callboard.runtime.chaos.mutants.matrix import CONTROL
from callboard.runtime.chaos.mutants.mutant import Mutant
from callboard.runtime.chaos.mutants.searchers import SEARCHERS, Search, Searched, Searcher
from callboard.runtime.chaos.processes import SILENCE_S, carried_out

WITHIN_S = (1.0, 10.0, 60.0)
"""Processor times at which kills are counted."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How far one way of searching comes over all bugs: killed of how many, killed within each of `WITHIN_S` seconds of processor time,
    the median time to a kill, and all that was spent. `false_alarms` counts what it found in the unchanged program and in mutants that
    have to survive."""

    searcher: Searcher
    killed: int
    of: int
    within: tuple[int, ...]
    median_cpu_s: float | None
    cpu_s: float
    runs: int
    false_alarms: int = 0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All searches, in the order of the mutants (the control first) and of `SEARCHERS`, and what they come to."""

    baselines: tuple[Searched, ...]
    shares: tuple[Share, ...]


def compare(
    mutants: Sequence[Mutant],
    seconds: float | None = 60.0,
    runs: int | None = None,
    jobs: int | None = None,
    tell: Callable[[Searched], None] = lambda _one: None,
    searchers: Sequence[Searcher] = SEARCHERS,
) -> Comparison:
    """Look for every mutant, and in the unchanged program, in each of these ways.

    Args:
        seconds: wall time for each search, in seconds; None: as long as `runs` take.
        runs: schedules of each search at most; None: as many as there is time for.
        jobs: searches at a time; None: one for each core.
        tell: hears of each search as it is done.

    Raises:
        ValueError: neither `seconds` nor `runs` is given: nothing would end the search for a mutant that can't be found.
        WorkerFailed: a search came to no end, or its patch does not fit.
    """
    if seconds is None and runs is None:
        raise ValueError("a search needs an end: give seconds or runs")
    known = {CONTROL.id: CONTROL, **{mutant.id: mutant for mutant in mutants if mutant.kind != "absent"}}
    orders = [Search(mutant=mutant, searcher=one, seconds=seconds, runs=runs) for mutant in known.values() for one in searchers]
    found: dict[tuple[str, Searcher], Searched] = {}
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for future in as_completed([pool.submit(carry_out, order) for order in orders]):
            one = future.result()
            found[one.id, one.searcher] = one
            tell(one)
    searched = tuple(found[order.mutant.id, order.searcher] for order in orders)
    bugs = frozenset(mutant.id for mutant in mutants if mutant.kind == "bug")
    return Comparison(baselines=searched, shares=tuple(share(one, searched, bugs) for one in searchers))


def carry_out(order: Search) -> Searched:
    """Search in a process of its own; raises `WorkerFailed`."""
    limit_s = SILENCE_S + (order.seconds or 0.0)
    (line,) = carried_out("callboard.runtime.chaos.mutants.searchers", order.mutant.id, msgspec.json.encode(order), limit_s)
    return msgspec.json.decode(line, type=Searched)


def share(searcher: Searcher, searched: Sequence[Searched], bugs: frozenset[str]) -> Share:
    """What the searches of one kind come to; all but `bugs` have to survive."""
    own = [one for one in searched if one.searcher == searcher]
    looked = [one for one in own if one.id in bugs]
    kills_s = [one.cpu_s for one in looked if one.killed]
    return Share(
        searcher=searcher,
        killed=len(kills_s),
        of=len(looked),
        within=tuple(sum(cpu_s <= limit_s for cpu_s in kills_s) for limit_s in WITHIN_S),
        median_cpu_s=round(statistics.median(kills_s), 3) if kills_s else None,
        cpu_s=round(sum(one.cpu_s for one in looked), 3),
        runs=sum(one.runs for one in looked),
        false_alarms=sum(one.killed for one in own if one.id not in bugs),
    )
