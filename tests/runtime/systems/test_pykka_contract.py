"""The names of Pykka that our systems stand on, some of them internal: if a new version changes one, this says so before anything else."""

from __future__ import annotations

import inspect
import threading
from collections import deque
from importlib.metadata import version
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from callboard.runtime.systems import RealTimeSystem, SimulatedSystem, System, ThreadedSystem
from callboard.runtime.systems.hooks import Flag, Inbox, Letter, LoopHooks, Turn

from .cast import Listener, Note, Question, look, until


def test_the_version_is_the_one_whose_internals_were_read() -> None:
    assert version("pykka").startswith("4.5.")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_create_actor_inbox", []),
        ("_create_future", []),
        ("_start_actor_loop", ["self"]),
        ("_actor_loop_setup", ["self"]),
        ("_actor_loop_running", ["self"]),
        ("_actor_loop_teardown", ["self"]),
        ("_handle_receive", ["self", "message"]),
        ("_handle_failure", ["self", "exception_type", "exception_value", "traceback"]),
        ("_stop", ["self"]),
        ("on_start", ["self"]),
        ("on_stop", ["self"]),
        ("on_failure", ["self", "exception_type", "exception_value", "traceback"]),
        ("on_receive", ["self", "message"]),
    ],
)
def test_a_hook_has_the_parameters_we_override(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(pykka.Actor, name)).parameters) == parameters


def test_an_actor_makes_its_inbox_and_its_ref_when_it_is_constructed() -> None:
    class Stock(pykka.ThreadingActor):
        pass

    actor: Any = Stock()
    assert isinstance(actor.actor_stopped, threading.Event)
    assert actor._actor_ref.actor_stopped is actor.actor_stopped
    assert actor._actor_ref.actor_inbox is actor.actor_inbox
    assert actor.actor_ref is actor._actor_ref
    assert not pykka.ActorRegistry.get_all()


def test_a_letter_serves_as_pykkas_envelope() -> None:
    assert list(Envelope.__slots__) == ["message", "reply_to"]
    letter = Letter("text")
    assert (letter.message, letter.reply_to) == ("text", None)


def test_the_loop_asks_the_stop_flag_before_each_message_and_the_inbox_after_it() -> None:
    asked: list[str] = []

    class Watched(LoopHooks):
        def on_receive(self, message: Any) -> None:
            asked.append(f"handle {message}")

    actor: Any = Watched()
    flag, inbox = actor.actor_stopped, actor.actor_inbox

    class Spy:
        def is_set(self) -> bool:
            asked.append("flag")
            stopped: bool = flag.is_set()
            return stopped

    actor.actor_stopped = Spy()
    inbox.put(Letter(1))
    inbox.put(Letter(2))
    assert actor.run_turn(10) == 2
    assert asked == ["flag", "handle 1", "flag", "handle 2", "flag"]


def test_a_turn_ends_with_the_limit_with_the_mailbox_and_with_the_actor() -> None:
    messages: deque[Any] = deque([1, 2, 3])
    turn = Turn(messages)
    assert turn.is_set(), "no turn has begun"
    turn.left = 2
    assert [turn.is_set() for _ in range(3)] == [False, False, True]
    turn.left = 5
    messages.clear()
    assert turn.is_set()
    messages.append(1)
    assert not turn.is_set()
    turn.set()
    assert turn.is_set()
    assert turn.left == 4


def test_a_ref_sees_whether_the_actor_lives_and_cannot_wait_for_it() -> None:
    turn = Turn(deque())
    flag = Flag(turn)
    assert not flag.is_set(), "between two turns an actor lives"
    with pytest.raises(RuntimeError, match="stop it through its system"):
        flag.wait(1.0)
    flag.set()
    assert flag.is_set()
    assert turn.ended
    assert flag.wait()


def test_an_inbox_enters_itself_once_until_it_has_been_drained() -> None:
    inbox = Inbox()
    ready: deque[Inbox] = deque()
    inbox.ready = ready
    assert inbox.empty()
    inbox.put(Letter(1))
    inbox.put(Letter(2))
    assert list(ready) == [inbox]
    assert inbox.get().message == 1
    assert not inbox.empty()


@pytest.mark.parametrize("make", [RealTimeSystem, lambda: SimulatedSystem(1), ThreadedSystem])
def test_refs_of_our_actors_work_as_far_as_they_can(make: Any) -> None:
    system: System
    with make() as system:
        system.start("a", Listener)
        ref = look(system, "a").actor_ref
        assert ref.is_alive()
        assert ref.actor_urn == "urn:callboard:a#1"
        system.crash("a")
        assert not ref.is_alive()
        with pytest.raises(pykka.ActorDeadError):
            ref.tell(Note(1))
        with pytest.raises(RuntimeError, match="through a system"):
            Listener_on(system).start()


def Listener_on(system: System) -> Any:
    """The class that a system has made of `Listener`."""
    system.start("b", Listener)
    return type(look(system, "b"))


def test_an_actor_that_stops_itself_has_cleaned_up_and_stays_down() -> None:
    class Quitter(Listener):
        def on_receive(self, message: Any) -> None:
            self.stop()
            self.port.send(self.port.me, Note(1))

    for make in (RealTimeSystem, ThreadedSystem, lambda: SimulatedSystem(1)):
        told: list[str] = []
        system: System
        with make() as system:
            system.start("a", Quitter, told)
            system.post("a", Question(1, "nobody"))
            if isinstance(system, SimulatedSystem):
                system.look("a").actor_inbox.put(Letter(_ActorStop()))
            until(system, lambda told=told: len(told) == 2, "its end")  # type: ignore[misc]
            until(system, lambda system=system: not system.alive("a"), "down")  # type: ignore[misc]
            assert not system.failures
        assert told == ["a#1 starts", "a#1 stops"]
