"""What only a simulation promises: one seed, one history; virtual time; an end to waiting; nothing mutable on the way."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from typing import Any

import pytest

from callboard.actors.component import Component, Port, handles
from callboard.models.base import FrozenMap
from callboard.models.messages.base import Message
from callboard.runtime.systems import (
    ComponentFailed,
    InboxOverflow,
    Livelock,
    MutableMessage,
    SimulatedSystem,
    SystemStopped,
    WaitTimeout,
    simworld,
)
from callboard.runtime.systems.simworld import START_S

from .cast import Forward, Listener, Note, Question, SetTimer, ask

SEEDS_PROGRAM = """
from callboard.actors.component import Component, handles
from callboard.models.messages.base import Message
from callboard.runtime.systems import SimulatedSystem

class Rumour(Message, frozen=True, gc=False):
    text: str
    left: int
    def subject(self): return self.text

class Gossip(Component):
    def on_start(self):
        self.port.after(self.port.random(), Rumour(self.port.new_id(), 6))
    @handles(Rumour)
    def _heard(self, rumour):
        if rumour.left:
            for _ in range(2):
                self.port.send(f"g{int(self.port.random() * 7)}", Rumour(rumour.text, rumour.left - 1))

def play(seed):
    system = SimulatedSystem(seed)
    for number in range(7):
        system.start(f"g{number}", Gossip)
    system.run_for(0.5)
    system.crash("g3")
    system.run_for(0.2)
    system.restart("g3")
    system.settle()
    return system.trace_hash, system.handled

if __name__ == "__main__":
    print(play(7))
