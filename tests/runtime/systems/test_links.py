"""Links on every system: cuts, delays, losses, repeats, holds, and the order inside lanes through all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from callboard.models.messages.base import Message
from callboard.runtime.systems import Passage, System, WaitTimeout
from callboard.runtime.systems.links import OCCURRENCES_LIMIT, Links

from .cast import SYSTEMS, Forward, Listener, Note, ask, look, pass_time, until


@pytest.fixture(params=sorted(SYSTEMS))
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with SYSTEMS[request.param]() as made:
        made.start("a", Listener, machine="m")
        made.start("near", Listener, machine="m")
        made.start("far", Listener, machine="n")
        yield made


def notes(system: System, name: str) -> list[int]:
    found: list[int] = look(system, name).notes
    return found


def tell(system: System, to: str, count: int = 1, text: str = "") -> None:
    """Let `a` send notes, and be done with it."""
    system.post("a", Forward(to, count, text))
    until(system, lambda: look(system, "a").port is not None, "a")
    pass_time(system, 0.02)


def test_a_cut_machine_is_reached_by_nobody_outside_and_still_by_itself(system: System) -> None:
    system.links.partition("m")
    tell(system, "near")
    tell(system, "far")
    until(system, lambda: notes(system, "near") == [0], "a note inside the machine")
    assert notes(system, "far") == []
    with pytest.raises(WaitTimeout):
        ask(system, "a", timeout_s=0.05)
    system.links.heal("m")
    assert not system.links.active
    tell(system, "far")
    until(system, lambda: notes(system, "far") == [0], "a note after healing")
    assert ask(system, "a") == "a#1 "


def test_a_one_way_cut_lets_answers_of_others_pass(system: System) -> None:
    system.links.partition("a", "far", one_way=True)
    tell(system, "far")
    system.post("far", Forward("a", 1))
    until(system, lambda: notes(system, "a") == [0], "the way back")
    assert notes(system, "far") == []


def test_a_delayed_message_is_late_and_nothing_overtakes_it_in_its_lane(system: System) -> None:
    rule = system.links.delay("a", "far", 0.15)
    tell(system, "far", 3, "x")
    assert notes(system, "far") == []
    system.links.remove(rule)
    system.post("a", Forward("far", 5, "x"))
    tell(system, "far", 1, "y")
    until(system, lambda: len(notes(system, "far")) == 9, "all notes")
    assert look(system, "far").texts[0] == "y", "another lane does not wait"
    assert notes(system, "far") == [0, 0, 1, 2, 0, 1, 2, 3, 4]


def test_a_drop_rule_loses_what_its_judge_says(system: System) -> None:
    def odd(_passage: Passage, message: Message) -> bool:
        return isinstance(message, Note) and message.number % 2 == 1

    system.links.drop("a", "far", odd)
    tell(system, "far", 6)
    until(system, lambda: len(notes(system, "far")) == 3, "the even ones")
    assert notes(system, "far") == [0, 2, 4]


def test_a_repeated_message_arrives_twice_and_in_order(system: System) -> None:
    system.links.duplicate("m", "n")
    tell(system, "far", 3)
    until(system, lambda: len(notes(system, "far")) == 6, "each note twice")
    assert notes(system, "far") == [0, 0, 1, 1, 2, 2]


def test_a_hold_strategy_sees_who_sends_what_to_whom_for_the_how_manieth_time(system: System) -> None:
    seen: list[Passage] = []

    def hold(passage: Passage) -> float:
        if passage.type == "Note":
            seen.append(passage)
        return 0.1 if passage.occurrence == 2 else 0.0

    system.links.hold(hold)
    tell(system, "far", 3, "x")
    until(system, lambda: len(notes(system, "far")) == 3, "all notes")
    assert notes(system, "far") == [0, 1, 2]
    assert seen[1] == Passage("a", "m", "far", "n", 1, "Note", "", 2)
    system.links.hold(None)
    assert not system.links.active


def test_rules_that_name_a_machine_leave_its_inside_alone(system: System) -> None:
    system.links.drop("*", "m")
    system.links.delay("m", "*", 60.0)
    tell(system, "near")
    until(system, lambda: notes(system, "near") == [0], "a note inside the machine")
    system.links.clear()
    assert not system.links.active


def test_patterns_name_processes_and_machines() -> None:
    links = Links()
    links.partition("kubelet/*", "apiserver-0")

    def passes(source: str, target: str) -> bool:
        return links.judge(source, f"m-{source}", target, f"m-{target}", 1, Note(1)) == [0.0]

    assert not passes("kubelet/node-1", "apiserver-0")
    assert not passes("apiserver-0", "kubelet/node-2")
    assert passes("kubelet/node-1", "apiserver-1")
    links.heal("apiserver-0")
    assert passes("kubelet/node-1", "apiserver-0")
    links.drop("m-a*", "*")
    assert not passes("apiserver-0", "kubelet/node-1")
    assert passes("kubelet/node-1", "apiserver-0")


def test_the_memory_of_occurrences_is_bounded() -> None:
    links = Links()
    links.hold(lambda _passage: 0.0)
    for number in range(OCCURRENCES_LIMIT + 10):
        links.judge(f"p{number}", "m", "target", "n", 1, Note(1))
    assert len(links._occurrences) == OCCURRENCES_LIMIT
