"""The kill matrix: every mutant against one and the same portfolio, each in a process that isn't told which it has.

The unchanged program is played first: what is found there is a false alarm, or a bug of ours.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Literal

import msgspec

from callboard.runtime.chaos.mutants.mutant import Mutant
from callboard.runtime.chaos.mutants.worker import Line, Order, Small
from callboard.runtime.chaos.processes import carried_out, patience_s

Verdict = Literal["killed", "survived", "equivalent", "masked", "absent", "alarm"]
CONTROL = Mutant(id="control", title="the unchanged program", kind="equivalent")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One mutant's fate. `first_kill` counts schedules from 1; it is the median over the ranges of seeds, each of which has its own in
    `first_kills` (None: none there). A bug is killed if it is in most ranges. `schedules` are all that were played. `alarm` is the verdict
    on a mutant that has to survive and was reported all the same, in whatever range. `small`: what its failures came down to, if asked."""

    id: str
    title: str = ""
    issue: str = ""
    verdict: Verdict
    first_kill: float | None = None
    first_kills: tuple[int | None, ...] = ()
    oracle: str = ""
    expected: str = ""
    words: str = ""
    schedules: int = 0
    small: tuple[Small, ...] = ()
    note: str = ""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """The unchanged program."""

    schedules: int
    false_alarms: int
    found: tuple[Line, ...] = ()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Killed of how many that should be; the rate is that of the control. Medians of failures that were made small, if any were."""

    killed: int
    of: int
    median_first_kill: float | None
    schedules_per_s: float
    median_steps: int
    median_holds: float | None = None
    median_faults: float | None = None
    median_replays: float | None = None


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    control: Control
    mutants: tuple[Row, ...]
    summary: Summary


def run(
    mutants: Sequence[Mutant],
    schedules: int,
    first_seed: int = 0,
    control_schedules: int | None = None,
    jobs: int | None = None,
    ranges: int = 1,
    shrink: bool = False,
    tell: Callable[[Row], None] = lambda _row: None,
) -> Matrix:
    """Play every mutant until it is found or `schedules` have been played, and the unchanged program `control_schedules` times.

    Args:
        jobs: worker processes at a time; None: one for each core.
        ranges: how many disjoint ranges of `schedules` seeds, one behind the other, bugs are played on; what has to survive, on the first.
        shrink: whether what is found is made small.
        tell: hears of each row as it is done.

    Raises:
        BadMutant: (from the worker's own words) a patch does not fit.
    """
    workers = jobs or os.cpu_count() or 1
    rows: dict[str, Row] = {}
    with ThreadPoolExecutor(workers) as pool:
        control = _control(pool, first_seed, schedules if control_schedules is None else control_schedules, workers)
        begins = range(first_seed, first_seed + ranges * schedules, schedules)
        orders = [
            Order(mutant=mutant, first_seed=first, schedules=schedules, shrink=shrink)
            for mutant in mutants
            if mutant.kind != "absent"
            for first in (begins if mutant.kind == "bug" else begins[:1])
        ]
        waiting = {pool.submit(_fate, order): order.mutant for order in orders}
        fates: dict[str, list[tuple[Line, ...]]] = {mutant.id: [] for mutant in mutants}
        for mutant in mutants:
            if mutant.kind == "absent":
                rows[mutant.id] = _row(mutant, "absent", [()])
        for future in as_completed(waiting):
            mutant = waiting[future]
            fates[mutant.id].append(future.result())
            if len(fates[mutant.id]) == (ranges if mutant.kind == "bug" else 1):
                rows[mutant.id] = row = _row(mutant, None, sorted(fates[mutant.id], key=lambda lines: lines[0].seed))
                tell(row)
    ordered = tuple(rows[mutant.id] for mutant in mutants)
    return Matrix(control=control[0], mutants=ordered, summary=_summary(ordered, control[1]))


def _control(pool: ThreadPoolExecutor, first_seed: int, schedules: int, workers: int) -> tuple[Control, list[Line]]:
    shares = [(first_seed + schedules * number // workers, first_seed + schedules * (number + 1) // workers) for number in range(workers)]
    orders = [Order(mutant=CONTROL, first_seed=begin, schedules=end - begin, stop_at_kill=False) for begin, end in shares if end > begin]
    parts = [pool.submit(lines_of, order) for order in orders]
    lines = [line for part in parts for line in part.result()]
    found = tuple(line for line in lines if line.oracle)
    return Control(schedules=len(lines), false_alarms=len(found), found=found), lines


def lines_of(order: Order) -> list[Line]:
    """Carry an order out in a process of its own; raises `WorkerFailed`."""
    return list(_lines(order))


def _fate(order: Order) -> tuple[Line, ...]:
    return tuple(_lines(order))


def _row(mutant: Mutant, verdict: Verdict | None, fates: Sequence[tuple[Line, ...]]) -> Row:
    """A row from what was played on each range; None as verdict: to be judged."""
    kills = tuple(len(lines) if lines and lines[-1].oracle else None for lines in fates)
    lasts = [lines[-1] for lines in fates if lines and lines[-1].oracle]
    first_kill = median_kill(kills)
    if verdict is None:
        verdict = _verdict(mutant, first_kill is not None if mutant.kind == "bug" else bool(lasts))
    last = lasts[0] if lasts else Line(seed=0)
    return Row(
        id=mutant.id,
        title=mutant.title,
        issue=mutant.issue,
        verdict=verdict,
        first_kill=first_kill,
        first_kills=kills,
        oracle=last.oracle,
        expected=mutant.oracle,
        words=last.words,
        schedules=sum(len(lines) for lines in fates),
        small=tuple(line.small for line in lasts if line.small is not None),
        note=mutant.note,
    )


def median_kill(kills: Sequence[int | None]) -> float | None:
    """The median of first kills, where none counts as later than any; None: there is none in half of the ranges or more."""
    ordered = sorted(float("inf") if kill is None else kill for kill in kills)
    middle = statistics.median(ordered)
    return None if middle == float("inf") else middle


def _verdict(mutant: Mutant, found: bool) -> Verdict:
    if mutant.kind == "bug":
        return "killed" if found else "survived"
    if found:
        return "alarm"
    return "masked" if mutant.kind == "masked" else "equivalent"


def _summary(rows: Sequence[Row], control: Sequence[Line]) -> Summary:
    counted = [row for row in rows if row.verdict in ("killed", "survived")]
    kills = [row.first_kill for row in counted if row.first_kill is not None]
    took_s = sum(line.took_s for line in control)
    small = [one for row in counted for one in row.small]
    return Summary(
        killed=len(kills),
        of=len(counted),
        median_first_kill=statistics.median(kills) if kills else None,
        schedules_per_s=round(len(control) / took_s, 2) if took_s else 0.0,
        median_steps=int(statistics.median(line.steps for line in control)) if control else 0,
        median_holds=statistics.median(one.holds for one in small) if small else None,
        median_faults=statistics.median(one.faults for one in small) if small else None,
        median_replays=statistics.median(one.replays for one in small) if small else None,
    )


def _lines(order: Order) -> Iterator[Line]:
    """Carry an order out in a process of its own."""
    for line in carried_out(
        "callboard.runtime.chaos.mutants.worker", order.mutant.id, msgspec.json.encode(order), patience_s(order.schedules)
    ):
        yield msgspec.json.decode(line, type=Line)
