"""Judges whether what clients saw of a store could have happened one operation at a time, each somewhere between its call and its answer.

The search of Wing and Gong with a memory of what was tried. Every write stores a value of its own, so a compare with a revision is a
compare with a value. An operation without an answer may have happened at any time after its call, or never. Revisions are part of the
judgement: the order must be theirs, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

NEVER = 1 << 60


class Operation(msgspec.Struct, kw_only=True):
    """One transaction or read as its client saw it. Times are any growing numbers; `answered` is NEVER without an answer.

    `expected` and `writes` make a transaction (None: absent, remove). `ok` is whether it was carried out; then `found` is not looked at.
    `found` is what a refusal told of the compared keys, or what a read found (all other keys are absent).
    """

    called: int
    answered: int = NEVER
    expected: tuple[tuple[str, str | None], ...] = ()
    writes: tuple[tuple[str, str | None], ...] = ()
    read: bool = False
    ok: bool = False
    found: tuple[tuple[str, str], ...] = ()
    revision: int = 0


State = tuple[tuple[tuple[str, str], ...], int]
"""Keys with their values in order, and the least revision that the next answer may have."""


def linearizable(history: Sequence[Operation]) -> bool:
    """Whether there is an order that explains every answer."""
    history = sorted(history, key=lambda one: one.called)
    wanted = sum(1 << index for index, one in enumerate(history) if one.answered != NEVER)
    start: State = ((), 0)
    seen = {(0, start)}
    stack: list[tuple[int, State]] = [(0, start)]
    while stack:
        done, state = stack.pop()
        if done & wanted == wanted:
            return True
        first_answer = min((one.answered for index, one in enumerate(history) if not done >> index & 1), default=NEVER)
        for index, one in enumerate(history):
            if one.called > first_answer:
                break
            if done >> index & 1:
                continue
            after = _carried_out(one, state)
            step = None if after is None else (done | 1 << index, after)
            if step is not None and step not in seen:
                seen.add(step)
                stack.append(step)
    return False


def _carried_out(one: Operation, state: State) -> State | None:
    """The state after the operation, or None if its answer doesn't fit."""
    items, revision = dict(state[0]), state[1]
    if one.read:
        return (state[0], one.revision) if items == dict(one.found) and one.revision >= revision else None
    holds = all(items.get(key) == value for key, value in one.expected)
    if one.answered == NEVER:
        return _written(items, one, revision) if holds else None
    if holds != one.ok:
        return None
    if not holds:
        current = {key: items[key] for key, _ in one.expected if key in items}
        return (state[0], one.revision) if current == dict(one.found) and one.revision >= revision else None
    return _written(items, one, one.revision) if one.revision > revision else None


def _written(items: dict[str, str], one: Operation, revision: int) -> State:
    for key, value in one.writes:
        if value is None:
            items.pop(key, None)
        else:
            items[key] = value
    return tuple(sorted(items.items())), revision
