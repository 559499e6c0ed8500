"""Whether one seed is one history: schedules are recorded, replayed from what was held, and played in an interpreter of another hash seed.

Run as a module it is the worker: an order on standard input, a line for each schedule on standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from callboard.runtime.chaos.exploring import Wish, play_seed, replayed
from callboard.runtime.chaos.processes import carried_out, patience_s

MODULE = "callboard.runtime.chaos.auditing"
HASH_SEEDS = ("1", "2")
CHUNK = 25


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Play so many seeds; `replays`: and replay each."""

    first_seed: int
    schedules: int
    replays: bool


class History(msgspec.Struct, frozen=True):
    """Of one seed: the hash of its history, and of its replay ("": it was not replayed)."""

    seed: int
    trace_hash: str
    replay_hash: str = ""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """So many schedules, each played three times; the seeds of those whose replay, or whose history under another hash seed, differs."""

    schedules: int
    replays_differ: tuple[int, ...]
    interpreters_differ: tuple[int, ...]


def audit(first_seed: int, schedules: int, jobs: int | None = None, tell: Callable[[int], None] = lambda _done: None) -> Audit:
    """Play schedules three times each, and compare.

    Args:
        jobs: worker processes at a time; None: one for each core.
        tell: hears how many have been compared so far.

    Raises:
        WorkerFailed: a worker ended early, or hangs.
    """
    begins = range(first_seed, first_seed + schedules, CHUNK)
    replays: list[int] = []
    interpreters: list[int] = []
    done = 0
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for pairs in pool.map(lambda begin: _both(begin, min(CHUNK, first_seed + schedules - begin)), begins):
            for one, other in pairs:
                done += 1
                if one.replay_hash != one.trace_hash:
                    replays.append(one.seed)
                if other.trace_hash != one.trace_hash:
                    interpreters.append(one.seed)
            tell(done)
    return Audit(schedules=done, replays_differ=tuple(replays), interpreters_differ=tuple(interpreters))


def _both(first_seed: int, schedules: int) -> list[tuple[History, History]]:
    """The histories of these seeds in two interpreters; the first one replays them too."""
    found = []
    for hash_seed in HASH_SEEDS:
        order = Order(first_seed=first_seed, schedules=schedules, replays=hash_seed == HASH_SEEDS[0])
        lines = carried_out(MODULE, f"seed {first_seed}", msgspec.json.encode(order), patience_s(2 * schedules), hash_seed)
        found.append([msgspec.json.decode(line, type=History) for line in lines])
    return list(zip(*found, strict=True))


def main() -> int:
    """Carry an order out. Returns the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    for seed in range(order.first_seed, order.first_seed + order.schedules):
        plan, outcome = play_seed(Wish(), seed)
        again = replayed(plan).trace_hash if order.replays else ""
        sys.stdout.buffer.write(msgspec.json.encode(History(seed, outcome.trace_hash, again)) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
