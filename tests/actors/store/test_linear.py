"""The judge of histories is judged: it accepts what could have happened and rejects each kind of lie."""

from __future__ import annotations

import pytest

from callboard.runtime.chaos.exhaustive.linear import NEVER, Operation, linearizable


def write(called: int, answered: int, value: str, revision: int, expected: str | None = None, *, key: str = "a") -> Operation:
    return Operation(called=called, answered=answered, expected=((key, expected),), writes=((key, value),), ok=True, revision=revision)


def refused(called: int, answered: int, expected: str | None, found: str | None, revision: int) -> Operation:
    current = () if found is None else (("a", found),)
    return Operation(called=called, answered=answered, expected=(("a", expected),), writes=(("a", "x"),), found=current, revision=revision)


def read(called: int, answered: int, revision: int, **found: str) -> Operation:
    return Operation(called=called, answered=answered, read=True, found=tuple(found.items()), revision=revision)


LEGAL = {
    "one after the other": [write(1, 2, "1", 1), read(3, 4, 1, a="1"), write(5, 6, "2", 2, "1"), read(7, 8, 2, a="2")],
    "a read that overlaps a write sees the old": [write(1, 2, "1", 1), write(3, 6, "2", 2, "1"), read(4, 5, 1, a="1")],
    "or the new": [write(1, 2, "1", 1), write(3, 6, "2", 2, "1"), read(4, 5, 2, a="2")],
    "of two that compare with the same one is refused": [write(1, 4, "1", 1), refused(2, 3, None, "1", 1)],
    "an unanswered write that happened late": [write(1, NEVER, "1", 0), read(2, 3, 0), read(4, 5, 1, a="1")],
    "an unanswered write that never happened": [write(1, NEVER, "1", 0), read(2, 3, 0), write(4, 5, "2", 1)],
    "revisions may have gaps": [write(1, 2, "1", 1), write(3, 4, "2", 9_000, "1")],
}
ILLEGAL = {
    "a lost write": [write(1, 2, "1", 1), read(3, 4, 1)],
    "a stale read": [write(1, 2, "1", 1), write(3, 4, "2", 2, "1"), read(5, 6, 2, a="1")],
    "a read that shows what a later one takes back": [write(1, NEVER, "1", 0), read(2, 3, 1, a="1"), read(4, 5, 1)],
    "two winners of one compare": [write(1, 4, "1", 1), write(2, 3, "2", 2)],
    "a refusal for no reason": [write(1, 2, "1", 1), refused(3, 4, "1", "1", 1)],
    "a refusal that tells of nothing that was there": [write(1, 2, "1", 1), refused(3, 4, "0", "7", 1)],
    "a revision given twice": [write(1, 2, "1", 1), write(3, 4, "2", 1, "1")],
    "a revision that goes back": [write(1, 2, "1", 5), read(3, 4, 4, a="1")],
    "half of a transaction": [
        Operation(called=1, answered=2, expected=(("a", None),), writes=(("a", "1"), ("b", "1")), ok=True, revision=1),
        read(3, 4, 1, a="1"),
    ],
}


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_history_is_accepted(name: str) -> None:
    assert linearizable(LEGAL[name])


@pytest.mark.parametrize("name", ILLEGAL)
def test_a_history_that_could_not_have_happened_is_rejected(name: str) -> None:
    assert not linearizable(ILLEGAL[name])
