"""What a process container runtime knows without being asked: what runs on its node when it starts, and what has ended.

The base of `ProcessRuntime`. When it starts it asks the daemon and the disk what is here; until it knows, requests and facts wait.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from callboard.actors.component import Port, handles
from callboard.actors.heard import Heard
from callboard.models.messages.base import Address, Message, Request
from callboard.models.messages.runtime import (
    ContainerExited,
    ListSandboxes,
    RuntimeRefused,
    RuntimeStarted,
    SandboxesListed,
    SandboxRemoved,
)
from callboard.runtime.containers import process_work as work
from callboard.runtime.containers.process_network import ProcessNetwork
from callboard.runtime.containers.process_place import Place
from callboard.runtime.containers.process_pods import Container, Sandbox
from callboard.runtime.containers.process_state import Home, exited_of, lost, parse_container_id
from callboard.runtime.process.protocol import DaemonLost, Exited, HelperEnded, NodeKilled, ProcessAnswer, RequestFailed, ShutDown

Post = Callable[[Address, Message], None]
STRANGERS_LIMIT_S = 5.0
"""A runtime that starts waits so long for the end of containers that belong to no sandbox; then it goes to work all the same."""


class KillContainer(Message, frozen=True, gc=False):
    """Timer: a container's grace is over."""

    uid: str
    container_id: str


class StrangersExpired(Message, frozen=True, gc=False):
    """Timer: don't wait any longer for containers that belong to no sandbox."""


class DaemonRefused(Message, frozen=True, gc=False):
    """The daemon could not do something that nobody waits for."""

    message: str


