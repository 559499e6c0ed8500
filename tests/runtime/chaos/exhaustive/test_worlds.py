"""Small worlds of real actors in every order: what holds, what is claimed of it, and that a broken program is caught."""

from __future__ import annotations

import pytest

from callboard.actors.component import Component, Port, handles
from callboard.models.base import FrozenMap
from callboard.models.messages.base import Message
from callboard.models.messages.store import Transact
from callboard.runtime.chaos.exhaustive import storeworlds
from callboard.runtime.chaos.exhaustive.chosen import ChosenSystem, Scarce, Wish, World
from callboard.runtime.chaos.exhaustive.exhausting import exhaust_each
from callboard.runtime.chaos.exhaustive.search import Searched, search
from callboard.runtime.chaos.exhaustive.storeworlds import CompareAndSet
from callboard.runtime.chaos.exhaustive.worlds import SMALL, WORLDS, assumptions, claimed, exhaust
from callboard.runtime.chaos.mutants.catalogue import CATALOGUE

KNOWN = {mutant.id: mutant for mutant in CATALOGUE}


@pytest.mark.parametrize("name", SMALL)
def test_every_order_of_a_small_world_is_right(name: str) -> None:
    found = exhaust(name)
    assert (found.complete, found.wrong, found.order) == (True, "", ())
    assert found.orders > 10
    assert found.claim.startswith(f"all {found.orders} orders of up to {found.longest} messages")


@pytest.mark.parametrize(
    ("mutant", "world", "words"),
    [
        ("M02", "own-writes", "there are 3 pods, 2 are asked for"),
        ("M07", "list-and-watch", "the informer shows"),
        ("M12", "relist", "the informer shows"),
        ("M24", "lost-stream", "the informer shows"),
    ],
)
def test_a_broken_program_is_caught_with_the_order_that_shows_it(mutant: str, world: str, words: str) -> None:
    (found,) = exhaust_each([world], mutant=KNOWN[mutant])
    assert words in found.wrong
    assert found.claim.startswith("broken after")
    assert found.order
    assert not found.complete


def test_what_has_to_survive_a_lost_stream_survives_every_order_of_it() -> None:
    (found,) = exhaust_each(["lost-stream"], mutant=KNOWN["E04"])
    assert (found.complete, found.wrong) == (True, "")


class _NoCompare(CompareAndSet):
    """Two writers that don't compare."""

    def build(self) -> None:
        super().build()
        store = self.system.look("store")
        transact = store._keyspace.transact
        store._keyspace.transact = lambda request, now: transact(Transact(request.id, request.reply_to, (), request.ops), now)


def test_a_store_that_does_not_compare_is_caught() -> None:
    found = search(_NoCompare)
    assert "no order of operations explains" in found.wrong


class _Ring(Message, frozen=True, gc=False):
    """Somebody rings."""

    number: int


class _Open(Message, frozen=True, gc=False):
    """Timer: open."""


class _Door(Component):
    """Keeps what it hears; opens a while after it was first rung at."""

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self.heard: list[str] = []

    @handles(_Ring)
    def _ring(self, ring: _Ring) -> None:
        if ring.number < 0:
            raise ValueError("the bell is broken")
        if not self.heard:
            self.port.after(5.0, _Open())
        self.heard.append(str(ring.number))

    @handles(_Open)
    def _open(self, _: _Open) -> None:
        self.heard.append("open")


class _Doors(World):
    """Two rings at a door, from different people."""

    claim = "nothing"
    ends: set[tuple[str, ...]] = set()
    rings = (1, 2)

    def build(self) -> None:
        self.system.start("door", _Door)

    def stir(self) -> None:
        for number in self.rings:
            self.system.bring(f"ringer-{number}", "door", _Ring(number))

    def wrong_at_the_end(self) -> str | None:
        self.ends.add(tuple(self.system.look("door").heard))
        return None


def _ends(wish: Wish) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    assert search(type("_Wished", (_Doors,), {"wish": wish, "ends": found})).complete
    return found


def test_messages_of_two_senders_come_in_both_orders_and_time_stands_still() -> None:
    assert _ends(Wish()) == {("1", "2"), ("2", "1")}


def test_time_moves_on_when_nothing_else_can_happen_and_as_often_as_wished() -> None:
    assert _ends(Wish(moments=1)) == {("1", "2", "open"), ("2", "1", "open")}


def test_a_message_may_be_lost_and_a_timer_come_before_one_that_is_on_its_way() -> None:
    rings = {("1", "2"), ("2", "1")}
    assert _ends(Wish(losses=Scarce(target="door", types=("_Ring",)))) == rings | {("1",), ("2",)}
    assert _ends(Wish(hasty=Scarce(target="door", types=("_Open",)))) == rings | {("1", "open", "2"), ("2", "open", "1")}


def test_what_nobody_hears_and_what_nobody_is_there_for_takes_no_place_in_an_order() -> None:
    assert _ends(Wish(unheard=("_Ring",))) == {()}


def test_nothing_can_be_chosen_while_messages_are_on_their_way_already() -> None:
    system = ChosenSystem()
    system.start("door", _Door)
    system.post("door", _Ring(1))
    with pytest.raises(ValueError, match="bring it to rest first"):
        system.choose(Wish())


def test_a_component_that_falls_is_wrong_in_that_order() -> None:
    world = type("_Broken", (_Doors,), {"rings": (1, -1), "ends": set()})
    found = search(world)
    assert "the bell is broken" in found.wrong
    assert [event.words for event in found.order][-1] == "_Ring from ringer--1 to door"


def test_what_is_claimed_says_no_more_than_what_was_tried() -> None:
    counts = {"orders": 7, "cut": 1, "steps": 90, "longest": 9}
    world = WORLDS["lost-stream"]
    assert claimed(world, Searched(**counts, complete=True)).startswith("all 7 orders of up to 9 messages")  # type: ignore[arg-type]
    left = claimed(world, Searched(**counts, complete=False))  # type: ignore[arg-type]
    assert left.startswith("left at its limit after 7 orders")
    assert "which is not all of them" in left
    broken = claimed(world, Searched(**counts, complete=False, wrong="it is empty"))  # type: ignore[arg-type]
    assert broken.startswith("broken after 7 orders")
    assert broken.endswith("but it is empty")


def test_assumptions_are_told_in_words() -> None:
    late = Scarce(target="a", types=("Sweep",), times=2)
    wish = Wish(links=True, unheard=("Told",), losses=Scarce(target="b", types=("X", "Y")), hasty=late, moments=3, together=FrozenMap())
    assert assumptions(wish) == [
        "whatever goes from one process to another keeps its order",
        "1 X or Y to b may be lost",
        "Sweep of a may come early 2 times",
        "time moves on 3 times",
        "nobody hears Told",
    ]
    assert assumptions(Wish())[:2] == ["only what is in one lane keeps its order", "nothing is lost"]


def test_a_writer_that_is_refused_tries_again_with_what_it_was_told() -> None:
    world = type("_Twice", (CompareAndSet,), {"tries": 2})
    found = search(world)
    assert (found.complete, found.wrong) == (True, "")
    assert found.orders > search(storeworlds.CompareAndSet).orders
