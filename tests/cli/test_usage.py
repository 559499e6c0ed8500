"""What a user of the command line hears of wrong usage and of faults: one sentence, the right exit code, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from callboard.cli import group
from callboard.cli.group import run
from callboard.models.errors import NotFound
from callboard.runtime.process.protocol import ProcessDaemonError
from callboard.runtime.storage.errors import DataFolderLocked


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["--log-level", "loud", "up"], "'loud' is not one of"),
        (["up", "--nodes", "0"], "0 is not in the range x>=1"),
        (["up", "--containers", "docker"], "'docker' is not one of"),
        (["up", "-f", "/no/such/file.yaml"], "does not exist"),
        (["up", "--replicas", "3"], "No such option"),
        (["down"], "Missing option '--data'"),
        (["down", "--data", "/no/such/folder"], "does not exist"),
        (["down", "--data", "/tmp", "--grace", "-1"], "-1.0 is not in the range"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_2(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["up", "-h"], ["down", "--help"], ["demo", "--help"], ["bench", "run", "--help"]]
)
def test_help_and_version_exit_with_0(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 0
    assert capsys.readouterr().out


def test_yaml_that_does_not_parse_is_told_before_anything_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "app.yaml"
    file.write_text("kind: ConfigMap\nmetadata: {name: a\n")
    assert run(["up", "-f", str(file), "--data", str(tmp_path / "state")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"callboard: {file}:")
    assert error.count("\n") == 1
    assert not (tmp_path / "state").exists()


def _fail_with(problem: BaseException) -> click.Command:
    @click.command("fail")
    def fail() -> None:
        raise problem

    return fail


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (NotFound('deployments "web" not found'), 1, 'callboard: deployments "web" not found\n'),
        (ProcessDaemonError("no daemon"), 1, "callboard: no daemon\n"),
        (DataFolderLocked("locked"), 1, "callboard: locked\n"),
        (PermissionError(13, "Permission denied", "/state"), 1, "callboard: /state: Permission denied\n"),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("division by zero"), 3, "callboard: a fault of ours at "),
    ],
)
def test_every_error_becomes_a_sentence_and_an_exit_code(
    problem: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(group._Lazy, "get_command", lambda *_: _fail_with(problem))
    assert run(["fail"]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert error.strip().count("\n") == 0


PROGRAM = """
import sys, threading, structlog
from callboard.cli.logs import configure
configure(*sys.argv[1:])
def fail(): raise ValueError("not my day")
try: fail()
except ValueError: structlog.get_logger().exception("component failed", component="x")
thread = threading.Thread(target=fail, name="worker"); thread.start(); thread.join()
"""


@pytest.mark.parametrize(
    ("level", "format_", "shown"), [("error", "console", False), ("warning", "json", False), ("debug", "console", True)]
)
def test_tracebacks_are_for_level_debug_only(level: str, format_: str, shown: bool) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, level, format_], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert ("Traceback" in done.stderr) is shown
    assert done.stderr.count("not my day") >= 2, "the exception of the thread too"
    assert "a thread failed" in done.stderr
    if not shown:
        assert "ValueError: not my day at fail:" in done.stderr
