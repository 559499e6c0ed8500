"""What each strategy and each kind of fault is worth: the matrix without it. What earns nothing is to be removed."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from callboard.runtime.chaos.drawing import KINDS
from callboard.runtime.chaos.mutants.matrix import lines_of
from callboard.runtime.chaos.mutants.mutant import Mutant
from callboard.runtime.chaos.mutants.worker import Order
from callboard.runtime.faults.strategies import PORTFOLIO

EVERYTHING = "everything"


class Ablation(msgspec.Struct, frozen=True):
    """The matrix without one thing (`EVERYTHING`: with all): how many are killed, and after how many schedules in the median."""

    without: str
    killed: int
    of: int
    median_first_kill: float | None
    lost: tuple[str, ...] = ()
    """Mutants that are killed with everything, and not without this."""


def ablate(
    mutants: Sequence[Mutant], schedules: int, jobs: int | None = None, tell: Callable[[Ablation], None] = lambda _row: None
) -> tuple[Ablation, ...]:
    """Play the matrix with everything, then without guidance, each strategy, each kind of fault; `schedules` for each mutant at most."""
    bugs = [mutant for mutant in mutants if mutant.kind == "bug"]
    strategies = tuple(dict.fromkeys(PORTFOLIO))
    found: list[Ablation] = []
    known: dict[str, int | None] = {}
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for without, wish in _wishes(strategies):
            orders = [Order(mutant=mutant, schedules=schedules, **wish) for mutant in bugs]
            kills = dict(zip((mutant.id for mutant in bugs), pool.map(_first_kill, orders), strict=True))
            known = known or kills
            counted = [first for first in kills.values() if first is not None]
            lost = tuple(name for name, first in known.items() if first is not None and kills[name] is None)
            row = Ablation(without, len(counted), len(bugs), statistics.median(counted) if counted else None, lost)
            found.append(row)
            tell(row)
    return tuple(found)


def _wishes(strategies: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = [(EVERYTHING, {})]
    found.append(("guidance", {"guided": False}))
    found += [(f"strategy {name}", {"strategies": tuple(one for one in strategies if one != name)}) for name in strategies]
    found += [(f"fault {name}", {"kinds": tuple(one for one in KINDS if one != name)}) for name in KINDS]
    return found


def _first_kill(order: Order) -> int | None:
    lines = lines_of(order)
    return len(lines) if lines and lines[-1].oracle else None
