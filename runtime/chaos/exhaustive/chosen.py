"""A simulation in which somebody from outside chooses what comes next, among all that may.

What may come next: the first message of each lane between two processes (lanes are what keeps its order, see `Message.lane`; nothing else
is promised to anybody), and every timer that is due. Handling takes no time, and neither does a message's way: time moves on only when
nothing else can happen, to the next timer, and only so often as is wished. Besides, some messages may be lost, and some timers come before
messages that are on their way (who waits for an answer gives it up), a few times each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heapify

import msgspec

from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.messages.base import Address, Message
from callboard.runtime.chaos.exhaustive.search import EVERYBODY, Event
from callboard.runtime.systems import ComponentFailed, SimulatedSystem
from callboard.runtime.systems.lanes import LaneKey
from callboard.runtime.systems.pending import Deed, Flight, Pending, SimulatedTimer

Lane = tuple[str, str, str]
"""Address of the sender, address of the receiver, name."""
TIME, TIMER = "time", "timer "


class Scarce(msgspec.Struct, frozen=True, kw_only=True):
    """What may go wrong so many times in an order: messages of these types lost on their way to `target`, or timers of these types of
    `target` that come while messages are on their way. `target` is the name of a process."""

    target: str
    types: tuple[str, ...]
    times: int = 1


NONE = Scarce(target="", types=(), times=0)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Among what is to be chosen. `links`: everything between two processes keeps its order, instead of every lane by itself. `unheard`
    types of messages are lost at once, as all are to who isn't there. `losses` may be lost, timers of `hasty` may come early, and time
    moves on `moments` times. `together` names, by process, groups that are watched as one: among their members it counts who was first."""

    links: bool = False
    unheard: tuple[str, ...] = ()
    losses: Scarce = NONE
    hasty: Scarce = NONE
    moments: int = 0
    together: FrozenMap = EMPTY_MAP


class _Waiting(Pending):
    """What is on its way, by lane, once somebody chooses; timers as ever."""

    def __init__(self) -> None:
        super().__init__()
        self.choosing = False
        self.links = False
        """Whether everything between two processes keeps its order, as if it were one lane."""
        self.taken = 0
        """Events that have been chosen so far."""
        self.lanes: dict[Lane, deque[Flight]] = {}
        self.ordinals: dict[int, int] = {}
        """Of a timer, by its number in the heap, which differs between orders that are equal: which one of its process it is."""
        self.made: dict[tuple[str, int], int] = {}
        """By which event the n-th message of a lane was sent, or the n-th timer of a process set; -1: before all of them."""
        self._counts: dict[str, int] = {}

    def push(self, due_s: float, item: Flight | SimulatedTimer | Deed) -> None:
        """Enter something."""
        if isinstance(item, Flight) and self.choosing:
            lane = (item.sender, item.to, "" if self.links else item.message.lane())
            self.lanes.setdefault(lane, deque()).append(item)
            self._count(_way(lane))
            return
        super().push(due_s, item)
        if isinstance(item, SimulatedTimer):
            self.ordinals[self._numbers] = self._count(f"{TIMER}{item.port.me}")

    def _count(self, way: str) -> int:
        count = self._counts[way] = self._counts.get(way, 0) + 1
        self.made[way, count] = self.taken - 1
        return count


