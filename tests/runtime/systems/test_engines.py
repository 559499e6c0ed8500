"""What the systems on a real clock promise beyond the common contract: threads, the inlet's bound, costs, exceptions of no component."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from callboard.actors.component import handles
from callboard.runtime.systems import (
    ComponentFailed,
    RealTimeSystem,
    System,
    SystemStopped,
    ThreadedSystem,
    WaitTimeout,
    realtime,
    threaded,
)
from callboard.runtime.systems.agenda import COMPACT_AT, Agenda

from .cast import PATIENCE_S, SYSTEMS, Forward, Listener, Note, Question, ask, look, until


@pytest.fixture(params=["realtime", "threaded"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with SYSTEMS[request.param]() as made:
        yield made


class Blocked(Listener):
    """Its handler waits until it is let go: what no component may do, and what tests need."""

    def __init__(self, port: Any, entered: threading.Event, go: threading.Event) -> None:
        super().__init__(port)
        self.entered, self.go = entered, go

    @handles(Note)
    def _note(self, note: Note) -> None:
        self.entered.set()
        assert self.go.wait(PATIENCE_S)
        self.notes.append(note.number)
        self.port.send("b", note)


def test_many_threads_may_ask_post_and_start_at_once(system: System) -> None:
    system.start("a", Listener)
    answers: list[str] = []

    def work(number: int) -> None:
        for round_ in range(20):
            system.post("a", Note(round_))
            answers.append(ask(system, "a", f"{number}/{round_}"))
        system.start(f"mine-{number}", Listener)
        answers.append(ask(system, f"mine-{number}", "own"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(answers) == sorted(
        [f"a#1 {number}/{round_}" for number in range(8) for round_ in range(20)] + [f"mine-{number}#1 own" for number in range(8)]
    )
    assert len(look(system, "a").notes) == 160


def test_an_exception_that_is_no_exception_stops_the_system_and_reaches_whoever_asks(system: System) -> None:
    told: list[str] = []
    system.start("a", Listener, told)
    system.start("b", Listener, told)
    ask(system, "b")
    with pytest.raises(SystemStopped) as caught:
        ask(system, "a", "escape")
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)
    with pytest.raises(SystemStopped) as again:
        ask(system, "b")
    assert isinstance(again.value.__cause__, KeyboardInterrupt)
    system.stop()
    assert "b#1 stops" in told
    assert "a#1 stops" not in told


def test_a_listener_outside_that_fails_harms_no_component(system: System) -> None:
    def broken(_message: Any) -> None:
        raise RuntimeError("mistake of a listener")

    system.outlet(broken, "ear")
    system.start("a", Listener)
    system.post("a", Forward("ear", 1))
    assert ask(system, "a") == "a#1 "
    assert not system.failures


def test_call_returns_what_the_work_returns_and_raises_what_it_raises(system: System) -> None:
    def many() -> int:
        for number in range(50):
            system.start(f"p{number}", Listener)
        return len(system.names())

    assert system.call(many) == 50
    assert ask(system, "p49") == "p49#1 "
    with pytest.raises(KeyError, match="no process nobody"):
        system.call(lambda: system.crash("nobody"))
    assert system.call(lambda: system.call(lambda: 1)) == 1


def test_cancelled_timers_leave_the_agenda() -> None:
    agenda = Agenda()
    kept = agenda.push(5.0, lambda _entry: None)
    for number in range(20 * COMPACT_AT):
        agenda.push(float(number), lambda _entry: None).cancel()
    assert len(agenda.heap) < 3 * COMPACT_AT
    assert agenda.next_due_s() == 5.0
    assert agenda.pop_due(4.9) is None
    assert agenda.pop_due(5.0) is kept
    kept.cancel()
    assert agenda.next_due_s() is None
    assert agenda.cancelled == 0


# -- real time ----------------------------------------------------------------------------------------------------------------------


def test_an_idle_engine_uses_no_processor() -> None:
    with RealTimeSystem() as system:
        system.start("a", Listener)
        ask(system, "a")
        began_s = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - began_s < 0.03


def test_a_full_inlet_slows_those_outside_down_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with RealTimeSystem(inlet_limit=10) as system:
        entered, go = threading.Event(), threading.Event()
        system.start("a", Blocked, entered, go)
        system.start("c", Listener)
        system.post("a", Note(0))
        assert entered.wait(PATIENCE_S)
        for number in range(10):
            system.post("c", Note(number))
        monkeypatch.setattr(realtime, "INLET_PATIENCE_S", 0.05)
        with pytest.raises(SystemStopped, match="10 messages wait for the engine"):
            system.post("c", Note(98))
        monkeypatch.setattr(realtime, "INLET_PATIENCE_S", PATIENCE_S)
        late = threading.Thread(target=system.post, args=("c", Note(99)))
        late.start()
        late.join(0.05)
        assert late.is_alive(), "it has to wait"
        go.set()
        late.join(PATIENCE_S)
        assert not late.is_alive()
        until(system, lambda: len(look(system, "c").notes) == 11, "all notes")
        assert look(system, "c").notes == [*range(10), 99]


def test_an_actor_with_much_to_do_lets_others_have_their_turn() -> None:
    with RealTimeSystem() as system:
        system.start("talker", Listener)
        system.start("busy", Listener)
        system.start("other", Listener)
        order: list[str] = []
        system.outlet(lambda message: order.append(message.text), "ear")

        def both() -> None:
            for _ in range(10 * realtime.TURN_LIMIT):
                system.post("busy", Note(0))
            system.post("busy", Question(1, "ear", "busy"))
            system.post("other", Question(2, "ear", "other"))

        system.call(both)
        until(system, lambda: len(order) == 2, "both answers")
        assert order == ["other#1 other", "busy#1 busy"]


def test_nobody_waits_for_an_answer_on_the_engine_itself() -> None:
    with RealTimeSystem() as system:
        system.start("a", Listener)
        with pytest.raises(RuntimeError, match="can't wait for an answer"):
            system.call(lambda: ask(system, "a"))


def test_a_system_may_be_stopped_from_its_own_thread_and_before_its_first_use() -> None:
    unused = RealTimeSystem()
    unused.stop()
    with pytest.raises(SystemStopped):
        unused.start("a", Listener)
    system = RealTimeSystem()
    system.start("a", Listener)
    system.call(system.stop)
    system.stop()
    with pytest.raises(SystemStopped):
        ask(system, "a")


def test_the_clock_never_goes_back() -> None:
    system = RealTimeSystem()
    times = [system.now() for _ in range(1000)]
    assert times == sorted(times)
    assert abs(system.now() - time.time()) < 1.0


# -- stock threads ------------------------------------------------------------------------------------------------------------------


def test_a_blocked_actor_holds_nobody_up_on_threads() -> None:
    with ThreadedSystem() as system:
        entered, go = threading.Event(), threading.Event()
        system.start("a", Blocked, entered, go)
        system.start("b", Listener)
        system.post("a", Note(1))
        assert entered.wait(PATIENCE_S)
        assert ask(system, "b", "here") == "b#1 here"
        with pytest.raises(WaitTimeout):
            ask(system, "a", "busy", 0.05)
        go.set()
        until(system, lambda: look(system, "b").notes == [1], "the note")


def test_what_a_handler_sends_after_the_crash_of_its_process_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded, "PATIENCE_S", 0.05)
    with ThreadedSystem() as system:
        entered, go = threading.Event(), threading.Event()
        system.start("b", Listener)
        system.start("a", Blocked, entered, go)
        system.post("a", Note(1))
        assert entered.wait(PATIENCE_S)
        thread = look(system, "a").thread
        system.crash("a")  # does not wait for ever
        go.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        ask(system, "b")
        assert look(system, "b").notes == []


def test_nothing_is_handled_on_threads_while_somebody_looks_at_all_of_it() -> None:
    with ThreadedSystem() as system:
        names = [f"p{number}" for number in range(4)]
        for name in names:
            system.start(name, Listener)

        def handed_in() -> list[list[int]]:
            for name in names:
                system.post(name, Note(1))
                system.look(name).thread.join(0.01)  # each has time to handle it, if it could
            return [list(system.look(name).notes) for name in names]

        assert system.still(handed_in) == [[], [], [], []]
        for name in names:
            ask(system, name)  # comes behind the note
        assert system.still(lambda: [system.look(name).notes for name in names]) == [[1], [1], [1], [1]]


def test_failures_on_many_threads_at_once_are_all_supervised() -> None:
    with ThreadedSystem(restart_s=0.01, restart_limit_s=0.02) as system:
        names = [f"p{number}" for number in range(20)]
        for name in names:
            system.start(name, Listener)
        for name in names:
            system.post(name, Question(1, "nobody", "fail"))
        until(system, lambda: all(system.incarnation(name) == 2 and system.alive(name) for name in names), "twenty second lives")
        for name in names:
            assert ask(system, name) == f"{name}#2 "
        with pytest.raises(ComponentFailed):
            ask(system, "p0", "fail")
