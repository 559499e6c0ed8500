"""The kill matrix: every mutant against one and the same portfolio, each in a process that isn't told which it has.

The unchanged program is played first: what is found there is a false alarm, or a bug of ours.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Literal

import msgspec

from callboard.runtime.chaos.mutants.mutant import Mutant
from callboard.runtime.chaos.mutants.worker import Line, Order

Verdict = Literal["killed", "survived", "equivalent", "masked", "absent", "alarm"]
SILENCE_S = 600.0
"""A worker that says nothing for so long hangs: no schedule takes a minute."""
CONTROL = Mutant(id="control", title="the unchanged program", kind="equivalent")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One mutant's fate. `first_kill` counts schedules from 1, `schedules` those that were played. `alarm` is the verdict on a mutant that
    has to survive and was reported all the same."""

    id: str
    title: str = ""
    issue: str = ""
    verdict: Verdict
    first_kill: int | None = None
    oracle: str = ""
    expected: str = ""
    words: str = ""
    schedules: int = 0
    note: str = ""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """The unchanged program."""

    schedules: int
    false_alarms: int
    found: tuple[Line, ...] = ()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Killed of how many that should be; the rate is that of the control."""

    killed: int
    of: int
    median_first_kill: float | None
    schedules_per_s: float
    median_steps: int


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
    tell: Callable[[Row], None] = lambda _row: None,
) -> Matrix:
    """Play every mutant until it is found or `schedules` have been played, and the unchanged program `control_schedules` times.

    Args:
        jobs: worker processes at a time; None: one for each core.
        tell: hears of each row as it is done.

    Raises:
        BadMutant: (from the worker's own words) a patch does not fit.
    """
    workers = jobs or os.cpu_count() or 1
    rows: dict[str, Row] = {}
    with ThreadPoolExecutor(workers) as pool:
        control = _control(pool, first_seed, schedules if control_schedules is None else control_schedules, workers)
        waiting: dict[Future[Row], Mutant] = {}
        for mutant in mutants:
            if mutant.kind == "absent":
                rows[mutant.id] = _row(mutant, "absent", ())
            else:
                waiting[pool.submit(_fate, mutant, first_seed, schedules)] = mutant
        for future in as_completed(waiting):
            row = future.result()
            rows[row.id] = row
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


def _fate(mutant: Mutant, first_seed: int, schedules: int) -> Row:
    return _row(mutant, None, tuple(_lines(Order(mutant=mutant, first_seed=first_seed, schedules=schedules))))


def _row(mutant: Mutant, verdict: Verdict | None, lines: tuple[Line, ...]) -> Row:
    last = lines[-1] if lines else Line(seed=0)
    if verdict is None:
        verdict = _verdict(mutant, bool(last.oracle))
    return Row(
        id=mutant.id,
        title=mutant.title,
        issue=mutant.issue,
        verdict=verdict,
        first_kill=len(lines) if last.oracle else None,
        oracle=last.oracle,
        expected=mutant.oracle,
        words=last.words,
        schedules=len(lines),
        note=mutant.note,
    )


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
    return Summary(
        killed=len(kills),
        of=len(counted),
        median_first_kill=statistics.median(kills) if kills else None,
        schedules_per_s=round(len(control) / took_s, 2) if took_s else 0.0,
        median_steps=int(statistics.median(line.steps for line in control)) if control else 0,
    )


class WorkerFailed(RuntimeError):
    """A worker ended before its order was carried out; says what it complained of."""


def _lines(order: Order) -> Iterator[Line]:
    """Carry an order out in a process of its own."""
    for line in carried_out("callboard.runtime.chaos.mutants.worker", order.mutant.id, msgspec.json.encode(order), SILENCE_S):
        yield msgspec.json.decode(line, type=Line)


def carried_out(module: str, name: str, order: bytes, limit_s: float) -> list[bytes]:
    """Give an order to a fresh process that runs this module, and return the lines that it says.

    Raises:
        WorkerFailed: it failed, or was not done within `limit_s`; says so of `name`.
    """
    process: Any = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        try:
            said, complaints = process.communicate(order, timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise WorkerFailed(f"{name}: its worker was not done within {limit_s:g} s") from None
    if process.returncode != 0:
        raise WorkerFailed(f"{name}: {complaints.decode(errors='replace').strip()[-1000:]}")
    lines: list[bytes] = said.splitlines()
    return lines