class ChosenSystem(SimulatedSystem):
    """See above. Built and brought to rest as any simulation; from `choose` on it is led by `take`, until `let_go`."""

    def __init__(self) -> None:
        super().__init__(1, jitter_s=0.0, check_messages=False, silent=True)
        self._pending: _Waiting = _Waiting()
        self._losses = self._hasty = NONE
        self._moments = 0
        self._together: Mapping[str, str] = {}
        self._unheard: frozenset[str] = frozenset()
        self._heads: dict[str, tuple[int, int]] = {}
        """By way: the number of the last message that has been taken, and which event that was."""
        self._due: dict[tuple[str, int], int] = {}
        """By way and number of a timer that time has made due: which event that was."""
        self.messages = 0
        """Messages that have been chosen so far, lost ones too."""

    def choose(self, wish: Wish) -> None:
        """From now on `take` says what comes next.

        Raises:
            ValueError: a message is on its way, whose place among the others nobody knows any more.
        """
        if any(isinstance(item, Flight) for _, _, item in self._pending.heap):
            raise ValueError("messages are on their way; bring it to rest first")
        self._pending.choosing = True
        self._pending.links, self._unheard, self._together = wish.links, frozenset(wish.unheard), wish.together
        self._losses, self._hasty, self._moments = wish.losses, wish.hasty, wish.moments

    def let_go(self) -> None:
        """Nobody chooses any more: oldest first, as in any simulation."""
        self._pending.choosing = False
        for _, lane in sorted(self._pending.lanes.items()):
            for flight in lane:
                self._pending.push(self._now, flight)
        self._pending.lanes.clear()

    def _fly(self, due_s: float, sender: Address, to: Address, message: Message, lane: LaneKey | None) -> None:
        if self._pending.choosing and (type(message).__name__ in self._unheard or not (to in self._directory or to in self._outlets)):
            return
        super()._fly(due_s, sender, to, message, lane)

    def bring(self, sender: str, to: Address, message: Message) -> None:
        """Send a message in the name of somebody who need not be there."""
        self._fly(self._now, sender, to, message, None)

    # -- what may come next -------------------------------------------------------------------------------------------------------

    def possible(self) -> list[Event]:
        """What may come next, in an order that depends on nothing but the events themselves."""
        found = self._now_possible()
        if not found and self._moments and self._next_s() is not None:
            found.append(Event(EVERYBODY, TIME, self._moments, "", "time moves on"))
        return found

    def _next_s(self) -> float | None:
        return min((due_s for due_s, _, item in self._pending.heap if not item.done), default=None)

    def causes(self, event: Event) -> tuple[int, ...]:
        """The events before it without which it could not happen, by their place among all that were taken, from 0: that by which it was
        made, and what was before it on its way. Time moves on after all of them."""
        if event.way == TIME:
            return tuple(range(self._pending.taken))
        before = self._heads.get(event.way)
        due = self._due.get((event.way, event.number), -1)
        return tuple(
            place for place in (self._pending.made[event.way, event.number], -1 if before is None else before[1], due) if place >= 0
        )

    def _now_possible(self) -> list[Event]:
        pending = self._pending
        found: list[Event] = []
        for lane, flights in pending.lanes.items():
            message = flights[0].message
            name, kind = lane[1].partition("#")[0], type(message).__name__
            target = self._together.get(name, name)
            way = _way(lane)
            number = self._heads.get(way, (0, -1))[0] + 1
            words = f"{kind} {message.subject()}".strip() + f" from {lane[0]} to {name}"
            found.append(Event(target, way, number, "", words))
            if self._losses.times and name == self._losses.target and kind in self._losses.types:
                found.append(Event(target, way, number, "loss", f"{words} is lost"))
        for due_s, number, item in pending.heap:
            if item.done or not isinstance(item, SimulatedTimer):
                continue
            kind, name = type(item.message).__name__, item.port.name
            if due_s <= self._now:
                target = self._together.get(name, name)
                found.append(Event(target, f"{TIMER}{item.port.me}", pending.ordinals[number], "", f"timer {kind} of {name}"))
            elif self._hasty.times and pending.lanes and name == self._hasty.target and kind in self._hasty.types:
                words = f"timer {kind} of {name} comes early"
                found.append(Event(EVERYBODY, f"{TIMER}{item.port.me}", pending.ordinals[number], "haste", words))
        found.sort()
        return found

    # -- what comes ---------------------------------------------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Let one of `possible` happen.

        Raises:
            ComponentFailed: a component ended with an exception.
        """
        self._check_movable()
        self._pending.taken += 1
        if event.way == TIME:
            self._move_on()
        elif event.way.startswith(TIMER):
            self._fire(event)
        else:
            self._carry(event)
        for hook in self.on_step:
            hook()

    def _carry(self, event: Event) -> None:
        pending = self._pending
        lane = next(one for one in pending.lanes if _way(one) == event.way)
        flights = pending.lanes[lane]
        flight = flights.popleft()
        if not flights:
            del pending.lanes[lane]
        self._heads[event.way] = (event.number, pending.taken - 1)
        self.messages += 1
        if event.scarce:
            self._losses = msgspec.structs.replace(self._losses, times=self._losses.times - 1)
        else:
            self._land(flight)

    def _fire(self, event: Event) -> None:
        pending, me = self._pending, event.way.removeprefix(TIMER)
        entry = next(one for one in pending.heap if pending.ordinals.get(one[1]) == event.number and one[2].port.me == me)
        pending.heap.remove(entry)
        heapify(pending.heap)
        if event.scarce:
            self._hasty = msgspec.structs.replace(self._hasty, times=self._hasty.times - 1)
            self._move_to(entry[0])
        self._ring(entry[2])

    def _move_on(self) -> None:
        self._moments -= 1
        next_s = self._next_s()
        assert next_s is not None
        self._move_to(next_s)

    def _move_to(self, now_s: float) -> None:
        """Time moves on: what is due by then is so because of this event."""
        self._now = max(self._now, now_s)
        for due_s, number, item in self._pending.heap:
            if isinstance(item, SimulatedTimer) and due_s <= self._now:
                self._due.setdefault((f"{TIMER}{item.port.me}", self._pending.ordinals[number]), self._pending.taken - 1)


def _way(lane: Lane) -> str:
    return f"{lane[0]}>{lane[1]} {lane[2]}"


class World:
    """A small world: a system that has been brought to rest, and what must hold. Subclasses say what happens in it."""

    claim = ""
    """What holds in every order, if nothing is found wrong."""
    wish = Wish()
    rest_s: float = 0.0
    """Virtual seconds that it is given after the last choice, oldest first, before it is judged."""

    def __init__(self) -> None:
        self.system = ChosenSystem()
        self.build()
        self.system.choose(self.wish)
        self.stir()

    def build(self) -> None:
        """Start processes and bring them to rest."""

    def stir(self) -> None:
        """Post the messages that everything begins with."""

    def wrong(self) -> str | None:
        """What is wrong now, after any step; None: nothing. To be asked of one actor's state at a time: how far the others are by then is
        not the same in orders that count as one."""
        return None

    def wrong_at_the_end(self) -> str | None:
        """What is wrong at rest; None: nothing."""
        return None

    # -- as the search sees it ----------------------------------------------------------------------------------------------------

    def possible(self) -> Sequence[Event]:
        """See `Execution`."""
        return self.system.possible()

    def causes(self, event: Event) -> tuple[int, ...]:
        """See `Execution`."""
        return self.system.causes(event)

    def take(self, event: Event) -> str | None:
        """See `Execution`. A component that falls is wrong too."""
        try:
            self.system.take(event)
        except ComponentFailed as failure:
            return str(failure).splitlines()[-1]
        return self.wrong()

    def end(self) -> str | None:
        """See `Execution`."""
        self.system.let_go()
        try:
            self.system.run_for(self.rest_s)
        except ComponentFailed as failure:
            return str(failure).splitlines()[-1]
        found = self.wrong() or self.wrong_at_the_end()
        self.system.stop()
        return found
