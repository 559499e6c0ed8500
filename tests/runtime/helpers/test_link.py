"""The link to a helper, with a real process at its other end."""

from __future__ import annotations

import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.runtime.helpers.link import HelperError, HelperFailed, HelperLink
from tests.runtime.helpers.echoing import Fail, Never, OpenFile, ReadIt, Said, Say

PROGRAM = Path(__file__).with_name("echoing.py")


class Starter:
    """Starts the helper where none runs, as the process daemon would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self) -> None:
        if not self.processes or self.processes[-1].poll() is not None:
            env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
            with (self.folder / "echo.log").open("ab") as log:
                self.processes.append(subprocess.Popen([sys.executable, str(PROGRAM), str(self.folder)], stderr=log, env=env))

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


Make = Callable[..., HelperLink]


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    starter.end()


@pytest.fixture
def make(starter: Starter) -> Iterator[Make]:
    links: list[HelperLink] = []

    def made(**more: Any) -> HelperLink:
        links.append(HelperLink("echo", starter.folder, starter, Said, **more))
        return links[-1]

    yield made
    for link in links:
        link.close()


def test_a_request_is_answered_and_what_is_told_unasked_is_heard(make: Make) -> None:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    link = make(heard=heard.put)
    assert link.ask_now(Say("hello"))[0].text == "hello"
    assert heard.get(timeout=10) == Said("somebody said 5")


def test_a_request_of_megabytes_goes_through_beside_small_ones(make: Make) -> None:
    link = make()
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for text in ("a", "b" * 8_000_000, "c"):
        link.ask(Say(text), lambda answer, _own: answers.put(answer))
    assert sorted(len(answers.get(timeout=30).text) for _ in range(3)) == [1, 1, 8_000_000]


def test_descriptors_go_both_ways(make: Make, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_text("what the file says")
    link = make()
    _, (descriptor,) = link.ask_now(OpenFile(str(page)))
    try:
        assert link.ask_now(ReadIt(), descriptors=[descriptor])[0].text == "what the file says"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("request_", "words"), [(Fail(True), "not today"), (Fail(False), "ZeroDivisionError: a fault")])
def test_a_request_that_cannot_be_carried_out_is_answered_in_words_and_the_helper_goes_on(make: Make, request_: Fail, words: str) -> None:
    link = make()
    with pytest.raises(HelperError, match=words):
        link.ask_now(request_)
    assert link.ask_now(Say("still here"))[0].text == "still here"


def test_a_request_that_the_helper_does_not_know_is_answered(make: Make) -> None:
    with pytest.raises(HelperError, match="does not know"):
        make().ask_now(Said("an answer is no request"))


def test_a_helper_that_was_killed_is_started_again_and_told_all_anew(make: Make, starter: Starter) -> None:
    connections: queue.SimpleQueue[str] = queue.SimpleQueue()
    link = make(again=lambda _link: connections.put("again"))
    first = link.ask_now(Say("one"))[0].pid
    lost: queue.SimpleQueue[Any] = queue.SimpleQueue()
    link.ask(Never(), lambda answer, _own: lost.put(answer))
    link.ask_now(Say("so that it has been sent"))
    os.kill(first, signal.SIGKILL)
    assert isinstance(lost.get(timeout=10), HelperFailed)
    assert link.ask_now(Say("two"), 30)[0].pid != first
    assert [connections.get(timeout=10) for _ in range(2)] == ["again", "again"]


def test_a_helper_that_is_taken_for_running_while_it_ends_is_started_all_the_same(starter: Starter) -> None:
    asked: list[str] = []

    def start() -> None:
        asked.append("start")
        if len(asked) != 2:  # the second time its process is not quite gone yet
            starter()

    link = HelperLink("echo", starter.folder, start, Said)
    try:
        os.kill(link.ask_now(Say("one"))[0].pid, signal.SIGKILL)
        starter.processes[-1].wait()
        assert link.ask_now(Say("two"), 15)[0].pid == starter.processes[1].pid
    finally:
        link.close()


def test_what_is_asked_is_not_lost_to_a_helper_that_dies_before_it_takes_the_connection(starter: Starter) -> None:
    """The kernel lets clients connect to a process that has been killed until its listening socket is gone too."""
    dying = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dying.bind(str(starter.folder / "echo.sock"))
    dying.listen()
    asked: list[str] = []
    connections: queue.SimpleQueue[str] = queue.SimpleQueue()

    def start() -> None:
        asked.append("start")
        if len(asked) > 1:
            starter()

    link = HelperLink("echo", starter.folder, start, Said, again=lambda _link: connections.put("again"))
    try:
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        link.ask(Say("one"), lambda answer, _own: answers.put(answer))
        assert select.select([dying], [], [], 10)[0], "the link has connected"
        dying.close()
        assert answers.get(timeout=15).text == "one"
        assert connections.get(timeout=1) == "again"
        assert connections.empty()
    finally:
        link.close()
        dying.close()


def test_a_helper_that_cannot_be_started_fails_who_asks_and_says_why(tmp_path: Path) -> None:
    def start() -> None:
        raise HelperError("there is no room")

    link = HelperLink("echo", tmp_path, start, Said)
    try:
        with pytest.raises(HelperError, match="there is no room"):
            link.ask_now(Say("x"))
    finally:
        link.close()


def test_after_close_everybody_who_waits_is_told_and_no_thread_is_left(make: Make) -> None:
    link = make()
    lost: queue.SimpleQueue[Any] = queue.SimpleQueue()
    link.ask(Never(), lambda answer, _own: lost.put(answer))
    link.ask_now(Say("x"))
    link.close()
    assert isinstance(lost.get(timeout=10), HelperFailed)
    link.ask(Say("y"), lambda answer, _own: lost.put(answer))
    assert isinstance(lost.get(timeout=10), HelperFailed)
    assert not [thread for thread in threading.enumerate() if thread.name == "callboard-echo"]
