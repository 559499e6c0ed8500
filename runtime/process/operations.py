"""What the process daemon can be asked for: each request a map, each answer maps for the connection that asked.

Used by `daemon.py` only. A request that makes no sense is answered, never a reason for the daemon to fail.
"""

from __future__ import annotations

import signal
import time

from callboard.runtime.process.commands import Commands, NoContainer, TooManyCommands
from callboard.runtime.process.container import Container, StartFailure
from callboard.runtime.process.containers import Containers
from callboard.runtime.process.measuring import Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from callboard.runtime.process.commands import Reply
    from callboard.runtime.process.helpers import Helpers


class Operations:
    """Carries out requests on the containers; `closing` once the daemon is to end."""

    def __init__(self, containers: Containers, commands: Commands, helpers: Helpers, meter: Meter) -> None:
        self._containers = containers
        self._meter = meter
        self._helpers = helpers
        self._commands = commands
        self._later: Reply | None = None
        self.closing = False
        self.kill_at_s: float | None = None
        self._farewell_id = 0
        self._stopped: list[str] = []

    def answer(self, request: dict[str, Any], later: Reply) -> list[dict[str, Any]]:
        """Do what is asked. Returns the answers that can be given now; others are given to `later`."""
        self._later = later
        operation = getattr(self, f"_do_{request.get('op')}", None)
        number = request.get("id", 0)
        if operation is None:
            return [_failed(number, f"the process daemon knows no operation {request.get('op')!r}")]
        if self.closing and request["op"] in ("start", "start_helper", "exec", "shutdown"):
            return [_failed(number, "the process daemon is shutting down")]
        fields = {key: value for key, value in request.items() if key not in ("id", "op")}
        try:
            answer: dict[str, Any] | None = operation(number, **fields)
        except (TypeError, ValueError, OSError) as error:
            return [_failed(number, f"{request['op']}: {error}")]
        return [] if answer is None else [answer]

    def close(self, grace_s: float) -> None:
        """Begin to end: SIGTERM to every container now and SIGKILL after `grace_s`, or SIGKILL at once if that is 0."""
        deadline_s = time.monotonic() + grace_s
        self.kill_at_s = deadline_s if self.kill_at_s is None else min(self.kill_at_s, deadline_s)
        if not self.closing:
            self.closing = True
            self._stopped = [container.id for container in self._containers.running()]
        if grace_s > 0:
            for container in self._containers.running():
                self._containers.send_signal(container, signal.SIGTERM)

    def farewell(self) -> dict[str, Any]:
        """The answer to `shutdown`: what was stopped."""
        return {"type": "ShutDown", "id": self._farewell_id, "stopped": self._stopped}

    def _do_start(
        self,
        number: int,
        container_id: str,
        node: str,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        log_path: str,
        user: list[int] | None = None,
        confinement: dict[str, Any] | None = None,
        limits: dict[str, int] | None = None,
    ) -> dict[str, Any] | None:
        later = self._later
        assert later is not None

        def settled(container: Container) -> None:
            failure = container.sandbox.failure if container.sandbox is not None else ""
            told = later(
                _not_started(number, container_id, node, "CreateContainerError", failure) if failure else _started(number, container)
            )
            if not told and not failure:
                self._containers.abandon(container)

        try:
            container = self._containers.start(container_id, node, argv, env, cwd, log_path, user, confinement, limits, settled)
        except StartFailure as failure:
            return _not_started(number, container_id, node, failure.reason, str(failure))
        return _started(number, container) if container.sandbox is None else None

    def _do_start_helper(self, number: int, name: str, module: str, arguments: list[str]) -> dict[str, Any]:
        return {"type": "HelperStarted", "id": number, "name": name, "pid": self._helpers.start(name, module, arguments)}

    def _do_exec(
        self, number: int, container_id: str, argv: list[str], stdin: bytes, timeout_s: float, limit: int, patient: bool
    ) -> dict[str, Any] | None:
        assert self._later is not None
        try:
            return self._commands.start(number, container_id, argv, stdin, timeout_s, limit, patient, self._later)
        except (TooManyCommands, NoContainer) as refusal:
            return _failed(number, str(refusal))

    def _do_signal(self, number: int, container_id: str, signum: int) -> dict[str, Any]:
        container = self._containers.get(container_id)
        if container is None:
            return _failed(number, f"there is no container {container_id!r}")
        return _about("Signalled", number, container, signum=signum, delivered=self._containers.send_signal(container, signum))

    def _do_kill_node(self, number: int, node: str) -> dict[str, Any]:
        killed = [c.id for c in self._containers.of_node(node) if node and self._containers.send_signal(c, signal.SIGKILL)]
        return {"type": "NodeKilled", "id": number, "node": node, "container_ids": killed}

    def _do_list(self, number: int, node: str) -> dict[str, Any]:
        records = [container.record() for container in self._containers.of_node(node)]
        return {"type": "Listed", "id": number, "node": node, "containers": records}

    def _do_usage(self, number: int, container_ids: list[str]) -> dict[str, Any]:
        return {"type": "UsageMeasured", "id": number, "samples": self._meter.read(container_ids)}

    def _do_forget(self, number: int, container_id: str) -> dict[str, Any]:
        container = self._containers.get(container_id)
        if container is None:
            return {"type": "Forgotten", "id": number, "container_id": container_id, "node": ""}
        if container.state != "exited":
            return _failed(number, f"container {container_id!r} still runs; end it before it is forgotten")
        self._containers.forget(container)
        return _about("Forgotten", number, container)

    def _do_shutdown(self, number: int, grace_s: float) -> None:
        self._farewell_id = number
        self.close(grace_s)


def _started(number: int, container: Container) -> dict[str, Any]:
    return _about("Started", number, container, pid=container.app_pid, started_at_s=container.started_at_s)


def _not_started(number: int, container_id: str, node: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": "StartFailed", "id": number, "container_id": container_id, "node": node, "reason": reason, "message": message}


def _about(kind: str, number: int, container: Container, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": number, "container_id": container.id, "node": container.node, **fields}


def _failed(number: int, message: str) -> dict[str, Any]:
    return {"type": "RequestFailed", "id": number, "message": message}
