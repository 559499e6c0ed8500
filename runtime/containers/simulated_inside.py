"""What can be asked of a running simulated container: probes, commands, its log. The base of `SimulatedRuntime`."""

from __future__ import annotations

import traceback

from callboard.actors.component import Component, Port, handles
from callboard.actors.heard import Heard
from callboard.models.base import FrozenMap
from callboard.models.behaviour import DEFAULT_STATUS, USER_FAILURES, CommandResult, ContainerCommand, ContainerResponse
from callboard.models.messages.base import Request
from callboard.models.messages.runtime import CommandDone, LogRead, ProbeContainer, Probed, ReadLog, RunCommand, ServeRequest
from callboard.runtime.containers.simulated_log import SimulatedLog
from callboard.runtime.containers.simulated_pods import Container, Sandbox

GRPC_CHECK = "/grpc.health.v1.Health/Check"
NOTHING = SimulatedLog()
"""Of a life that has written nothing."""


class SimulatedInside(Component):
    """See `SimulatedRuntime`."""

    sandboxes: dict[str, Sandbox]

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self._commands = Heard()

    def _refuse(self, request: Request, uid: str, reason: str, message: str) -> None:
        raise NotImplementedError

    def _answer(self, sandbox: Sandbox, container: Container, request: ServeRequest) -> ContainerResponse | None:
        raise NotImplementedError

    # -- probes ---------------------------------------------------------------------------------------------------------------------

    @handles(ProbeContainer)
    def _probe(self, request: ProbeContainer) -> None:
        sandbox = self.sandboxes.get(request.pod_uid)
        container = sandbox.by_id(request.container_id) if sandbox is not None else None
        if sandbox is None or container is None or container.state != "running":
            outcome = Probed(request.id, False, "container not running")
        elif request.purpose == "readiness" and not container.ready:
            outcome = Probed(request.id, False, "not ready yet")
        elif request.probe.exec is not None and container.behaviour.exec is not None:
            outcome = self._probe_exec(sandbox, container, request)
        elif container.behaviour.serve is not None and (request.probe.http_get is not None or request.probe.grpc is not None):
            outcome = self._probe_served(sandbox, container, request)
        elif request.probe.grpc is not None and not container.listens_on(request.port):
            outcome = Probed(request.id, False, f"connection error: dial tcp {sandbox.ip}:{request.port}: connect: connection refused")
        else:
            outcome = Probed(request.id, True)
        self.port.send(request.reply_to, outcome)

    def _probe_served(self, sandbox: Sandbox, container: Container, request: ProbeContainer) -> Probed:
        """Ask what the container's `serve` says: to the HTTP request itself, or to the gRPC health protocol's with the service as body."""
        http, grpc = request.probe.http_get, request.probe.grpc
        if http is not None:
            headers = tuple((header.name, header.value) for header in http.http_headers)
            method, path, body = "GET", http.path or "/", b""
        else:
            headers = (("Content-Type", "application/grpc"),)
            method, path, body = "POST", GRPC_CHECK, (grpc.service or "").encode()
        asked = ServeRequest(request.id, request.reply_to, sandbox.ip, request.port, method, path, headers, body)
        response = self._answer(sandbox, container, asked)
        if response is None:
            return Probed(request.id, False, "EOF")
        if DEFAULT_STATUS <= response.status < 400:
            return Probed(request.id, True)
        if http is None:
            return Probed(request.id, False, 'service unhealthy (responded with "NOT_SERVING")')
        return Probed(request.id, False, f"HTTP probe failed with statuscode: {response.status}")

    def _probe_exec(self, sandbox: Sandbox, container: Container, request: ProbeContainer) -> Probed:
        done = run(sandbox, container, request.probe.exec.command, b"")
        return Probed(request.id, done.exit_code == 0, (done.stdout + done.stderr).decode(errors="replace"))

    # -- commands -------------------------------------------------------------------------------------------------------------------

    @handles(RunCommand)
    def _run_command(self, request: RunCommand) -> None:
        if self._commands.again(request):
            return
        sandbox = self.sandboxes.get(request.pod_uid)
        container = sandbox.by_id(request.container_id) if sandbox is not None else None
        if sandbox is None or container is None or container.state != "running":
            self.port.send(request.reply_to, CommandDone(request.id, problem=f'container not found ("{request.name}")'))
            return
        done = run(sandbox, container, request.command, request.stdin)
        self.port.send(request.reply_to, CommandDone(request.id, done.exit_code, done.stdout, done.stderr))

    # -- logs -----------------------------------------------------------------------------------------------------------------------

    @handles(ReadLog)
    def _read_log(self, request: ReadLog) -> None:
        sandbox = self.sandboxes.get(request.pod_uid)
        container = sandbox.containers.get(request.name) if sandbox is not None else None
        if container is None:
            self._refuse(request, request.pod_uid, "NotFound", f"container {request.name} of pod {request.pod_uid} is not here")
            return
        identity = request.container_id or container.id
        if identity == container.id:
            log, ended = container.log, container.state == "exited"
        elif identity == container.previous_id:
            log, ended = container.previous_log, True
        else:
            self._refuse(request, request.pod_uid, "NotFound", f"the log of container {identity} is not kept any more")
            return
        log = log or NOTHING
        content = log.read(request.offset, request.tail_lines, request.since_s, request.timestamps)
        self.port.send(request.reply_to, LogRead(request.id, content, log.end, log.end, ended, identity))


def run(sandbox: Sandbox, container: Container, command: tuple[str, ...], stdin: bytes) -> CommandResult:
    """What a command in a container comes to. One whose function raises is a command that fails; the container goes on."""
    meta = sandbox.pod.metadata
    asked = ContainerCommand(command, stdin, meta.name, meta.namespace, container.name, FrozenMap(container.env))
    try:
        return container.behaviour.run(asked)
    except USER_FAILURES:  # whatever a user's function raises is its command's end, never ours
        return CommandResult(1, b"", traceback.format_exc().encode())
