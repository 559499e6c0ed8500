"""Whether a history of one key is linearizable: whether there is one order of its acts, each at some moment between its beginning and its
end, that a key that holds one revision at a time can have gone through (Herlihy & Wing, TOPLAS 1990). Pure.

Histories are checked key by key, since linearizability is local to objects; of transactions over several keys only that much is judged. The
search is Wing & Gong's (JPDC 1993) with the memory of Lowe (CCPE 2017). Revisions only grow, which leaves it next to nothing to try.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

NEVER = 1 << 62
"""When an act ends that was never acknowledged."""
ABSENT = 0
"""The revision of a key that isn't there."""
UNSEEN = -1
"""What is there is of a revision that nobody has told: one above the floor."""
ANYTHING = -2
"""Nothing is known of what is there, if anything."""
ANY = -1
"""What an act expects that has no precondition."""
CONFIGURATIONS_LIMIT = 20_000
"""So many are tried; a history that takes more counts as right."""

Kind = Literal["read", "put", "remove", "change"]


class Act(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One request about a key. `began` and `ended` are numbers of steps: what ended in the step in which another one began was before it.

    `revision` is what a read has seen (0: nothing), or what a write was acknowledged at; `expects` the revision that a write was made on
    condition of (0: absent, -1: any). A write that `ended` NEVER may have had its effect at any time since it began, or may have none;
    "change" is one of which it isn't known whether it would put or remove.
    """

    kind: Kind
    began: int
    ended: int = NEVER
    revision: int = 0
    expects: int = ANY
    who: str = ""


class State(NamedTuple):
    """What the key holds, and the largest revision that it has had."""

    holds: int
    floor: int


class _Configuration(NamedTuple):
    """How far an order has come: all acknowledged acts before `low` are done and those in `more`; `tried` are optional ones."""

    low: int
    more: frozenset[int]
    tried: frozenset[int]
    state: State


def misfit(acts: Sequence[Act], start: int = ABSENT, *, others: bool = False) -> Act | None:
    """None if the history is linearizable; else the act at which the order that comes furthest ends.

    Args:
        start: the revision that the key has in the beginning; ABSENT or ANYTHING.
        others: whether somebody whose requests are not in the history may put, too. Nobody but those in it removes.
    """
    sure = sorted((act for act in acts if act.ended < NEVER), key=lambda act: (act.began, act.ended))
    optional = sorted((act for act in acts if act.ended >= NEVER and act.kind != "read"), key=lambda act: act.began)
    hidden = _Hidden(others, frozenset(act.revision for act in sure if act.kind == "put"))
    stack = [_Configuration(0, frozenset(), frozenset(), State(start, 0))]
    seen = set(stack)
    furthest, end = -1, None
    while stack:
        here = stack.pop()
        if here.low == len(sure):
            return None
        possible, bound = _possible(sure, here)
        done = here.low + len(here.more)
        if done > furthest:
            furthest, end = done, min((sure[number] for number in possible), key=lambda act: act.ended)
        for there in _next(sure, optional, here, possible, bound, hidden):
            if there not in seen:
                seen.add(there)
                stack.append(there)
        if len(seen) > CONFIGURATIONS_LIMIT:
            return None
    return end


class _Hidden(NamedTuple):
    """What others may have put: any revision that no put of the history was acknowledged at."""

    others: bool
    known: frozenset[int]

    def may_be(self, revision: int) -> bool:
        return self.others and revision not in self.known


def _possible(sure: Sequence[Act], here: _Configuration) -> tuple[list[int], int]:
    """The acknowledged acts that may come next: none of those left ended before they began. With them when the first of those left ends."""
    found: list[int] = []
    bound = NEVER
    for number in range(here.low, len(sure)):
        act = sure[number]
        if number in here.more:
            continue
        if act.began >= bound:
            break
        found.append(number)
        bound = min(bound, act.ended)
    return found, bound


def _next(
    sure: Sequence[Act], optional: Sequence[Act], here: _Configuration, possible: list[int], bound: int, hidden: _Hidden
) -> list[_Configuration]:
    """Where an order may go from here, the most promising last: acknowledged acts by revision, and what may have had no effect at all
    only where they lead nowhere."""
    state = here.state
    if any(_is_past(sure[number], state) for number in possible):
        return []
    found: list[_Configuration] = []
    alike: set[tuple[str, int]] = set()
    for number, act in enumerate(optional):
        if act.began >= bound:
            break
        if number not in here.tried and (act.kind, act.expects) not in alike:  # which of several alike makes no difference
            alike.add((act.kind, act.expects))
            tried = here.tried | {number}
            found += [here._replace(tried=tried, state=after) for after in unacknowledged(act, state, hidden)]
    for number in sorted(possible, key=lambda number: (sure[number].revision, -sure[number].ended), reverse=True):
        after = acknowledged(sure[number], state, hidden)
        if after is not None:
            low, more = _advanced(here.low, here.more | {number})
            found.append(_Configuration(low, more, here.tried, after))
    return found


def _advanced(low: int, more: frozenset[int]) -> tuple[int, frozenset[int]]:
    while low in more:
        more -= {low}
        low += 1
    return low, more


def _is_past(act: Act, state: State) -> bool:
    """Whether an act can't come any more, since revisions only grow."""
    if act.kind == "read":
        return ABSENT < act.revision < state.floor
    return act.revision < state.floor or (act.revision == state.floor and not _changes_nothing(act, state))


def _changes_nothing(act: Act, state: State) -> bool:
    """Whether a write may have found everything as it wanted it: it is acknowledged at the revision that is there then."""
    return act.kind == "put" and act.revision == state.holds and act.expects in (ANY, act.revision)


def _holding(state: State, revision: int, hidden: _Hidden) -> State | None:
    """The state in which the key holds this revision, if it may be the present one, or one after something that others have put."""
    holds, floor = state
    if holds == revision:
        return state
    if revision == ABSENT:
        return State(ABSENT, floor) if holds == ANYTHING else None
    if revision <= floor:
        return None
    if holds in (UNSEEN, ANYTHING) or hidden.may_be(revision):
        return State(revision, revision)
    return None


def acknowledged(act: Act, state: State, hidden: _Hidden) -> State | None:
    """What an acknowledged act makes of a state; None if it can't have happened there."""
    if act.kind == "read":
        return _holding(state, act.revision, hidden)
    if _changes_nothing(act, state):
        return state
    before = state if act.expects == ANY else _holding(state, act.expects, hidden)
    if before is None or act.revision <= before.floor:
        return None
    if act.kind == "put":
        return State(act.revision, act.revision)
    if before.holds == ABSENT and not hidden.others:
        return None
    return State(ABSENT, act.revision)


def unacknowledged(act: Act, state: State, hidden: _Hidden) -> list[State]:
    """What a write that nobody has acknowledged may make of a state; that it does nothing is none of them."""
    before = state if act.expects == ANY else _holding(state, act.expects, hidden)
    if before is None:
        return []
    found: list[State] = []
    if act.kind != "remove":
        found.append(State(UNSEEN, before.floor))
    if act.kind != "put" and before.holds != ABSENT:
        found.append(State(ABSENT, before.floor + 1))
    return found
