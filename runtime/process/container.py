"""One container as the process daemon knows it. Used inside the daemon only."""

from __future__ import annotations

import subprocess
import time

from callboard.runtime.process.sandboxes import Sandbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class StartFailure(Exception):
    """A container could not be started. `reason` is one of Kubernetes' words, the text says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Container:
    """One container: a main process, its session, and after its end how it ended."""

    __slots__ = (
        "cwd",
        "env",
        "exit_code",
        "finished_at_s",
        "give_up_at_s",
        "gone",
        "id",
        "log_path",
        "node",
        "oom_killed",
        "pid",
        "process",
        "sandbox",
        "sent",
        "signal",
        "started_at_s",
        "state",
        "unwanted",
        "user",
    )

    def __init__(
        self,
        container_id: str,
        node: str,
        process: subprocess.Popen[bytes],
        log_path: str,
        env: dict[str, str],
        cwd: str,
        user: list[int] | None,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.id = container_id
        self.node = node
        self.process = process
        self.pid = process.pid
        self.sandbox = sandbox
        self.sent: set[int] = set()  # signals
        self.unwanted = False  # it could not be started, or whoever wanted it went meanwhile: nobody asks for its end
        self.gone: Callable[[Container], object] = lambda _container: None
        self.log_path = log_path
        self.env = env
        self.cwd = cwd
        self.user = user
        self.started_at_s = time.time()
        self.state = "running"  # then "ending": its main process has ended, what it left is being killed; then "exited"
        self.exit_code = 0
        self.oom_killed = False
        self.signal = 0
        self.finished_at_s = 0.0
        self.give_up_at_s = 0.0

    @property
    def app_pid(self) -> int:
        """Process id of the container's program."""
        return (self.sandbox.app_pid if self.sandbox is not None else 0) or self.pid

    @property
    def settled(self) -> bool:
        """Whether its program has been executed."""
        return self.sandbox is None or self.sandbox.settled

    def record(self) -> dict[str, Any]:
        """What the driver may know: the fields of `protocol.ContainerRecord`."""
        return {
            "container_id": self.id,
            "node": self.node,
            "pid": self.app_pid,
            "log_path": self.log_path,
            "started_at_s": self.started_at_s,
            "running": self.state != "exited",
            "exit_code": self.exit_code,
            "signal": self.signal,
            "finished_at_s": self.finished_at_s,
            "oom_killed": self.oom_killed,
        }
