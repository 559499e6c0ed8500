"""Commands that are carried out beside a container's own program: `exec`, exec probes, hooks. Used inside the process daemon only.

A command runs with the environment, working directory and user of its container, in a session of its own. Its output is read as it comes,
so that it never blocks, and kept up to a limit. When it has ended, or its time is over, all that it has started is killed.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque

from callboard.runtime.process.containers import Containers
from callboard.runtime.process.spawning import PreparationFailed
from callboard.runtime.process.wire import ENV_COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reply = Callable[[dict[str, Any]], object]
    """Sends an answer; what it returns is false if there is nobody to hear it any more."""

RUNNING_LIMIT = 64
"""Commands of each sort that run at once. Of those that wait for their turn (probes: a failed one may kill its container) any number up to
`WAITING_LIMIT` does; others are refused."""
WAITING_LIMIT = 8192
READ_BYTES = 64 * 1024
TIMEOUT_LIMIT_S = 7 * 24 * 3600.0
"""Longest time of a command. The daemon waits for its end, and what it waits for has to be a number that the kernel takes."""
NOT_FOUND_CODE = 127
NOT_EXECUTABLE_CODE = 126


class TooManyCommands(Exception):
    """No more commands can be carried out now."""


class NoContainer(Exception):
    """The container that a command is for does not run."""


class _Command:
    """One command under way."""

    def __init__(
        self,
        number: int,
        container_id: str,
        process: subprocess.Popen[bytes],
        limit: int,
        deadline_s: float,
        patient: bool,
        reply: Reply,
    ) -> None:
        self.number = number
        self.patient = patient
        self.container_id = container_id
        self.process = process
        self.limit = limit
        self.deadline_s = deadline_s
        self.reply = reply
        self.output: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.truncated = False
        self.timed_out = False
        self.unsent = memoryview(b"")


class Commands:
    """All commands under way; they share the daemon's selector and thread."""

    def __init__(self, selector: selectors.BaseSelector, containers: Containers) -> None:
        self._selector = selector
        self._containers = containers
        self._running: dict[str, _Command] = {}
        self._waiting: deque[tuple[int, str, list[str], bytes, float, int, Reply]] = deque()
        self._last = 0

    def start(
        self, number: int, container_id: str, argv: list[str], stdin: bytes, timeout_s: float, limit: int, patient: bool, reply: Reply
    ) -> dict[str, Any] | None:
        """Begin a command, or let a `patient` one wait for its turn. Returns the answer if there is one already; else it comes by `reply`.

        Raises `TooManyCommands`; `NoContainer` if the container doesn't run.
        """
        timeout_s = min(timeout_s, TIMEOUT_LIMIT_S) if timeout_s >= 0 else 0.0  # also of what is no number
        if sum(one.patient is patient for one in self._running.values()) < RUNNING_LIMIT:
            return self._begin(number, container_id, argv, stdin, timeout_s, limit, patient, reply)
        if not patient or len(self._waiting) >= WAITING_LIMIT:
            raise TooManyCommands(f"{RUNNING_LIMIT} commands are being carried out already; try again later")
        self._waiting.append((number, container_id, argv, stdin, timeout_s, limit, reply))
        return None

    def _begin_waiting(self) -> None:
        """Somebody has ended: the next one's turn. Its time begins now."""
        while self._waiting and sum(one.patient for one in self._running.values()) < RUNNING_LIMIT:
            number, container_id, argv, stdin, timeout_s, limit, reply = self._waiting.popleft()
            try:
                answer = self._begin(number, container_id, argv, stdin, timeout_s, limit, True, reply)
            except NoContainer as refusal:
                answer = {"type": "RequestFailed", "id": number, "message": str(refusal)}
            if answer is not None:
                reply(answer)

    def _begin(
        self, number: int, container_id: str, argv: list[str], stdin: bytes, timeout_s: float, limit: int, patient: bool, reply: Reply
    ) -> dict[str, Any] | None:
        container = self._containers.get(container_id)
        if container is None or container.state != "running" or not container.settled:
            raise NoContainer(f"container not found: {container_id!r} does not run")
        self._last += 1
        mark = str(self._last)
        try:
            process = self._containers.execute(
                container,
                argv,
                {**container.env, ENV_COMMAND: mark},
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except PreparationFailed as error:
            if container.sandbox is not None and not os.path.exists(f"/proc/{container.sandbox.child_pid}"):  # its end will be noticed soon
                raise NoContainer(f"container not found: {container_id!r} does not run") from error
            return _ended(number, container.id, *_not_started(error, argv[0] if argv else ""))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return _ended(number, container.id, *_not_started(error, argv[0] if argv else ""))
        command = _Command(number, container.id, process, limit, time.monotonic() + timeout_s, patient, reply)
        self._running[mark] = command
        self._containers.watch_command(process.pid, container.id, mark, lambda code: self._finish(mark, code))
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, lambda file, _events, name=name: self._take(command, name, file))
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            command.unsent = memoryview(stdin)
            self._selector.register(process.stdin, selectors.EVENT_WRITE, lambda file, _events: self._feed(command, file))
        return None

    def next_deadline_s(self) -> float | None:
        """When, on the monotonic clock, the next command has had its time; None if none waits for that."""
        return min((one.deadline_s for one in self._running.values() if not one.timed_out), default=None)

    def end_late_ones(self) -> None:
        """Kill the commands whose time is over; their end is noticed as any other."""
        now_s = time.monotonic()
        for command in self._running.values():
            if not command.timed_out and command.deadline_s <= now_s:
                command.timed_out = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(command.process.pid, signal.SIGKILL)  # not reaped yet, so nobody else has its number

    def _take(self, command: _Command, name: str, pipe: Any) -> None:
        """Read what there is; at its end the pipe is closed."""
        kept = command.output[name]
        try:
            while data := os.read(pipe.fileno(), READ_BYTES):
                room = command.limit - len(kept)
                kept += data[:room]
                command.truncated |= len(data) > room
                if len(data) < READ_BYTES:
                    return
        except BlockingIOError:
            return
        self._close(pipe)

    def _feed(self, command: _Command, pipe: Any) -> None:
        try:
            command.unsent = command.unsent[os.write(pipe.fileno(), command.unsent[:READ_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it doesn't want to read more
            command.unsent = memoryview(b"")
        if not command.unsent:
            self._close(pipe)

    def _close(self, pipe: Any) -> None:
        self._selector.unregister(pipe)
        pipe.close()

    def _finish(self, mark: str, code: int) -> None:
        """It has been reaped, and its session killed: what it has said is there to be read."""
        command = self._running.pop(mark)
        process = command.process
        process.returncode = code  # or Popen would wait for that process id again
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr), ("", process.stdin)):
            if pipe is not None and not pipe.closed:
                if name:
                    self._drain(command, name, pipe)
                if not pipe.closed:
                    self._close(pipe)
        code = 128 - code if code < 0 else code
        out, err = bytes(command.output["stdout"]), bytes(command.output["stderr"])
        command.reply(_ended(command.number, command.container_id, code, out, err, command.truncated, command.timed_out))
        self._begin_waiting()

    def _drain(self, command: _Command, name: str, pipe: Any) -> None:
        """Read until nothing is there now: whoever holds the other end still has been killed, or got away and is not waited for."""
        for _ in range(1 + command.limit // READ_BYTES):
            before = len(command.output[name])
            self._take(command, name, pipe)
            if pipe.closed or len(command.output[name]) == before:
                return


def _ended(
    number: int, container_id: str, code: int, stdout: bytes, stderr: bytes, truncated: bool = False, timed_out: bool = False
) -> dict[str, Any]:
    return {
        "type": "CommandEnded", "id": number, "container_id": container_id, "exit_code": code, "stdout": stdout, "stderr": stderr,
        "truncated": truncated, "timed_out": timed_out,
    }  # fmt: skip


def _not_started(error: Exception, program: str) -> tuple[int, bytes, bytes]:
    """Exit code, no output, and a container runtime's words for a command that could not be begun."""
    code, why = NOT_EXECUTABLE_CODE, getattr(error, "strerror", None) or str(error)
    if isinstance(error, FileNotFoundError) and error.filename not in (None, program):
        why = f"chdir to {error.filename!r}: {why}"
    elif isinstance(error, FileNotFoundError):
        code = NOT_FOUND_CODE
        why = "no such file or directory" if "/" in program else "executable file not found in $PATH"
    words = f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{program}": {why}\n'
    return code, b"", words.encode()
