"""What can be asked of running real containers: probes, commands, their output. The base of `ProcessRuntime`.

Nothing here blocks: files and connections are the workers' business, commands the process daemon's. A command that is a probe or a hook
goes the same way as one that somebody asked for.
"""

from __future__ import annotations

from callboard.actors.component import handles
from callboard.models.messages.base import Message
from callboard.models.messages.runtime import CommandDone, ProbeContainer, Probed, ReadLog, RunCommand
from callboard.runtime.containers import process_work as work
from callboard.runtime.containers.process_node import ProcessNode
from callboard.runtime.containers.process_pods import Container
from callboard.runtime.containers.process_state import parse_container_id
from callboard.runtime.process.protocol import CommandEnded, ProcessAnswer
from callboard.runtime.process.wire import BrokenFrame

OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024
"""Kept of each output stream of a command; a frame of the daemon holds both."""
PROBE_OUTPUT_BYTES = 10 * 1024
"""Kept of what an exec probe says (maxProbeMessageLength, pkg/probe/exec)."""
NO_TIMES = (
    "the output of real processes goes straight into a file, without times: it can't be shown with timestamps or since a moment; "
    "leave these out, or let the program write its own"
)


class CommandAnswered(Message, frozen=True, gc=False):
    """The daemon has carried a command out, or could not."""

    request: RunCommand | ProbeContainer
    answer: ProcessAnswer


class ProcessInside(ProcessNode):
    """See `ProcessRuntime`."""

    def _running_container(self, pod_uid: str, container_id: str) -> Container | None:
        sandbox = self.sandboxes.get(pod_uid)
        container = sandbox.by_id(container_id) if sandbox is not None else None
        return container if container is not None and container.state == "running" else None

    # -- probes ---------------------------------------------------------------------------------------------------------------------

    @handles(ProbeContainer)
    def _probe(self, request: ProbeContainer) -> None:
        if self._too_early(request):
            return
        problem = ""
        if self._running_container(request.pod_uid, request.container_id) is None:
            problem = f"container {request.name} does not run"
        elif self._probes >= work.PROBES_LIMIT:
            problem = f"{self._probes} probes wait on this node already"
        if problem:
            self.port.send(request.reply_to, Probed(request.id, False, problem))
            return
        self._probes += 1
        if request.probe.exec is not None:
            self._execute(request, request.probe.exec.command, b"", PROBE_OUTPUT_BYTES)
        else:
            place, node = self.place, self.node
            self._workers.probe(lambda: work.probe(place, node, request), self._tell)

    @handles(work.ProbeEnded)
    def _probed(self, ended: work.ProbeEnded) -> None:
        self._probes -= 1
        self.port.send(ended.reply_to, ended.answer)

    # -- commands -------------------------------------------------------------------------------------------------------------------

    @handles(RunCommand)
    def _run_command(self, request: RunCommand) -> None:
        if self._too_early(request) or self._commands.again(request):
            return
        if self._running_container(request.pod_uid, request.container_id) is None:
            self.port.send(request.reply_to, CommandDone(request.id, problem=f'container not found ("{request.name}")'))
        else:
            self._execute(request, request.command, request.stdin, OUTPUT_LIMIT_BYTES)

    def _execute(self, request: RunCommand | ProbeContainer, command: tuple[str, ...], stdin: bytes, limit_bytes: int) -> None:
        tell = self._tell

        def answered(answer: ProcessAnswer) -> None:
            tell(CommandAnswered(request, answer))

        patient = isinstance(request, ProbeContainer)
        try:
            self._daemon.execute(request.container_id, command, stdin, request.timeout_s, limit_bytes, answered, patient=patient)
        except BrokenFrame as error:
            self._command_failed(request, f"the command and its input are too large: {error}")
        except (UnicodeEncodeError, OverflowError) as error:  # half a character, a number beyond 64 bits
            self._command_failed(request, f"the command can't be carried out: {error}")

    @handles(CommandAnswered)
    def _command_answered(self, message: CommandAnswered) -> None:
        request, ended = message.request, message.answer
        if not isinstance(ended, CommandEnded):
            self._command_failed(request, getattr(ended, "message", repr(ended)))
        elif isinstance(request, RunCommand):
            done = CommandDone(request.id, ended.exit_code, ended.stdout, ended.stderr, ended.truncated, ended.timed_out)
            self.port.send(request.reply_to, done)
        else:
            self._probes -= 1
            said = (ended.stdout + ended.stderr)[:PROBE_OUTPUT_BYTES].decode(errors="replace")
            if ended.timed_out:
                said = f'command "{" ".join(request.probe.exec.command)}" timed out after {request.timeout_s:g} s'
            self.port.send(request.reply_to, Probed(request.id, ended.exit_code == 0 and not ended.timed_out, said))

    def _command_failed(self, request: RunCommand | ProbeContainer, problem: str) -> None:
        if isinstance(request, RunCommand):
            self.port.send(request.reply_to, CommandDone(request.id, problem=problem))
        else:
            self._probes -= 1
            self.port.send(request.reply_to, Probed(request.id, False, problem))

    # -- output ---------------------------------------------------------------------------------------------------------------------

    @handles(ReadLog)
    def _read_log(self, request: ReadLog) -> None:
        if self._too_early(request):
            return
        sandbox = self.sandboxes.get(request.pod_uid)
        newest = sandbox.containers.get(request.name) if sandbox is not None else None
        parsed = parse_container_id(request.container_id or (newest.id if newest is not None else ""))
        if newest is None or parsed is None or parsed[:2] != (request.pod_uid, request.name):
            self._refuse(request, request.pod_uid, "NotFound", f"container {request.name} of pod {request.pod_uid} is not here")
        elif request.timestamps or request.since_s > 0:
            self._refuse(request, request.pod_uid, "Unsupported", NO_TIMES)
        else:
            attempt = parsed[2]
            ended = attempt != newest.attempt or newest.state == "exited"
            home = self._home
            self._workers.probe(lambda: work.read_log(home, request, attempt, ended), self._tell)

    @handles(work.PieceRead)
    def _piece_read(self, result: work.PieceRead) -> None:
        self.port.send(result.reply_to, result.answer)
