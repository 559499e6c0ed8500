"""What tells a copy of a request from a new one, and that it doesn't grow."""

from __future__ import annotations

from callboard.actors.heard import Heard
from callboard.models.messages.pods import ExecInPod


def command(number: int, sender: str = "client#1") -> ExecInPod:
    return ExecInPod(number, sender, "default", "web", command=("ls",))


def test_a_copy_is_known_and_another_number_or_another_life_of_the_sender_is_no_copy() -> None:
    heard = Heard()
    asked = [command(1), command(1), command(2), command(1, "client#2"), command(2), command(1, "client#2")]
    assert [heard.again(one) for one in asked] == [False, True, False, False, True, True]


def test_only_the_newest_are_remembered() -> None:
    heard = Heard(limit=2)
    assert [heard.again(command(number)) for number in (1, 2, 3)] == [False, False, False]
    assert [heard.again(command(number)) for number in (2, 3)] == [True, True]
    assert len(heard._requests) == 2
    assert not heard.again(command(1)), "it was forgotten"
