"""All orders of what can happen in a small world, each kind of order once: depth-first search with sleep sets and source sets.

Two events that concern different actors commute: whichever comes first, both actors end up the same and have said the same on each way. So
of all orders that differ only in such neighbours one is enough; they form a Mazurkiewicz trace.

*Sleep sets* (Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, LNCS 1032, 1996, chapter 5) see that no trace is
played to its end twice: what has been tried at a fork stays asleep in the branches beside it until something happens that it does not
commute with. *Source sets* (Abdulla, Aronis, Jonsson, Sagonas: Optimal Dynamic Partial Order Reduction, POPL 2014, algorithm 1) see that
few branches are begun that come to nothing: a fork has another branch only when two events of a played order turn out to be in a race.

No state can be put aside and taken up again, so each order is played from the beginning (stateless search, as in VeriSoft, POPL 1997).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import msgspec

EVERYBODY = "*"
"""The target of an event that commutes with none."""
Reduction = Literal["none", "sleep", "source"]


class Event(msgspec.Struct, frozen=True, order=True):
    """Something that can happen next. Equal ones are the same event in all orders that are equal but for neighbours that commute.

    `target` is the actor whose state it changes; `way` tells which of all ways to it, `number` which event on that way, from 1; `scarce`
    names the budget that it takes from ("": none), since what is left for one is taken from another. `words` only tell what it is.

    Events of one way and number are variants of each other: only one of them happens (a message is delivered, or lost). A scarce one with
    the target `EVERYBODY` need not happen at all, and may wherever it is possible."""

    target: str
    way: str
    number: int
    scarce: str = ""
    words: str = ""


def commute(one: Event, other: Event) -> bool:
    """Whether two events that are possible at one time have the same effect in both orders: they change different actors, and neither takes
    from the other. Ways are one actor's to another, so what one adds at the end of a way the other can't take from its beginning."""
    if EVERYBODY in (one.target, other.target) or one.target == other.target:
        return False
    return not one.scarce or one.scarce != other.scarce


class Execution(Protocol):
    """A world from its beginning, that is led from event to event."""

    def possible(self) -> Sequence[Event]:
        """What can happen next, always in the same order; nothing: this order is at its end."""

    def causes(self, event: Event) -> tuple[int, ...]:
        """The events without which a possible one would not be possible, by their place among those that were taken, from 0."""

    def take(self, event: Event) -> str | None:
        """Let it happen. Says in words what is wrong then, or None."""

    def end(self) -> str | None:
        """The order is at its end: what is wrong with the state of the world, in words, or None."""


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """What a search has come to. `orders` were played to their end, `cut` were left because all that could happen was asleep; `steps` are
    events that were taken, those of beginnings that were played again among them. `longest` is the length of the longest order. `wrong`
    says what is wrong at the end of `order`; "": nothing. `complete` is False if the search was left at its limit, or at what is wrong."""

    orders: int
    cut: int
    steps: int
    longest: int
    complete: bool
    wrong: str = ""
    order: tuple[Event, ...] = ()


class _Fork:
    """A place on the way: what is possible here, what is to be tried, what is asleep, and what is being tried.

    `before` are the places of all events that the one being tried comes after in every order of its trace, and its own, as bits."""

    __slots__ = ("asleep", "before", "chosen", "possible", "wanted")

    def __init__(self, possible: list[Event], asleep: set[Event], chosen: Event) -> None:
        self.possible, self.asleep, self.chosen = possible, asleep, chosen
        self.wanted: list[Event] = []
        self.before = 0

    def want(self, event: Event) -> None:
        """Have an event tried here, and its variants.

        Raises:
            ValueError: it is not possible here: the world does not say of all events what they are caused by.
        """
        if event not in self.possible:
            raise ValueError(f"{event} is in a race with {self.chosen}, but is not possible before it")
        self.wanted += [one for one in self.possible if (one.way, one.number) == (event.way, event.number)]

    def below(self) -> set[Event]:
        """What stays asleep once the chosen one has happened."""
        return {one for one in self.asleep if commute(one, self.chosen)}

    def next(self) -> bool:
        """Go on to the next one that is wanted; False if there is none."""
        self.asleep.add(self.chosen)
        for event in self.wanted:
            if event not in self.asleep:
                self.chosen = event
                return True
        return False


class _Search:
    def __init__(self, begin: Callable[[], Execution], limit: int, reduction: Reduction) -> None:
        self._begin, self._limit, self._reduction = begin, limit, reduction
        self._forks: list[_Fork] = []
        self.orders = self.cut = self.steps = self.longest = 0

    def run(self) -> Searched:
        """Play order after order."""
        while self.orders + self.cut < self._limit:
            wrong = self._play()
            if wrong is not None:
                return self._searched(False, wrong, tuple(fork.chosen for fork in self._forks))
            while self._forks and not self._forks[-1].next():
                self._forks.pop()
            if not self._forks:
                return self._searched(True)
        return self._searched(False)

    def _play(self) -> str | None:
        """One order from the beginning: as far as it is known, and on to its end."""
        world = self._begin()
        asleep: set[Event] = set()
        for place, fork in enumerate(self._forks):
            if place == len(self._forks) - 1:
                self._look_back(world, place)  # its event is another one than in the order before
            self.steps += 1
            if (wrong := world.take(fork.chosen)) is not None:
                return wrong
            asleep = fork.below()
        while possible := list(world.possible()):
            awake = [one for one in possible if one not in asleep]
            if not awake and self._reduction != "none":
                self.cut += 1
                return None
            self._fork(possible, asleep if self._reduction != "none" else set(), awake or possible)
            self._look_back(world, len(self._forks) - 1)
            self.steps += 1
            if (wrong := world.take(self._forks[-1].chosen)) is not None:
                return wrong
            asleep = self._forks[-1].below()
        self.orders += 1
        self.longest = max(self.longest, len(self._forks))
        return world.end()

    def _fork(self, possible: list[Event], asleep: set[Event], awake: list[Event]) -> None:
        fork = _Fork(possible, asleep, awake[0])
        if self._reduction == "source":
            fork.want(fork.chosen)
            fork.wanted += [one for one in possible if one.scarce and one.target == EVERYBODY and one not in fork.wanted]
        else:
            fork.wanted = list(possible)
        self._forks.append(fork)

    def _look_back(self, world: Execution, place: int) -> None:
        """Find the races of the event that is chosen at a place with those before it, and see that they are tried the other way round."""
        if self._reduction != "source":
            return
        forks, fork = self._forks, self._forks[place]
        event = fork.chosen
        before = 0
        for cause in world.causes(event):
            before |= forks[cause].before
        races: list[int] = []
        for earlier in range(place - 1, -1, -1):
            if before >> earlier & 1 or commute(forks[earlier].chosen, event):
                continue
            races.append(earlier)
            before |= forks[earlier].before
        fork.before = before | 1 << place
        if event.scarce and event.target == EVERYBODY:
            return  # it is tried wherever it is possible
        for earlier in races:
            self._turn_round(earlier, place)

    def _turn_round(self, earlier: int, place: int) -> None:
        """See that an event is tried at the earlier of two places that leads to the one at `place` without what was tried there: any that
        comes after neither that nor another such event."""
        forks = self._forks
        free = [*(one for one in range(earlier + 1, place) if not forks[one].before >> earlier & 1), place]
        bits = sum(1 << one for one in free)
        first = [forks[one].chosen for one in free if forks[one].before & bits == 1 << one]
        if not any(one in forks[earlier].wanted for one in first):
            forks[earlier].want(first[0])

    def _searched(self, complete: bool, wrong: str = "", order: Iterable[Event] = ()) -> Searched:
        found: dict[str, Any] = {"orders": self.orders, "cut": self.cut, "steps": self.steps, "longest": self.longest}
        return Searched(**found, complete=complete, wrong=wrong, order=tuple(order))


def search(begin: Callable[[], Execution], limit: int = 1_000_000, *, reduction: Reduction = "source") -> Searched:
    """Play every order of a world, or leave at the first that is wrong.

    Args:
        begin: makes the world anew; the same events have to lead to the same state every time.
        limit: orders, cut ones too, after which the search is left.
        reduction: "source" and "sleep" play every trace once, "none" every single order, whatever commutes; for comparison.
    """
    return _Search(begin, limit, reduction).run()
