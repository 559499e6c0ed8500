"""One seed is one history: also in another interpreter, and whoever breaks that is named."""

from __future__ import annotations

import msgspec
import pytest

from callboard.runtime.chaos import auditing
from callboard.runtime.chaos.auditing import History, Order, audit


def test_schedules_have_one_history_played_replayed_and_under_another_hash_seed() -> None:
    found = audit(40, 3, jobs=2)
    assert (found.schedules, found.replays_differ, found.interpreters_differ) == (3, (), ())


def test_a_replay_and_an_interpreter_that_differ_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def carried_out(_module: str, _name: str, order: bytes, _limit_s: float, hash_seed: str) -> list[bytes]:
        wanted = msgspec.json.decode(order, type=Order)
        found = []
        for seed in range(wanted.first_seed, wanted.first_seed + wanted.schedules):
            trace = f"{seed}-{hash_seed}" if seed == 31 else str(seed)
            found.append(msgspec.json.encode(History(seed, trace, "" if not wanted.replays else "x" if seed == 2 else trace)))
        return found

    monkeypatch.setattr(auditing, "carried_out", carried_out)
    told: list[int] = []
    found = audit(0, 60, jobs=1, tell=told.append)
    assert (found.schedules, found.replays_differ, found.interpreters_differ) == (60, (2,), (31,))
    assert told == [25, 50, 60]
