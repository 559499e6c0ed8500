"""Which life of a container a log is read of, in the kubelet's words when there is none."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.kubelet.inside import life_to_read, outcome_of
from callboard.models.api.core import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)
from callboard.models.errors import BadRequest, InternalError, Timeout
from callboard.models.messages.pods import ExecDone, ExecInPod
from callboard.models.messages.runtime import CommandDone


def status(state: ContainerState, last: str | None = None, own: str = "now") -> ContainerStatus:
    before = ContainerState(terminated=ContainerStateTerminated(exit_code=1, container_id=last)) if last is not None else None
    return ContainerStatus(name="a", container_id=own, state=state, last_state=before)


RUNNING = ContainerState(running=ContainerStateRunning(started_at="2026-01-01T00:00:00Z"))
ENDED = ContainerState(terminated=ContainerStateTerminated(exit_code=0, container_id="now"))
ENDED_UNBEGUN = ContainerState(terminated=ContainerStateTerminated(exit_code=0))


def waiting(reason: str) -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason))


@pytest.mark.parametrize(
    ("given", "previous", "meant"),
    [
        (status(RUNNING), False, "now"),
        (status(RUNNING, "before"), True, "before"),
        (status(ENDED), False, "now"),
        (status(ENDED, "before"), False, "now"),
        (status(ENDED_UNBEGUN, "before"), False, "before"),
        (status(waiting("CrashLoopBackOff"), "before"), False, "before"),
        (status(waiting("CrashLoopBackOff"), "before"), True, "before"),
    ],
)
def test_the_newest_life_that_has_run_is_read(given: ContainerStatus, previous: bool, meant: str) -> None:
    """validateContainerLogStatus: of a container in back-off the log of the life that crashed is shown, with or without `previous`."""
    assert life_to_read(given, "web", "a", previous) == meant


@pytest.mark.parametrize(
    ("given", "previous", "words"),
    [
        (None, False, 'container "a" in pod "web" is not available'),
        (status(RUNNING), True, 'previous terminated container "a" in pod "web" not found'),
        (status(waiting("ContainerCreating")), False, 'container "a" in pod "web" is waiting to start: ContainerCreating'),
        (status(waiting("ErrImagePull")), False, 'container "a" in pod "web" is waiting to start: image can\'t be pulled'),
        (status(waiting("ImagePullBackOff")), False, 'container "a" in pod "web" is waiting to start: trying and failing to pull image'),
        (status(ENDED_UNBEGUN), False, 'container "a" in pod "web" is terminated'),
        (status(ContainerState()), False, 'container "a" in pod "web" is waiting to start - no logs yet'),
    ],
)
def test_a_life_that_never_was_is_refused_in_the_kubelets_words(given: Any, previous: bool, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        life_to_read(given, "web", "a", previous)
    assert str(refused.value) == words


def test_a_command_that_could_not_be_carried_out_or_took_too_long_is_an_error_and_any_exit_code_is_not() -> None:
    request = ExecInPod(7, "client#1", "default", "web", "a", command=("ls", "-l"), timeout_s=2.0)
    assert outcome_of(request, CommandDone(1, 5, b"out", b"err", True)) == ExecDone(7, 5, b"out", b"err", True)
    late = outcome_of(request, CommandDone(1, 137, timed_out=True))
    assert isinstance(late, Timeout)
    assert "timeout 2s exceeded: context deadline exceeded" in str(late)
    assert isinstance(outcome_of(request, CommandDone(1, problem="container not found")), InternalError)
