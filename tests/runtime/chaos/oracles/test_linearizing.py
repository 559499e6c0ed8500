"""Histories of one key by hand: which of them one copy of the store can have told, and which it can't."""

from __future__ import annotations

import random

import pytest

from callboard.runtime.chaos.oracles.linearizing import ABSENT, ANYTHING, NEVER, Act, Kind, misfit


def read(began: int, ended: int, revision: int) -> Act:
    return Act(kind="read", began=began, ended=ended, revision=revision)


def put(began: int, ended: int, revision: int, expects: int = -1) -> Act:
    return Act(kind="put", began=began, ended=ended, revision=revision, expects=expects)


def create(began: int, ended: int, revision: int) -> Act:
    return put(began, ended, revision, ABSENT)


def remove(began: int, ended: int, revision: int, expects: int = -1) -> Act:
    return Act(kind="remove", began=began, ended=ended, revision=revision, expects=expects)


def lost(kind: str, began: int, expects: int = -1) -> Act:
    """A write that nobody has acknowledged."""
    return Act(kind=kind, began=began, ended=NEVER, expects=expects)  # type: ignore[arg-type]


LEGAL = {
    "nothing happens": (),
    "one after the other": (create(0, 2, 1), read(2, 4, 1), put(4, 6, 2, 1), read(6, 8, 2), remove(8, 10, 3, 2), read(10, 12, 0)),
    "a read beside a write sees what was there before it": (create(0, 2, 1), put(4, 9, 2, 1), read(5, 6, 1)),
    "a read beside a write sees what it has written": (create(0, 2, 1), put(4, 9, 2, 1), read(5, 6, 2), read(6, 8, 2)),
    "two writes at the same time are acknowledged the other way round": (create(0, 2, 1), put(3, 9, 3), put(4, 6, 2), read(10, 11, 3)),
    "a write that was not acknowledged has had its effect": (create(0, 2, 1), lost("put", 3, 1), read(6, 8, 5)),
    "a write that was not acknowledged has had none": (create(0, 2, 1), lost("put", 3, 1), read(6, 8, 1)),
    "it has its effect long after, and is seen then": (create(0, 2, 1), lost("put", 3, 1), read(6, 8, 1), read(20, 21, 4)),
    "a removal that was not acknowledged makes room for a new one": (create(0, 2, 1), lost("remove", 3), create(9, 11, 5)),
    "a change that was not acknowledged may have removed it": (create(0, 2, 1), lost("change", 3), read(9, 11, 0)),
    "a write that finds everything as it wants it names what is there": (create(0, 2, 1), put(3, 9, 2, 1), put(4, 6, 2)),
    "it is made again after it was removed": (create(0, 2, 1), remove(2, 4, 2), create(4, 6, 3), read(6, 8, 3)),
}
ILLEGAL = {
    "an update is lost: two have replaced the same": (create(0, 2, 1), put(3, 8, 2, 1), put(4, 9, 3, 1)),
    "a read is older than what was acknowledged before it": (create(0, 2, 1), put(2, 4, 2, 1), read(5, 6, 1)),
    "a read goes back behind another": (create(0, 2, 1), put(3, 20, 2, 1), read(4, 6, 2), read(6, 8, 1)),
    "an acknowledged write is gone though nobody has removed it": (create(0, 2, 1), read(3, 5, 0)),
    "a revision goes back": (create(0, 2, 7), put(3, 5, 6)),
    "it is created twice": (create(0, 2, 1), create(3, 5, 2)),
    "it is there again after it was removed": (create(0, 2, 1), remove(2, 4, 2), read(5, 6, 1)),
    "what was never there is removed": (remove(0, 2, 1),),
    "something is seen that nobody has written": (create(0, 2, 1), read(3, 5, 4)),
    "it was made on condition of what a lost write can't have left": (create(0, 2, 1), lost("put", 9, 1), read(3, 5, 4)),
    "a write that changes nothing names what has been replaced": (create(0, 2, 1), put(3, 5, 2, 1), put(6, 8, 1)),
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_one_copy_can_have_told_is_linearizable(name: str) -> None:
    assert misfit(LEGAL[name]) is None


@pytest.mark.parametrize("name", ILLEGAL)
def test_what_one_copy_can_not_have_told_is_not_linearizable(name: str) -> None:
    assert misfit(ILLEGAL[name]) is not None


@pytest.mark.parametrize("name", [name for name in ILLEGAL if "nobody has written" not in name and "never there" not in name])
def test_others_who_may_put_too_excuse_nothing_else(name: str) -> None:
    verdict = misfit(ILLEGAL[name], others=True)
    assert (verdict is None) == ("lost write" in name)


def test_others_may_have_put_what_nobody_in_the_history_has() -> None:
    assert misfit((create(0, 2, 1), read(3, 5, 4)), others=True) is None
    assert misfit((create(0, 2, 1), read(3, 5, 4), put(6, 8, 4)), others=True) is not None, "it was seen before it was written"


def test_what_was_there_before_the_history_began_is_learned_from_the_first_who_sees_it() -> None:
    assert misfit((read(0, 2, 9), put(2, 4, 12, 9), read(5, 6, 12)), ANYTHING) is None
    assert misfit((read(0, 2, 0), create(3, 4, 2)), ANYTHING) is None
    assert misfit((read(0, 2, 9), read(3, 4, 8)), ANYTHING) is not None


def test_the_misfit_is_the_act_at_which_the_longest_order_ends() -> None:
    stale = read(9, 10, 1)
    assert misfit((create(0, 2, 1), put(2, 4, 2, 1), read(5, 6, 2), stale)) == stale


def _history(rng: random.Random, clients: int, rounds: int) -> list[Act]:
    """What clients of one real copy are told, each with one request at a time that has its effect inside it; some hear nothing."""
    acts: list[Act] = []
    holds, revision, now = 0, 0, 0
    busy: list[tuple[int, int]] = []
    for _ in range(rounds):
        now += 1
        busy.append((now, rng.randint(0, clients)))
        began, _ = busy.pop(rng.randrange(len(busy))) if len(busy) > clients else (now, 0)
        ended = now + rng.randint(1, 2 * clients)
        choice = rng.random()
        answered = rng.random() < 0.8
        if choice < 0.5:
            acts.append(read(began, ended, holds))
            continue
        expects = holds if rng.random() < 0.5 else -1
        kind: Kind = "remove" if choice > 0.9 and holds else "put"
        if answered or rng.random() < 0.5:
            revision += rng.randint(1, 3)
            holds = 0 if kind == "remove" else revision
        end = ended if answered else NEVER
        acts.append(Act(kind=kind, began=began, ended=end, revision=revision if answered else 0, expects=expects))
    return acts


@pytest.mark.parametrize("seed", range(60))
def test_what_one_copy_has_really_told_is_linearizable(seed: int) -> None:
    rng = random.Random(seed)
    assert misfit(_history(rng, rng.randint(1, 5), 60)) is None


def test_a_stale_read_among_many_is_noticed() -> None:
    found = 0
    for seed in range(40):
        rng = random.Random(seed)
        acts = _history(rng, 3, 60)
        revisions = sorted({act.revision for act in acts if act.kind == "put" and act.revision})
        late = max(act.ended for act in acts if act.ended < NEVER) + 1
        found += misfit([*acts, read(late, late + 1, revisions[0])]) is not None
    assert found == 40
