"""What every actor system promises: order, timers, lives, failures, bounds, answers at the edge."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pykka
import pytest

from callboard.models.messages.base import Message
from callboard.runtime.systems import ComponentFailed, SimulatedSystem, System, SystemStopped, WaitTimeout

from .cast import SYSTEMS, Asker, CancelTimer, Forward, Listener, Note, Question, Reply, SetTimer, ask, look, pass_time, until


@pytest.fixture(params=sorted(SYSTEMS))
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    before = set(threading.enumerate())
    with SYSTEMS[request.param]() as made:
        yield made
    left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    assert not left, "a stopped system leaves no thread"
    assert not pykka.ActorRegistry.get_all(), "no actor of ours is in the process-wide registry"


# -- order and timers ---------------------------------------------------------------------------------------------------------------


def test_messages_of_one_lane_arrive_in_the_order_in_which_they_were_sent(system: System) -> None:
    system.start("a", Listener)
    system.start("b", Listener)
    system.post("a", Forward("b", 500))
    until(system, lambda: len(look(system, "b").notes) == 500, "500 notes")
    assert look(system, "b").notes == list(range(500))


def test_timers_fire_in_the_order_in_which_they_are_due_and_not_before(system: System) -> None:
    system.start("a", Listener)
    began_s = system.now()
    for number, delay_s in enumerate((0.12, 0.04, 0.08, 0.04)):
        system.post("a", SetTimer(delay_s, number))
    until(system, lambda: len(look(system, "a").notes) == 4, "four timers")
    assert look(system, "a").notes == [1, 3, 2, 0]
    assert system.now() - began_s >= 0.1199  # a float of seconds since the epoch is good to 0.2 us


def test_a_cancelled_timer_does_not_fire(system: System) -> None:
    system.start("a", Listener)
    system.post("a", SetTimer(0.05, 1))
    system.post("a", SetTimer(0.05, 2))
    system.post("a", CancelTimer(1))
    until(system, lambda: 2 in look(system, "a").notes, "the second timer")
    system.post("a", CancelTimer(2))  # harmless: it has fired
    ask(system, "a")
    assert look(system, "a").notes == [2]


def test_a_message_to_oneself_is_handled_later_by_either_name(system: System) -> None:
    system.links.drop("*", "*")  # is never asked about messages to oneself
    system.start("a", Listener)
    system.post("a", Question(1, "nobody", "self"))
    until(system, lambda: len(look(system, "a").notes) == 3, "both notes")
    assert look(system, "a").notes == [0, 1, 2]


def test_a_message_to_nobody_is_lost_without_a_word(system: System) -> None:
    system.start("a", Listener)
    system.post("nobody", Note(1))
    system.post("a", Forward("nobody", 3))
    assert ask(system, "a", "still here") == "a#1 still here"


def test_the_clock_of_a_machine_may_be_ahead(system: System) -> None:
    system.start("a", Listener, machine="m")
    system.add_machine("m").skew_s = 3600.0
    ahead_s = look(system, "a").port.now() - system.now()
    assert 3599.0 < ahead_s < 3601.0


def test_an_outlet_hears_what_is_sent_to_it_until_it_is_closed(system: System) -> None:
    heard: list[Message] = []
    outlet = system.outlet(heard.append)
    named = system.outlet(heard.append, "ear")
    with pytest.raises(ValueError, match="somebody listens"):
        system.outlet(heard.append, "ear")
    system.start("a", Listener)
    system.post("a", Forward(outlet, 2))
    system.post("a", Forward(named, 1))
    until(system, lambda: len(heard) == 3, "three notes")
    system.close_outlet(outlet)
    system.post("a", Forward(outlet, 2))
    ask(system, "a")
    assert len(heard) == 3


# -- lives --------------------------------------------------------------------------------------------------------------------------


def test_stop_cleans_up_in_the_reverse_order_of_the_start(system: System) -> None:
    told: list[str] = []
    for name in ("a", "b", "c"):
        system.start(name, Listener, told)
    ask(system, "c"), ask(system, "a"), ask(system, "b")
    system.stop()
    system.stop()
    assert told[3:] == ["c#1 stops", "b#1 stops", "a#1 stops"]
    with pytest.raises(SystemStopped):
        ask(system, "a")
    with pytest.raises(SystemStopped):
        system.start("d", Listener)
    system.post("a", Note(1))


def test_a_crash_skips_on_stop_clears_the_mailbox_and_is_final_until_restart(system: System) -> None:
    told: list[str] = []
    system.start("a", Listener, told)
    system.start("other", Listener)
    ask(system, "a")
    system.crash("a")
    system.post("a", Note(1))
    pass_time(system, 0.3)
    assert not system.alive("a")
    assert told == ["a#1 starts"]
    system.restart("a")
    assert ask(system, "a") == "a#2 "
    assert look(system, "a").notes == []
    assert told == ["a#1 starts", "a#2 starts"]


def test_timers_of_an_earlier_incarnation_never_fire(system: System) -> None:
    system.start("a", Listener)
    system.post("a", SetTimer(0.05, 7))
    ask(system, "a")
    system.restart("a")
    pass_time(system, 0.15)
    ask(system, "a")
    assert look(system, "a").notes == []


def test_answers_to_an_earlier_incarnation_are_dropped(system: System) -> None:
    system.start("b", Listener)
    system.start("a", Asker, "b")
    system.links.delay("b", "a", 0.1)
    system.post("a", Note(1, "early"))
    until(system, lambda: system.stats()[0].handled > 0, "the question")
    system.restart("a")
    system.post("a", Note(2, "late"))
    until(system, lambda: look(system, "a").heard != [], "the answer")
    pass_time(system, 0.2)
    assert look(system, "a").heard == ["b#1 late"]


def test_a_process_that_was_removed_goes_on_counting_when_its_name_comes_back(system: System) -> None:
    told: list[str] = []
    system.start("a", Listener, told)
    with pytest.raises(ValueError, match="a process a already"):
        system.start("a", Listener)
    ask(system, "a")
    system.remove("a")
    assert told == ["a#1 starts", "a#1 stops"]
    with pytest.raises(KeyError, match="no process a"):
        system.alive("a")
    system.start("a", Listener, told)
    assert ask(system, "a") == "a#2 "


def test_a_machine_that_crashes_takes_its_processes_and_keeps_its_disk(system: System) -> None:
    told: list[str] = []
    system.start("a", Listener, told, machine="m")
    system.start("b", Listener, told, machine="m")
    system.start("elsewhere", Listener)
    ask(system, "a"), ask(system, "b")
    system.crash("b")
    system.add_machine("m").disk["key"] = b"value"
    system.crash_machine("m")
    assert not system.alive("a")
    assert system.alive("elsewhere")
    system.restart("a")  # has to wait for its machine
    assert not system.alive("a")
    system.start("c", Listener, told, machine="m")  # this one too
    assert not system.alive("c")
    system.restart_machine("m")
    assert ask(system, "a") == "a#2 "
    assert ask(system, "c") == "c#1 "
    assert not system.alive("b"), "it was down before"
    assert system.machines["m"].disk == {"key": b"value"}
    assert "a#1 stops" not in told


def test_what_the_constructor_raises_reaches_whoever_starts_the_process(system: System) -> None:
    with pytest.raises(TypeError, match="argument"):
        system.start("a", Listener, 1, 2, 3)
    assert system.names() == []
    system.start("a", Listener)
    assert system.incarnation("a") == 1


# -- failures -----------------------------------------------------------------------------------------------------------------------


def test_an_exception_in_a_handler_ends_the_process_and_a_new_incarnation_starts(system: System) -> None:
    told: list[str] = []
    system.start("a", Listener, told)
    with pytest.raises(ComponentFailed, match="as it was told to") as caught:
        ask(system, "a", "fail")
    assert caught.value.name == "a"
    assert "ValueError" in caught.value.traceback
    until(system, lambda: "a#2 starts" in told, "a second life")
    assert ask(system, "a") == "a#2 "
    assert "a#1 stops" not in told
    failure = system.failures[-1]
    assert (failure.name, failure.incarnation) == ("a", 1)
    assert system.stats()[0].restarts == 1


def test_pauses_between_restarts_double_up_to_a_limit(system: System) -> None:
    class Hopeless(Listener):
        def on_start(self) -> None:
            self.told.append(f"{self.port.now()}")
            raise RuntimeError("never gets up")

    told: list[str] = []
    system.start("a", Hopeless, told)
    until(system, lambda: len(told) >= 7, "seven lives")
    system.crash("a")
    times = [float(text) for text in told[:7]]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    for pause, at_least in zip(pauses, (0.05, 0.1, 0.2, 0.4, 0.4, 0.4), strict=True):
        assert at_least - 0.001 <= pause
    if isinstance(system, SimulatedSystem):
        assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.4, 0.4])
    assert not system.alive("a")


def test_a_component_that_cannot_be_made_again_has_failed(system: System) -> None:
    class Once(Listener):
        def __init__(self, port: object, told: list[str]) -> None:
            super().__init__(port, told)  # type: ignore[arg-type]
            if told:
                raise RuntimeError("not twice")

    told: list[str] = []
    system.start("a", Once, told)
    ask(system, "a")
    system.restart("a")
    until(system, lambda: len(system.failures) >= 2, "two vain attempts")
    assert "not twice" in system.failures[0].traceback


def test_others_go_on_while_one_fails(system: System) -> None:
    system.start("a", Listener)
    system.start("b", Listener)
    with pytest.raises(ComponentFailed):
        ask(system, "a", "fail")
    assert ask(system, "b", "here") == "b#1 here"
    assert system.incarnation("b") == 1


def test_a_message_without_a_handler_is_a_failure(system: System) -> None:
    system.start("a", Listener)
    system.post("a", Reply(1, "unasked"))
    until(system, lambda: bool(system.failures), "a failure")
    assert "no handler for Reply" in system.failures[0].traceback


def test_a_failure_while_cleaning_up_is_recorded_and_does_not_stop_the_others(system: System) -> None:
    class Messy(Listener):
        def on_stop(self) -> None:
            raise RuntimeError("left a mess")

    told: list[str] = []
    system.start("a", Listener, told)
    system.start("b", Messy, told)
    ask(system, "a"), ask(system, "b")
    system.stop()
    assert "a#1 stops" in told
    assert "left a mess" in system.failures[-1].traceback


def test_two_systems_in_one_process_do_not_see_each_other(system: System) -> None:
    with SYSTEMS["realtime"]() as other, SYSTEMS["simulated"]() as third:
        for each in (system, other, third):
            each.start("a", Listener)
        with pytest.raises(ComponentFailed):
            ask(other, "a", "fail")
        assert ask(system, "a") == "a#1 "
        assert ask(third, "a") == "a#1 "
        assert not system.failures
        other.stop()
        assert ask(system, "a", "still") == "a#1 still"


# -- the edge -----------------------------------------------------------------------------------------------------------------------


def test_a_question_that_is_not_answered_times_out_and_says_what_was_asked(system: System) -> None:
    system.start("a", Listener)
    with pytest.raises(WaitTimeout, match=r"a did not answer Question about silence within 0\.05 s"):
        ask(system, "a", "silence", 0.05)
    with pytest.raises(WaitTimeout):
        ask(system, "nobody", "anybody", 0.05)
    assert ask(system, "a", "again") == "a#1 again"


def test_a_crash_leaves_questions_unanswered(system: System) -> None:
    system.start("a", Listener)
    system.start("b", Listener)
    system.links.delay("client", "a", 0.1)
    system.crash("a")
    with pytest.raises(WaitTimeout):
        ask(system, "a", "gone", 0.2)
    assert not system.failures


def test_whoever_waits_hears_of_the_failure_at_once(system: System) -> None:
    system.start("a", Listener)
    ask(system, "a", "timer fail")
    with pytest.raises(ComponentFailed):
        ask(system, "a", "silence", 60.0)


def test_figures_count_messages_restarts_and_the_longest_queue(system: System) -> None:
    system.start("a", Listener)
    system.start("b", Listener)
    system.post("a", Forward("b", 50))
    until(system, lambda: len(look(system, "b").notes) == 50, "fifty notes")
    by_name = {stats.name: stats for stats in system.stats()}
    assert by_name["a"].handled == 1
    assert by_name["b"].handled == 50
    assert 1 <= by_name["b"].high_water <= 50
    assert system.handled >= 51
    assert (by_name["b"].alive, by_name["b"].incarnation, by_name["b"].restarts) == (True, 1, 0)
