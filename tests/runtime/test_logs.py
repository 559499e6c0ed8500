"""Log lines reach whoever listens, and end nobody when nobody does."""

from __future__ import annotations

import io
import sys

import pytest
import structlog

from callboard import Cluster
from callboard.runtime.logs import Logger


def test_without_a_configuration_warnings_go_to_standard_error_and_the_rest_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    log = Logger(component="x")
    log.info("quiet")
    log.warning("loud", why="because")
    said = capsys.readouterr().err
    assert "quiet" not in said
    assert "loud" in said
    assert "component=x" in said
    assert "why=because" in said


def test_a_program_s_own_configuration_counts() -> None:
    with structlog.testing.capture_logs() as lines:
        structlog.configure(processors=structlog.get_config()["processors"])
        Logger(component="x").info("told")
    assert lines == [{"event": "told", "component": "x", "log_level": "info"}]


def test_a_line_that_nobody_can_take_is_lost_and_the_cluster_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by a suite in which the command line had configured a standard error that was closed later: the engine ended with it."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    with Cluster(nodes=2, timing="fast") as c:
        c.nodes["node-2"].crash()  # the node lifecycle controller warns of it
        c.wait("node/node-2", "Ready=Unknown", timeout="30s")
        assert c.stats().restarts == 0


@pytest.mark.parametrize("configured", [False, True])
def test_a_traceback_shows_no_variables(capsys: pytest.CaptureFixture[str], configured: bool) -> None:
    """With rich installed, structlog's own way would."""

    def fail(word: str) -> None:
        raise ValueError(f"a word of {len(word)} letters")

    if configured:
        structlog.configure()
    try:
        try:
            fail("open-sesame")
        except ValueError:
            Logger(component="x").exception("it failed")
    finally:
        structlog.reset_defaults()
    written = capsys.readouterr()
    said = written.err + written.out
    assert "Traceback" in said
    assert "ValueError: a word of 11 letters at test_a_traceback_shows_no_variables.<locals>.fail" in said
    assert said.count("open-sesame") == 1, "in the line of the source"
