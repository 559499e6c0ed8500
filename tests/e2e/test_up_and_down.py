"""`callboard up` and `down` as a user runs them: clean stops, kill -9, containers that live on."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.runtime.process.launch import state_folder, stop_durable
from tests.e2e.programs import Program, all_gone, program

WEB = str(Path(__file__).resolve().parents[2] / "examples" / "web.yaml")


def _serving(running: Program) -> str:
    """Wait until the web example answers; its address."""
    line = running.wait_line(lambda line: line.startswith("service/web can be reached at "))
    ready: set[str] = set()

    def three_ready(line: str) -> bool:
        if line.startswith("pod/web-") and " 1/1 Running" in line:
            ready.add(line.split()[0])
        return len(ready) == 3

    running.wait_line(three_ready)
    return line.removeprefix("service/web can be reached at ")


def _ask(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def _is_server(command: list[str]) -> bool:
    """Whether this is a server itself, not what keeps it apart from others."""
    return bool(command) and Path(command[0]).name.startswith("python") and "server.py" in " ".join(command)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_until_it_is_asked_to_stop_and_leaves_nothing(number: int, tmp_path: Path) -> None:
    with program("up", "-f", WEB, "--timing", "fast", cwd=tmp_path) as running:
        url = _serving(running)
        assert "Hello from Callboard" in _ask(url)
        children = running.descendants()
        assert running.end(number) == 0
        assert all_gone(children) == []


def test_without_data_the_pods_die_with_the_program_even_by_kill_9(tmp_path: Path) -> None:
    with program("up", "-f", WEB, "--timing", "fast", cwd=tmp_path) as running:
        _serving(running)
        children = running.descendants()
        assert len(children) >= 4  # the daemon and three servers
        running.end(signal.SIGKILL)
        assert all_gone(children) == []


@pytest.fixture
def data(tmp_path: Path) -> Iterator[str]:
    """A data folder; what lives on there ends with the test, however it ends."""
    folder = tmp_path / "state"
    yield str(folder)
    stop_durable(state_folder(folder), grace_s=0.0)


def test_with_data_the_pods_live_on_until_down(data: str, tmp_path: Path) -> None:
    with program("up", "-f", WEB, "--timing", "fast", "--data", data, cwd=tmp_path) as running:
        url = _serving(running)
        children = running.descendants()
        running.end(signal.SIGKILL)
    servers = [child for child in children if child.is_running() and _is_server(child.cmdline())]
    assert len(servers) == 3
    with program("up", "--timing", "fast", "--data", data, cwd=tmp_path) as again:
        url_again = _serving(again)
        assert url_again == url
        assert "Hello from Callboard" in _ask(url)
        assert all(server.is_running() for server in servers), "a container was started twice instead of being found again"
        assert again.end(signal.SIGTERM) == 0
    with program("down", "--data", data, cwd=tmp_path) as down:
        assert down.process.wait(timeout=60) == 0
    assert all_gone(children) == []


def test_a_second_cluster_on_the_same_data_is_refused_in_one_sentence(data: str, tmp_path: Path) -> None:
    with program("up", "--data", data, cwd=tmp_path) as running:
        running.wait_line(lambda line: line.startswith("The cluster is up"))
        with program("up", "--data", data, cwd=tmp_path) as second:
            said = second.wait_line(lambda line: line.startswith("callboard: "))
            assert "another" in said
            assert "Traceback" not in said
            assert second.process.wait(timeout=60) == 1
        assert running.end(signal.SIGTERM) == 0
    with program("down", "--data", data, cwd=tmp_path) as down:
        assert down.process.wait(timeout=60) == 0
