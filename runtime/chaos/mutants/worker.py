"""A worker of the matrix: one mutant, one fresh process. Reads its order from standard input, says each schedule on standard output.

Nothing that may be patched is imported before the finder is installed, so imports are inside functions here.
"""

from __future__ import annotations

import gc
import sys
import time

import msgspec

from callboard.runtime.chaos.mutants.loading import install
from callboard.runtime.chaos.mutants.mutant import Mutant

OUR_FAULT = "the program falls"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to do: play these seeds of the portfolio until something is found, or (`stop_at_kill` False) all of them."""

    mutant: Mutant
    seeds: tuple[int, ...]
    stop_at_kill: bool = True
    strategies: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    oracles: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule as it was played. `oracle` "" means that nothing was found."""

    seed: int
    oracle: str = ""
    object: str = ""
    words: str = ""
    steps: int = 0
    took_s: float = 0.0


def main() -> int:
    """Carry an order out. Returns the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    install(order.mutant)
    for seed in order.seeds:
        line = _play(order, seed)
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stdout.buffer.flush()
        if line.oracle and order.stop_at_kill:
            break
    return 0


def _play(order: Order, seed: int) -> Line:
    from callboard.runtime.chaos.exploring import Wish, play_seed

    began_s = time.perf_counter()
    strategy = order.strategies[seed % len(order.strategies)] if order.strategies else ""
    try:
        _, outcome = play_seed(Wish(kinds=order.kinds, strategy=strategy), seed)
    except Exception as failure:  # a mutant may break the harness itself: that is noticed too, and no worker ends with it
        return Line(seed=seed, oracle=OUR_FAULT, words=f"{type(failure).__name__}: {failure}", took_s=time.perf_counter() - began_s)
    finding = outcome.finding
    took_s = time.perf_counter() - began_s
    if finding is None:
        return Line(seed=seed, steps=outcome.steps, took_s=took_s)
    return Line(seed=seed, oracle=finding.oracle, object=finding.object, words=finding.words[:300], steps=outcome.steps, took_s=took_s)


if __name__ == "__main__":
    gc.freeze()
    sys.exit(main())
