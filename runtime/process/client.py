"""The driver of the process daemon: methods that never block, answers and facts as messages from a reader thread.

Held by `Cluster(containers="process")` and by the command line. All methods may be called from any thread. Each request's answer goes to
its `callback`, or to `emit` if it has none; both run on the reader thread and must be quick (post to an inlet, set a future).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from callboard.runtime.isolation.levels import C0, Level
from callboard.runtime.logs import Logger
from callboard.runtime.process import launch
from callboard.runtime.process.cell import NETNS_FOLDER
from callboard.runtime.process.procfs import kill_cluster_leftovers
from callboard.runtime.process.protocol import (
    DaemonLost,
    FromDaemon,
    Listed,
    ProcessAnswer,
    ProcessDaemonError,
    ProcessMessage,
    RequestFailed,
    ShutDown,
    UsageMeasured,
)
from callboard.runtime.process.removal import remove_abandoned, remove_state_folder
from callboard.runtime.process.requests import Callback, Requests
from callboard.runtime.process.usage import ContainerSample
from callboard.runtime.process.wire import LOG_NAME, BrokenFrame, pack

Emit = Callable[[ProcessMessage], None]
AnswerT = TypeVar("AnswerT", bound=ProcessAnswer)

READ_BYTES = 256 * 1024
REVIVE_PAUSE_S = 1.0
REVIVE_PAUSE_LIMIT_S = 30.0
"""A daemon that was lost is started anew at once; if that fails, again after these pauses, the first doubling up to the limit."""
REVIVE_TIMEOUT_S = 10.0
STABLE_S = 10.0
"""A daemon that was lost sooner after its start than this is not started anew at once."""
GONE_LIMIT_S = 15.0
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FromDaemon)
_log = Logger(component="process")


class ProcessDaemon(Requests):
    """A connected process daemon.

    `hello` tells its process id, state folder, cluster id and `block`: the addresses 127.<block>.0.0/16 are this cluster's.
    """

    def __init__(self, connected: launch.Connected, emit: Emit, *, revive: bool = False, level: Level = C0) -> None:
        self.level = level
        self._emit = emit
        self._revive = revive
        self._closing = threading.Event()  # nobody wants a daemon any more
        self._lock = threading.Lock()
        self._outgoing: deque[bytes] = deque()
        self._waiting: dict[int, Callback | None] = {}
        self._last_id = 0
        self._ended = ""  # why no request can be sent any more
        self._asked_to_end = False
        self._take_over(connected)
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="callboard-process-daemon", daemon=True)
        self._thread.start()

    @classmethod
    def start(
        cls, state_dir: str | Path | None, emit: Emit, timeout_s: float = 10.0, *, revive: bool = False, level: Level = C0
    ) -> ProcessDaemon:
        """Start a daemon: with a private temporary folder and the life of this program (None), or durable in `state_dir`. At a level of
        isolation that has namespaces it runs in its own ones, with all that it starts.

        With `revive` a daemon that is lost is followed by another one with the same folder and addresses: `DaemonLost` is told, and from
        then on requests go to the new one, or fail until there is one.

        Raises `ProcessDaemonError` if it cannot start, also if one uses that folder already.
        """
        if state_dir is None:
            remove_abandoned(tempfile.gettempdir(), level)
        return cls(launch.start(state_dir, timeout_s, level=level), emit, revive=revive, level=level)

    @classmethod
    def connect(
        cls, state_dir: str | Path, emit: Emit, timeout_s: float = 10.0, *, revive: bool = False, level: Level = C0
    ) -> ProcessDaemon:
        """Connect to the durable daemon of `state_dir`; one is started if none runs. Raises `ProcessDaemonError`, also if what is there
        belongs to another level of isolation."""
        connected = launch.connect(state_dir, timeout_s, level) or launch.start(state_dir, timeout_s, level=level)
        return cls(connected, emit, revive=revive, level=level)

    def _take_over(self, connected: launch.Connected) -> None:
        """Talk to this daemon from now on."""
        self.hello = connected.hello
        self._sock = connected.sock
        self._process: subprocess.Popen[bytes] | None = connected.process
        self._janitor = connected.janitor
        self._frames = connected.frames
        self._bodies = connected.bodies
        self._sock.setblocking(False)
        self._pidfd = launch.open_process(self.hello.pid)
        self._since_s = time.monotonic()

    @property
    def block(self) -> int:
        """Second byte of this cluster's addresses."""
        return self.hello.block

    @property
    def problem(self) -> str:
        """Why requests fail now; "" if there is a daemon to do them."""
        with self._lock:
            return self._ended

    @property
    def state_dir(self) -> Path:
        """The daemon's state folder, where the folders of pods belong too."""
        return Path(self.hello.state_dir)

    @property
    def netns_folder(self) -> Path:
        """Where, in the cell, the network namespaces of nodes and pods have their names."""
        return self.state_dir / NETNS_FOLDER

    def shutdown(self, grace_s: float = 0.0, callback: Callback | None = None) -> int:
        """End everything: SIGTERM and after `grace_s` SIGKILL, or SIGKILL at once. Answered by `ShutDown`."""
        self._asked_to_end = True
        return self._request("shutdown", callback, grace_s=grace_s)

    def ask(self, answer_type: type[AnswerT], method: Callable[..., int], *args: Any, timeout_s: float = 10.0) -> AnswerT:
        """Call one of the methods above and wait for its answer; for the command line and tests, never on an actor's thread.

        Raises `ProcessDaemonError` if the answer is of another type or doesn't come in time.
        """
        future: Future[ProcessAnswer] = Future()
        method(*args, callback=future.set_result)
        try:
            answer = future.result(timeout_s)
        except FutureTimeoutError as error:
            raise ProcessDaemonError(f"the process daemon (pid {self.hello.pid}) did not answer within {timeout_s} s") from error
        if isinstance(answer, answer_type):
            return answer
        raise ProcessDaemonError(getattr(answer, "message", f"unexpected answer {answer}"))

    def list_now(self, node: str = "", timeout_s: float = 10.0) -> Listed:
        """`list`, waiting for the answer."""
        return self.ask(Listed, self.list, node, timeout_s=timeout_s)

    def usage_now(self, container_ids: Sequence[str], timeout_s: float = 10.0) -> dict[str, ContainerSample]:
        """`usage`, waiting for the answer: samples by container."""
        return {one.container_id: one for one in self.ask(UsageMeasured, self.usage, container_ids, timeout_s=timeout_s).samples}

    def stop(self, grace_s: float = 0.0, timeout_s: float = GONE_LIMIT_S) -> tuple[str, ...]:
        """`shutdown`, and wait until the daemon's process is gone. Returns the ids of the containers that ran.

        Raises `ProcessDaemonError` if it isn't gone in time. Calling it twice is allowed.
        """
        with self._lock:
            self._closing.set()
            ended = self._ended
        if ended:
            self._thread.join()  # it may have been about to start another one
            self._remove_private_folder()
            return ()
        answer = self.ask(ShutDown, lambda callback: self.shutdown(grace_s, callback), timeout_s=grace_s + timeout_s)
        self._thread.join(timeout_s)
        self._wait_gone(timeout_s)
        return answer.stopped

    def disconnect(self) -> None:
        """Close the connection; a durable daemon goes on, an ephemeral one ends with its containers (this waits for it)."""
        self._asked_to_end = True
        with self._lock:
            self._closing.set()
            self._ended = self._ended or "the connection to the process daemon is closed"
        self._wake()
        self._thread.join()
        if not self.hello.durable:
            self._wait_gone(GONE_LIMIT_S)
            self._remove_private_folder()
        elif self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _wait_gone(self, timeout_s: float) -> None:
        """Wait for the end of the daemon's process, and so of all that the kernel takes along, and of what made its namespaces. Raises
        `ProcessDaemonError`."""
        if self._process is None or self._process.pid != self.hello.pid:
            launch.wait_gone(self._pidfd, self.hello.pid, None, timeout_s)
        if self._process is not None:
            launch.wait_gone(None, self.hello.pid, self._process, timeout_s)
        launch.wait_for_janitor(self._janitor)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    # The reader thread, and what callers share with it

    def _request(self, op: str, callback: Callback | None, **fields: Any) -> int:
        with self._lock:
            self._last_id += 1
            number = self._last_id
            frame = pack({"id": number, "op": op, **fields})
            refused = self._ended
            if not refused:
                self._waiting[number] = callback
                self._outgoing.append(frame)
        if refused:
            self._hand_over(callback, RequestFailed(number, refused))
        else:
            self._wake()
        return number

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # full: it will wake anyway; closed: the thread has ended
            self._wake_writer.send(b"w")

    def _run(self) -> None:
        try:
            while True:
                why = self._serve()
                if not self._end(why):
                    return
        finally:
            self._wake_reader.close()
            self._wake_writer.close()

    def _serve(self) -> str:
        """Talk to the daemon until that is over; why it is."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._sock, selectors.EVENT_READ)
                selector.register(self._wake_reader, selectors.EVENT_READ)
                self._take(self._bodies)
                unsent = b""
                while not self._ended:
                    unsent = self._write(unsent)
                    selector.modify(self._sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0))
                    for key, events in selector.select():
                        if key.fileobj is self._wake_reader:
                            self._wake_reader.recv(4096)
                        elif events & selectors.EVENT_READ and not self._read():
                            raise ConnectionResetError("it closed the connection")
        except (OSError, BrokenFrame, msgspec.MsgspecError) as error:
            return f"the process daemon (pid {self.hello.pid}) is gone: {error}"
        return "the connection to the process daemon is closed"

    def _write(self, unsent: bytes) -> bytes:
        while True:
            if not unsent:
                with self._lock:
                    if not self._outgoing:
                        return b""
                    unsent = b"".join(self._outgoing)
                    self._outgoing.clear()
            try:
                unsent = unsent[self._sock.send(unsent) :]
            except BlockingIOError:
                return unsent

    def _read(self) -> bool:
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        self._take(self._frames.feed(data))
        return bool(data)

    def _take(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            message = _decoder.decode(body)
            callback = None
            if isinstance(message, ProcessAnswer):
                with self._lock:
                    callback = self._waiting.pop(message.id, None)
            if isinstance(message, ShutDown):
                self._asked_to_end = True
            self._hand_over(callback, message)

    def _hand_over(self, callback: Callback | None, message: Any) -> None:
        try:
            (callback or self._emit)(message)
        except Exception:  # the receiver's fault must not end the thread that every other receiver lives on
            _log.exception("a receiver of process messages failed", message=type(message).__name__)

    def _end(self, why: str) -> bool:
        """Tell everybody who waits; returns whether there is another daemon to talk to."""
        lost = not self._asked_to_end
        with self._lock:
            self._ended = self._ended or why
            waiting, self._waiting = self._waiting, {}
            self._outgoing.clear()
        self._sock.close()
        if lost:
            why = self._clear_up_after_loss(why)
        for number, callback in waiting.items():
            self._hand_over(callback, RequestFailed(number, why))
        if not lost:
            return False
        early = time.monotonic() < self._since_s + STABLE_S
        another = self._another() if self._revive and not early else None
        self._hand_over(None, DaemonLost(why))  # before anything is asked of another one: all that was told to run is gone
        pause_s = REVIVE_PAUSE_S
        while self._revive and another is None and not self._closing.wait(pause_s):
            another = self._another()
            pause_s = min(pause_s * 2, REVIVE_PAUSE_LIMIT_S)
        return another is not None and self._begin_again(another)

    def _another(self) -> launch.Connected | None:
        """A daemon in the place of the one that was lost; None if there can't be one now."""
        folder = self.hello.state_dir
        try:
            if self.hello.durable:
                return launch.connect(folder, REVIVE_TIMEOUT_S, self.level) or launch.start(folder, REVIVE_TIMEOUT_S, level=self.level)
            return launch.start(folder, REVIVE_TIMEOUT_S, again=True, level=self.level)
        except ProcessDaemonError as problem:
            _log.error("no process daemon could be started in the place of the one that was lost", problem=str(problem))
            return None

    def _begin_again(self, another: launch.Connected) -> bool:
        with self._lock:
            if not self._closing.is_set():
                self._take_over(another)
                self._ended = ""
                _log.info("another process daemon is there", pid=self.hello.pid)
                return True
        another.sock.close()  # an ephemeral one ends of that; a durable one is found again by who looks for it
        if another.process is not None and not another.hello.durable:
            another.process.wait()
            launch.wait_for_janitor(another.janitor)
        return False

    def _clear_up_after_loss(self, why: str) -> str:
        """The kernel has killed the containers' main processes; kill what these had started, and remove a temporary folder."""
        with contextlib.suppress(ProcessDaemonError):  # if it hangs in the kernel, that can't be helped from here
            self._wait_gone(GONE_LIMIT_S)
        killed = kill_cluster_leftovers(self.hello.cluster_id)
        tail = _tail(self.state_dir / LOG_NAME)
        _log.error("process daemon lost", pid=self.hello.pid, leftovers_killed=len(killed), log_tail=tail)
        if not self._revive:
            self._remove_private_folder()
        return f"{why}; its containers have been killed" + (f"; last words in its log: {tail}" if tail else "")

    def _remove_private_folder(self) -> None:
        if not self.hello.durable:
            remove_state_folder(self.hello.state_dir, self.level)


def _tail(path: Path, limit_bytes: int = 2000) -> str:
    try:
        return path.read_bytes()[-limit_bytes:].decode(errors="replace").strip()
    except OSError:
        return ""