class ProcessNode(ProcessNetwork):
    """The pods of one node as real processes.

    `node_index` counts from 0 and chooses the node's addresses; `place` is shared by all runtimes of a cluster; `post` brings messages in
    from the threads of daemon and workers; `workers` may be shared too, and then are closed by whoever made them.
    """

    def __init__(
        self,
        port: Port,
        place: Place,
        node: str,
        node_index: int,
        post: Post,
        workers: work.Workers | None = None,
    ) -> None:
        super().__init__(port)
        self.node = node
        self.kubelet: Address = f"kubelet/{node}"
        self.index = node_index
        self.place = place
        self.addresses = place.addresses(node_index)
        self.sandboxes: dict[str, Sandbox] = {}
        self._daemon = place.daemon
        self._home = Home(place.state_dir, node)
        self._own_workers = workers is None
        self._workers = workers or work.Workers()
        self._found_out = False
        self._facts: list[Exited | DaemonLost | ShutDown] = []  # what came before it was known what is here
        self._early: list[Request] | None = []  # requests that came before it could be served; None afterwards
        self._strangers: dict[str, None] = {}
        self._probes = 0
        self._commands = Heard()
        me = port.me
        self._tell: Callable[[Message], None] = lambda message: post(me, message)

    def on_start(self) -> None:
        """Find out what runs here."""
        place, node, now_s = self.place, self.node, self.port.now()
        self._in_lane("", lambda: work.find_node(place, node, now_s))

    def on_stop(self) -> None:
        """Containers go on; only the workers end."""
        if self._own_workers:
            self._workers.close()

    # -- who is here ----------------------------------------------------------------------------------------------------------------

    @handles(work.NodeFound)
    def _found(self, found: work.NodeFound) -> None:
        if found.problem:
            self.port.log.error("what runs here is not known", reason=found.problem)
        self._home = found.home
        for adopted in found.adopted:
            sandbox = self.sandboxes[adopted.note.uid] = Sandbox.of(adopted)
            for container in sandbox.containers.values():
                if container.state == "running" and container.kill_at_s:
                    self._kill_later(container, max(container.kill_at_s - self.port.now(), 0.0))
        self.addresses.claim(sandbox.ip for sandbox in self.sandboxes.values())
        for stranger in found.strangers:
            if stranger.running:
                self._strangers[stranger.container_id] = None
                self._signal(stranger.container_id, signal.SIGKILL)
            else:
                self._forget(stranger.container_id)
        if found.adopted or found.strangers:
            self.port.log.info("found again", sandboxes=len(found.adopted), strangers=len(found.strangers))
        for uid in found.strange_networks:
            self._disconnect(uid)
        self._found_out = True
        facts, self._facts = self._facts, []
        for fact in facts:
            self.on_receive(fact)
        self._connect_node()

    def _node_connected(self) -> None:
        """The node has its network, if it is to have one: go to work as soon as no stranger is in the way."""
        if self._strangers:
            self.port.after(STRANGERS_LIMIT_S, StrangersExpired())
        else:
            self._open()

    @handles(StrangersExpired)
    def _strangers_expired(self, _timer: StrangersExpired) -> None:
        if self._early is not None:
            self._open()

    def _open(self) -> None:
        """Handle the requests that have come so far, and from now on every one at once; a kubelet may have missed what ended meanwhile."""
        self.port.send(self.kubelet, RuntimeStarted(self.node))
        early, self._early = self._early or (), None
        for request in early:
            self.on_receive(request)

    def _too_early(self, request: Request) -> bool:
        if self._early is None:
            return False
        self._early.append(request)  # bounded by what a kubelet asks before it has its first answer
        return True

    @handles(ListSandboxes)
    def _list(self, request: ListSandboxes) -> None:
        if self._too_early(request):
            return
        states = tuple(sandbox.reported(self.addresses.host) for sandbox in self.sandboxes.values() if sandbox.made and not sandbox.failed)
        self.port.send(request.reply_to, SandboxesListed(request.id, states, self.addresses.host, self._daemon.problem))

    # -- what ends ------------------------------------------------------------------------------------------------------------------

    @handles(Exited)
    def _exited(self, exited: Exited) -> None:
        if not self._found_out:
            self._facts.append(exited)
            return
        parsed = parse_container_id(exited.container_id)
        sandbox = self.sandboxes.get(parsed[0]) if parsed is not None else None
        container = sandbox.by_id(exited.container_id) if sandbox is not None else None
        if sandbox is not None and container is not None:
            if container.exited is None:  # else it had ended when it was found
                self._note_end(sandbox, container, exited_of(exited))
            return
        self._forget(exited.container_id)
        if exited.container_id in self._strangers:
            del self._strangers[exited.container_id]
            if not self._strangers and self._early is not None and self._connected:
                self._open()

    @handles(DaemonLost, ShutDown)
    def _daemon_gone(self, message: DaemonLost | ShutDown) -> None:
        """All containers are gone with the daemon; those that it has not told of are told now."""
        if not self._found_out:
            self._facts.append(message)
            return
        why = message.message if isinstance(message, DaemonLost) else "the process daemon was told to end"
        self.port.log.error("no container runs any more", reason=why)
        now_s = self.port.now()
        running = [(s, c) for s in self.sandboxes.values() for c in s.containers.values() if c.state == "running"]
        for sandbox, container in running:
            self._note_end(sandbox, container, lost(sandbox.uid, container.name, container.id, now_s, container.started_at_s))
        if self._early is None:
            self.port.send(self.kubelet, RuntimeStarted(self.node))  # it asks, and finds out whether anything can be started

    @handles(NodeKilled)
    def _node_killed(self, message: NodeKilled) -> None:
        self.port.log.info("all containers were killed", containers=len(message.container_ids))  # each is told as `Exited` by itself

    @handles(HelperEnded)
    def _helper_ended(self, _message: HelperEnded) -> None:
        """Whoever talks to a helper starts it again; what it has made belongs to the cell and stays."""

    def _note_end(self, sandbox: Sandbox, container: Container, how: ContainerExited) -> None:
        container.ended(how)
        self.port.send(self.kubelet, how)
        self._go_on_removing(sandbox)

    def _go_on_removing(self, sandbox: Sandbox) -> None:
        """Remove the folder, if it is to go, as soon as nothing runs that could write into it."""
        if (sandbox.failed or sandbox.removals) and sandbox.at_rest() and not sandbox.dropping:
            sandbox.dropping = True
            if sandbox.host_ports and self.place.host_ports is not None:
                self._set_host_ports(sandbox, ())
            else:
                self._host_ports_closed(sandbox)

    def _host_ports_closed(self, sandbox: Sandbox) -> None:
        uid, home, place = sandbox.uid, self._home, self.place
        if not sandbox.on_host:
            self._disconnect(uid)
        self._in_lane(uid, lambda: work.remove_folder(place, home, uid))

    @handles(work.FolderRemoved)
    def _removed(self, result: work.FolderRemoved) -> None:
        sandbox = self.sandboxes[result.uid]
        removals, sandbox.removals, sandbox.dropping = sandbox.removals, [], False
        if result.problem:
            self.port.log.warning("a pod's folder can't be removed", pod_uid=result.uid, reason=result.problem)
            for request in removals:
                self._refuse(request, result.uid, "KillPodSandboxError", result.problem)
            return
        del self.sandboxes[result.uid]
        self.addresses.release(sandbox.ip)
        for container in sandbox.containers.values():
            self._forget(container.id)
        for request in removals:
            self.port.send(request.reply_to, SandboxRemoved(request.id, result.uid))

    def _kill_later(self, container: Container, delay_s: float) -> None:
        container.cancel_timer()
        container.timer = self.port.after(delay_s, KillContainer(container.uid, container.id))

    @handles(KillContainer)
    def _kill(self, timer: KillContainer) -> None:
        sandbox = self.sandboxes.get(timer.uid)
        container = sandbox.by_id(timer.container_id) if sandbox is not None else None
        if container is not None and container.state == "running":
            self._signal(container.id, signal.SIGKILL)

    # -- helpers --------------------------------------------------------------------------------------------------------------------

    def _in_lane(self, key: str, doing: Callable[[], Message]) -> None:
        self._workers.in_lane(key or self.node, doing, self._tell)

    @handles(work.WorkFailed)
    def _work_failed(self, message: work.WorkFailed) -> None:
        raise RuntimeError(f"a worker of {self.port.name} failed:\n{message.traceback}")

    def _store(self, sandbox: Sandbox) -> None:
        note, home = sandbox.note(), self._home
        self._in_lane(sandbox.uid, lambda: work.note_sandbox(home, note))

    def _signal(self, identity: str, signum: int) -> None:
        self._daemon.signal(identity, signum, self._unless_refused)

    def _forget(self, identity: str) -> None:
        self._daemon.forget(identity, self._unless_refused)

    def _unless_refused(self, answer: ProcessAnswer) -> None:
        """On the daemon's reader thread: what nobody waits for is only told if it failed."""
        if isinstance(answer, RequestFailed):
            self._tell(DaemonRefused(answer.message))

    @handles(DaemonRefused)
    def _daemon_refused(self, message: DaemonRefused) -> None:
        self.port.log.warning("the process daemon refused", reason=message.message)

    def _refuse(self, request: Request, uid: str, reason: str, message: str) -> None:
        self.port.send(request.reply_to, RuntimeRefused(request.id, uid, reason, message))
