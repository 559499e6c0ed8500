"""When a simulation counts as settled: the rule in `callboard.runtime.systems.activity`, case by case."""

from __future__ import annotations

import pytest

from callboard.actors.component import Component, Port, Timer, handles
from callboard.models.messages.base import Message
from callboard.runtime.systems import SimulatedSystem, Unsettled
from callboard.runtime.systems.pending import COMPACT_AT
from callboard.runtime.systems.simworld import START_S

from .cast import Forward, Listener, Note, SetTimer


class Beat(Message, frozen=True, gc=False):
    """A heartbeat, or its answer."""


class Step(Message, frozen=True, gc=False):
    left: int


class Found(Message, frozen=True, gc=False):
    """A monitor has found something."""


class Heart(Component):
    """Beats for ever; its beats are answered."""

    def __init__(self, port: Port, to: str) -> None:
        super().__init__(port)
        self.to = to
        self.answers = 0

    def on_start(self) -> None:
        self.port.after(1.0, Step(0), periodic=True)

    @handles(Step)
    def _step(self, _timer: Step) -> None:
        self.port.send(self.to, Beat())
        self.port.after(1.0, Step(0), periodic=True)

    @handles(Beat)
    def _beat(self, _answer: Beat) -> None:
        self.answers += 1


class Store(Component):
    """Answers beats; on the third it changes its state, tells a worker, and the worker takes its time."""

    def __init__(self, port: Port, beats: int) -> None:
        super().__init__(port)
        self.beats_left = beats
        self.revision = 0

    @handles(Beat)
    def _beat(self, _beat: Beat) -> None:
        self.port.send("heart", Beat())
        self.beats_left -= 1
        if self.beats_left == 0:
            self.port.send("worker", Found())  # before the change: what counts is what the whole step has done
            self.revision += 1

    @handles(Step)
    def _done(self, _step: Step) -> None:
        self.revision += 1


class Worker(Component):
    """Works for 30 s on what was found, then reports."""

    @handles(Found)
    def _found(self, _found: Found) -> None:
        self.port.after(30.0, Step(0))

    @handles(Step)
    def _worked(self, _timer: Step) -> None:
        self.port.send("store", Step(0))


class Retry(Component):
    """Tries again every 3 s, for ever."""

    def on_start(self) -> None:
        self.port.after(3.0, Step(0))

    @handles(Step)
    def _again(self, _timer: Step) -> None:
        self.port.send("nobody", Step(1))
        self.port.after(3.0, Step(0))


def test_a_world_in_which_nothing_is_pending_is_settled_after_the_quiet_time() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.settle(quiet_s=5.0)
    assert system.now() == START_S + 5.0
    system.settle(quiet_s=5.0)
    assert system.now() == START_S + 5.0


def test_messages_and_one_shot_timers_are_waited_for() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.start("b", Listener)
    system.post("a", SetTimer(120.0, 1))
    system.post("a", Forward("b", 3))
    system.settle(quiet_s=0.0)
    assert system.look("a").notes == [1]
    assert system.look("b").notes == [0, 1, 2]
    assert system.now() == START_S + 120.0


def test_a_cancelled_timer_is_not_waited_for() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    timer = system.look("a").port.after(500.0, Note(1))
    timer.cancel()
    timer.cancel()
    system.settle(quiet_s=1.0)
    assert system.now() == START_S + 1.0


def test_timers_of_a_crashed_process_are_not_waited_for() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    timer: Timer = system.look("a").port.after(500.0, Note(1))
    system.crash("a")
    timer.cancel()
    system.settle(quiet_s=1.0)
    assert system.now() == START_S + 1.0
    assert system.activity.foreground == 0


def test_heartbeats_and_their_answers_are_nothing_that_goes_on() -> None:
    system = SimulatedSystem(1)
    system.start("store", Store, 1000)
    system.start("heart", Heart, "store")
    system.links.delay("store", "heart", 0.9)  # so that one is on its way at nearly every moment
    system.settle(quiet_s=5.0)
    assert system.now() == START_S + 5.0
    assert system.look("heart").answers >= 3


def test_what_a_heartbeat_leads_to_counts_once_it_changes_the_watched_state() -> None:
    system = SimulatedSystem(1)
    system.start("worker", Worker)
    system.start("store", Store, 3)
    system.start("heart", Heart, "store")
    system.quiet = lambda: system.look("store").revision
    system.settle(quiet_s=5.0)
    assert system.look("store").revision == 2
    assert 38.0 < system.now() - START_S < 38.1  # found with the third beat, 30 s of work, 5 s of quiet
    assert system.activity.foreground == 0


def test_a_retry_that_changes_nothing_is_as_good_as_periodic_when_a_state_is_watched() -> None:
    system = SimulatedSystem(1)
    system.start("a", Retry)
    system.quiet = lambda: 0
    system.settle(quiet_s=5.0)
    assert system.now() == START_S + 8.0
    unwatched = SimulatedSystem(1)
    unwatched.start("a", Retry)
    with pytest.raises(Unsettled, match=r"within 100 s; in the last minute: .*x timer Step of a#1; pending: timer Step of a"):
        unwatched.settle(timeout_s=100.0)
    assert unwatched.now() == START_S + 100.0


def test_a_watched_state_that_keeps_changing_never_settles() -> None:
    system = SimulatedSystem(1)
    system.start("store", Store, 1)
    system.start("heart", Heart, "store")
    system.quiet = lambda: system.handled
    with pytest.raises(Unsettled, match="x heart#1 -> store#1 Beat"):
        system.settle(timeout_s=60.0)


def test_a_crash_and_a_cut_count_as_something_that_goes_on() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.run_for(100.0)
    system.crash("a")
    system.settle(quiet_s=5.0)
    assert system.now() == START_S + 105.0
    system.run_for(100.0)
    system.links.partition("a")
    system.settle(quiet_s=5.0)
    assert system.now() == START_S + 210.0


def test_time_outs_that_are_cancelled_in_time_take_no_room() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    port = system.look("a").port
    for number in range(20 * COMPACT_AT):
        port.after(1e6, Note(number)).cancel()
    assert len(system._pending.heap) < 3 * COMPACT_AT
    assert system.activity.foreground == 0
