"""The worlds by name, and what may be claimed of one that has been searched: no more than was tried."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from callboard.runtime.chaos.exhaustive import apiworlds, storeworlds
from callboard.runtime.chaos.exhaustive.chosen import Scarce, Wish, World
from callboard.runtime.chaos.exhaustive.search import Searched, search

WORLDS: Mapping[str, type[World]] = {
    "compare-and-set": storeworlds.CompareAndSet,
    "with-reader": storeworlds.WithReader,
    "second-tries": storeworlds.SecondTries,
    "list-and-watch": apiworlds.ListAndWatch,
    "relist": apiworlds.Relist,
    "lost-stream": apiworlds.LostStream,
    "list-and-watch-in-lanes": apiworlds.ListAndWatchInLanes,
    "own-writes": apiworlds.OwnWrites,
    "late-answers": apiworlds.LateAnswers,
}
SMALL = ("compare-and-set", "list-and-watch", "relist", "lost-stream", "own-writes")
"""Those that take no more than a few seconds together."""


class Exhausted(msgspec.Struct, frozen=True, kw_only=True):
    """One world, searched; `claim` says in full what is known of it now. `order` is the one that is wrong, in words, if there is one."""

    world: str
    orders: int
    cut: int
    steps: int
    longest: int
    complete: bool
    wrong: str
    claim: str
    order: tuple[str, ...]


def exhaust(name: str, limit: int = 1_000_000) -> Exhausted:
    """Search a world; `limit` is how many orders are begun at most.

    Raises:
        KeyError: there is no world of this name.
    """
    world = WORLDS[name]
    found = search(world, limit)
    return Exhausted(
        world=name,
        orders=found.orders,
        cut=found.cut,
        steps=found.steps,
        longest=found.longest,
        complete=found.complete,
        wrong=found.wrong,
        claim=claimed(world, found),
        order=tuple(event.words for event in found.order),
    )


def claimed(world: type[World], found: Searched) -> str:
    """What a search says of a world: how many orders of what, under which assumptions, and what holds in them."""
    summary = (world.__doc__ or "").strip().rstrip(".")
    played = f"{found.orders} orders of up to {found.longest} messages and timers"
    rest = f" (then {world.rest_s:g} s, oldest first)" if world.rest_s else ""
    where = f"where {', '.join(assumptions(world.wish))}: {summary}{rest}"
    if found.wrong:
        return f"broken after {played} {where}. It should hold that {world.claim}, but {found.wrong}"
    if not found.complete:
        return f"left at its limit after {played}, which is not all of them, {where}. No violation so far of: {world.claim}"
    return f"all {played} (those that differ only in what different actors do count as one), {where}. No violation: {world.claim}"


def assumptions(wish: Wish) -> list[str]:
    """What is taken for granted in a world, in words."""
    said = ["whatever goes from one process to another keeps its order" if wish.links else "only what is in one lane keeps its order"]
    said += [f"{wish.losses.times} {_types(wish.losses)} to {wish.losses.target} may be lost"] if wish.losses.times else ["nothing is lost"]
    if wish.hasty.times:
        said.append(f"{_types(wish.hasty)} of {wish.hasty.target} may come early {_times(wish.hasty)}")
    said.append(f"time moves on {wish.moments} times" if wish.moments else "messages are faster than any other timer")
    if wish.unheard:
        said.append(f"nobody hears {', '.join(wish.unheard)}")
    return said


def _times(scarce: Scarce) -> str:
    return "once" if scarce.times == 1 else f"{scarce.times} times"


def _types(scarce: Scarce) -> str:
    return " or ".join(scarce.types)
