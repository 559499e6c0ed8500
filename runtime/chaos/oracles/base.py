"""What an oracle is, and what it may look at.

An oracle is made anew for every run and hears of every change: of what is stored, and of what really runs on a node. It answers None, or
what is wrong as a `Wrong` with the object's key. Truth about containers comes from runtimes: the store can only say what kubelets believe.
An oracle must not call wrong what only looks wrong for the moment; what it allows meanwhile, and why, stands in its docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import msgspec

from callboard.models.messages.base import Message
from callboard.models.messages.store import StoreEvent
from callboard.models.timing import Timing


class Wrong(msgspec.Struct, frozen=True):
    """What an oracle has found: which object, and in words what is wrong with it."""

    object: str
    words: str


class Running(msgspec.Struct, frozen=True):
    """One container that runs on a node, as its runtime knows."""

    node: str
    pod_uid: str
    pod_key: str
    container: str
    container_id: str
    ready: bool


class World(Protocol):
    """What oracles look at. Nothing of it may be changed."""

    timing: Timing

    @property
    def now(self) -> float:
        """Virtual seconds since the epoch."""

    @property
    def step(self) -> int:
        """The number of the step in which what is told of has happened."""

    @property
    def sent(self) -> int:
        """The number of the step in which the message was sent that has been handled."""

    @property
    def objects(self) -> Mapping[str, Any]:
        """All that is stored, by key (`pods/default/web-1`)."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes that have a machine now."""

    def running(self, node: str) -> tuple[Running, ...]:
        """What runs on a node; nothing if it has no power."""

    def component(self, name: str) -> Any:
        """An actor (its caches are to be read only); None while it is down."""

    def components(self) -> tuple[str, ...]:
        """Names of all processes."""

    def troubled(self, node: str) -> bool:
        """Whether anything that goes on, or has gone on lately, may keep a node from being heard."""

    @property
    def active_faults(self) -> frozenset[str]:
        """Names of the kinds of faults that are going on now."""


class Oracle:
    """Base of all oracles: each method answers None where nothing is wrong, and so does the base."""

    name = ""
    """How it is called in findings: `one pod, one node`."""
    hears: ClassVar[tuple[type[Message], ...]] = ()
    """Types of messages of which `delivered` is told: to ask every oracle about every message would cost as much as all the rest."""

    leases: ClassVar[bool] = False
    """Whether `stored` is told of the Leases that leaders hold, too."""

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        """Something has been stored or removed; called once per change, in the store's order, Leases excepted (see `leases`)."""
        return None

    def ran(self, node: str, world: World) -> Wrong | None:
        """A node's runtime has handled something: what runs there may have changed."""
        return None

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        """A message of a type in `hears` has been handled by its receiver (addresses, with incarnations)."""
        return None

    def at_rest(self, world: World) -> Wrong | None:
        """All faults are over and users have done what they wanted: is everything as it should be by now? Asked again and again until all
        oracles agree or the time for it is over, so what takes a while may be wrong for a while."""
        return None

    def over(self, world: World) -> Wrong | None:
        """Everything is as it should be and has stayed so: asked once, for what takes the whole run to judge."""
        return None