"""


def play(seed: int) -> tuple[str, int]:
    space: dict[str, Any] = {"__name__": "gossip"}
    exec(SEEDS_PROGRAM, space)
    result: tuple[str, int] = space["play"](seed)
    return result


def test_one_seed_is_one_history_in_every_process_and_under_every_hash_seed() -> None:
    here = play(7)
    assert play(7) == here
    for hash_seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", SEEDS_PROGRAM], capture_output=True, text=True, env=environment, check=True, timeout=60
        )
        assert done.stdout.strip() == str(here)
    assert here[1] > 200


def test_other_seeds_are_other_histories() -> None:
    assert len({play(seed)[0] for seed in range(5)}) == 5


def test_a_look_at_the_hash_changes_nothing() -> None:
    def run(look: bool) -> str:
        system = SimulatedSystem(1)
        system.start("a", Listener)
        for _ in range(2500):
            system.post("a", Note(1))
            system.step()
            if look:
                assert len(system.trace_hash) == 32
        return system.trace_hash

    assert run(look=True) == run(look=False)


class Race(Component):
    """Sends notes of two lanes to `to` when it starts."""

    def __init__(self, port: Port, to: str) -> None:
        super().__init__(port)
        self.to = to

    def on_start(self) -> None:
        for number in range(10):
            self.port.send(self.to, Note(number, "x"))
            self.port.send(self.to, Note(number + 100, "y"))


def race(seed: int, jitter_s: float = 0.001) -> list[int]:
    system = SimulatedSystem(seed, jitter_s=jitter_s)
    system.start("b", Listener)
    system.start("a", Race, "b")
    system.settle()
    notes: list[int] = system.look("b").notes
    return notes


def test_lanes_are_reordered_among_each_other_and_never_inside() -> None:
    orders = [race(seed) for seed in range(20)]
    for notes in orders:
        assert [number for number in notes if number < 100] == list(range(10))
        assert [number for number in notes if number >= 100] == list(range(100, 110))
    assert len({tuple(notes) for notes in orders}) > 10
    assert any(notes.index(109) < notes.index(0) or notes.index(100) < notes.index(0) for notes in orders)


def test_without_jitter_the_oldest_message_is_handled_first() -> None:
    assert race(1, jitter_s=0.0) == [number + offset for number in range(10) for offset in (0, 100)]


def test_time_moves_only_when_it_is_moved_and_takes_no_time() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    assert system.now() == START_S
    system.post("a", SetTimer(86400.0, 5))
    assert system.step()
    assert system.step()
    assert system.steps == 2
    assert system.now() == START_S + 86400.0
    assert not system.step()
    system.run_for(10.0)
    assert system.now() == START_S + 86410.0
    assert not system.run_until(lambda: False, 5.0)
    assert system.now() == START_S + 86415.0
    assert system.run_until(lambda: True, 5.0)


def test_a_question_times_out_in_virtual_time() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    with pytest.raises(WaitTimeout):
        ask(system, "a", "silence", 3600.0)
    assert system.now() == START_S + 3600.0


def test_each_process_draws_from_a_chance_of_its_own() -> None:
    def draw(others: int) -> tuple[float, str]:
        system = SimulatedSystem(5)
        for number in range(others):
            system.start(f"other-{number}", Listener)
        system.start("a", Listener)
        port = system.look("a").port
        return port.random(), port.new_id()

    assert draw(0) == draw(3)
    system = SimulatedSystem(5)
    system.start("a", Listener)
    first = system.look("a").port.new_id()
    system.restart("a")
    assert system.look("a").port.new_id() != first, "a second incarnation must not give the first one's UIDs again"
    assert first[14] == "4"
    assert len(first) == 36


def test_a_failing_component_ends_the_run() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.start("b", Listener)
    with pytest.raises(ComponentFailed, match="a failed") as caught:
        ask(system, "a", "fail")
    assert isinstance(caught.value.__cause__, ValueError)
    for move in (system.step, lambda: ask(system, "b"), lambda: system.run_for(1.0)):
        with pytest.raises(ComponentFailed, match="a failed"):
            move()
    system.stop()


def test_an_invariant_is_checked_after_every_step_and_ends_the_run() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    seen: list[int] = []

    def at_most_two() -> None:
        seen.append(len(system.look("a").notes))
        assert seen[-1] <= 2, "three notes"

    system.on_step.append(at_most_two)
    for number in range(3):
        system.post("a", Note(number))
    with pytest.raises(AssertionError, match="three notes"):
        system.run_for(1.0)
    assert seen == [1, 2, 3]


def test_nobody_moves_a_simulation_from_inside_a_step() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.on_step.append(lambda: system.run_for(1.0))
    system.post("a", Note(1))
    with pytest.raises(RuntimeError, match="from inside a step"):
        system.step()


def test_control_exceptions_of_test_tools_pass_through() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.start("b", Listener)
    with pytest.raises(KeyboardInterrupt):
        ask(system, "a", "escape")
    assert not system.alive("a")
    assert ask(system, "b") == "b#1 "


class Echo(Component):
    """Sends every note back, at once."""

    def __init__(self, port: Port, to: str) -> None:
        super().__init__(port)
        self.to = to

    @handles(Note)
    def _note(self, note: Note) -> None:
        self.port.send(self.to, note)


def test_a_livelock_is_an_error_that_names_who_keeps_whom_busy() -> None:
    system = SimulatedSystem(1, jitter_s=0.0, livelock_limit=2000)
    system.start("a", Echo, "b")
    system.start("b", Echo, "a")
    system.post("a", Note(1))
    with pytest.raises(Livelock, match=r"more than 2000 .* x [ab]#1 -> [ab]#1 Note"):
        system.run_for(1.0)


def test_much_traffic_over_a_long_time_is_no_livelock() -> None:
    system = SimulatedSystem(1, jitter_s=0.01, livelock_limit=1000)
    system.start("a", Echo, "b")
    system.start("b", Echo, "a")
    system.post("a", Note(1))
    system.run_for(100.0)
    assert system.handled > 10_000


def test_a_mailbox_over_its_mark_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simworld, "INBOX_LIMIT", 100)
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.start("b", Listener)
    system.post("a", Forward("b", 101))
    with pytest.raises(InboxOverflow, match="more than 100 messages are on their way to b"):
        system.run_for(1.0)


class Parcel(Message, frozen=True, gc=False):
    content: Any


class Sender(Component):
    """Sends whatever it's given, and tries to go on when that is refused."""

    def __init__(self, port: Port, content: Any) -> None:
        super().__init__(port)
        self.content = content

    @handles(Note)
    def _note(self, _note: Note) -> None:
        try:
            self.port.send("nobody", Parcel(self.content))
        except Exception:
            self.content = None


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ([1], r"Parcel\.content is a list"),
        (({"a": 1},), r"Parcel\.content\[0\] is a dict"),
        (FrozenMap(a=(1, FrozenMap(b={1}))), r"Parcel\.content\['a'\]\[1\]\['b'\] is a set"),
    ],
)
def test_a_message_that_can_be_changed_ends_the_run_and_says_where(content: Any, path: str) -> None:
    system = SimulatedSystem(1)
    system.start("a", Sender, content)
    system.post("a", Note(1))
    with pytest.raises(MutableMessage, match=f"a sends what can be changed: {path}"):
        system.step()
    unchecked = SimulatedSystem(1, check_messages=False)
    unchecked.start("a", Sender, content)
    unchecked.post("a", Note(1))
    assert unchecked.step()


def test_nothing_moves_after_stop() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.stop()
    with pytest.raises(SystemStopped):
        system.step()


def test_a_simulation_that_nobody_holds_is_freed_with_all_its_timers() -> None:
    system = SimulatedSystem(1)
    system.start("a", Listener)
    system.post("a", SetTimer(1000.0, 1))
    system.post("a", Forward("b", 3))
    system.post("a", Question(1, "nobody", "self"))
    system.run_for(0.1)
    gone = weakref.ref(system)
    del system
    gc.collect()
    assert gone() is None
