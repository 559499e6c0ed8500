"""The networks of a node and its pods, where they have some of their own: levels A and B. A base of `ProcessRuntime`.

The network driver answers on a thread of its own, so its answers come back as messages. It keeps what is there already, so everything is
simply asked for again: after a restart of the runtime, and before every start of a container, since networks go with a cell that is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from callboard.actors.component import Component, handles
from callboard.models.messages.base import Message
from callboard.runtime.containers.process_hostports import HostPort, HostPortsAdopted, HostPortsKept
from callboard.runtime.containers.process_place import Place
from callboard.runtime.containers.process_pods import Container, Sandbox
from callboard.runtime.helpers.wire import Done
from callboard.runtime.network.messages import NetworkFailed, NodeNetwork, PodNetwork

TRY_AGAIN_S = 1.0


class NodeConnected(Message, frozen=True, gc=False):
    """The node has its network, or `problem` says why not."""

    netns: str
    problem: str = ""


class PodConnected(Message, frozen=True, gc=False):
    """A pod has its network, or `problem` says why not. `container_id` is that of the container which is to be started in it, "" for a new
    sandbox."""

    uid: str
    container_id: str
    netns: str
    problem: str = ""


class ConnectNode(Message, frozen=True, gc=False):
    """Timer: try again to give the node its network."""


class PodNotDisconnected(Message, frozen=True, gc=False):
    """A pod's network could not be removed."""

    uid: str
    problem: str


class NetworkRenewed(Message, frozen=True, gc=False):
    """The network helper was connected to anew: the cell may be a new one, where no rules are."""


class ProcessNetwork(Component):
    """See `ProcessRuntime`."""

    place: Place
    sandboxes: dict[str, Sandbox]
    node: str
    index: int
    _tell: Callable[[Message], None]
    _connected = False
    _netns = ""
    """Where the node's namespace is bound, inside the cell; "" without one."""

    def _in_lane(self, key: str, doing: Callable[[], Message]) -> None:
        raise NotImplementedError

    def _node_connected(self) -> None:
        raise NotImplementedError

    def _sandbox_connected(self, uid: str, problem: str) -> None:
        raise NotImplementedError

    def _host_ports_closed(self, sandbox: Sandbox) -> None:
        raise NotImplementedError

    def _container_connected(self, uid: str, container_id: str, netns: str, problem: str) -> None:
        raise NotImplementedError

    def _connect_node(self) -> None:
        network, tell = self.place.network, self._tell
        if network is None:
            self._connected = True
            self._node_connected()
            return

        def done(answer: NodeNetwork | NetworkFailed) -> None:
            tell(NodeConnected("", answer.message) if isinstance(answer, NetworkFailed) else NodeConnected(answer.netns))

        network.ensure_node(self.node, self.index, done)

    @handles(NodeConnected)
    def _node_answered(self, message: NodeConnected) -> None:
        if message.problem:
            self.port.log.error("the node has no network; it is tried again", reason=message.problem)
            self.port.after(TRY_AGAIN_S, ConnectNode())
        elif not self._netns:
            self._netns = message.netns
            held, node, index = self.place.host_ports, self.node, self.index
            assert held is not None
            ports = tuple(port for sandbox in self.sandboxes.values() for port in sandbox.host_ports)
            self._in_lane("", lambda: held.adopt(node, index, ports))

    @handles(HostPortsAdopted)
    def _host_ports_adopted(self, message: HostPortsAdopted) -> None:
        if message.problem:
            self.port.log.warning("host ports can't be brought up to date", reason=message.problem)
        network, tell = self.place.network, self._tell
        assert network is not None
        network.on_again(lambda: tell(NetworkRenewed()))
        self._connected = True
        self._node_connected()

    @handles(ConnectNode)
    def _connect_again(self, _timer: ConnectNode) -> None:
        self._connect_node()

    def _connect_sandbox(self, sandbox: Sandbox) -> None:
        self._connect(sandbox, "")

    def _connect_container(self, sandbox: Sandbox, container: Container) -> None:
        self._connect(sandbox, container.id)

    def _connect(self, sandbox: Sandbox, container_id: str) -> None:
        network, tell, uid = self.place.network, self._tell, sandbox.uid
        if network is None or sandbox.on_host:
            self._pod_answered(PodConnected(uid, container_id, self._netns))
            return

        def done(answer: PodNetwork | NetworkFailed) -> None:
            if isinstance(answer, NetworkFailed):
                tell(PodConnected(uid, container_id, "", answer.message))
            else:
                tell(PodConnected(uid, container_id, answer.netns))

        network.ensure_pod(uid, self.node, sandbox.ip, done)

    @handles(PodConnected)
    def _pod_answered(self, message: PodConnected) -> None:
        if message.container_id:
            self._container_connected(message.uid, message.container_id, message.netns, message.problem)
        elif message.problem or not self.sandboxes[message.uid].host_ports:
            self._sandbox_connected(message.uid, message.problem)
        else:
            sandbox = self.sandboxes[message.uid]
            self._set_host_ports(sandbox, sandbox.host_ports)

    # -- ports of pods at the node's address

    def _set_host_ports(self, sandbox: Sandbox, ports: tuple[HostPort, ...]) -> None:
        """Let a pod have these ports, which waits for it since it comes or goes."""
        held, node, index, uid = self.place.host_ports, self.node, self.index, sandbox.uid
        assert held is not None
        self._in_lane(uid, lambda: held.set_pod(node, index, uid, ports))

    @handles(HostPortsKept)
    def _host_ports_kept(self, message: HostPortsKept) -> None:
        sandbox = self.sandboxes[message.uid] if message.uid else None
        if sandbox is not None and not sandbox.dropping:
            self._sandbox_connected(message.uid, message.problem)
            return
        if message.problem:
            self.port.log.warning("host ports can't be brought up to date", reason=message.problem)
        if sandbox is not None:
            self._host_ports_closed(sandbox)

    @handles(NetworkRenewed)
    def _network_renewed(self, _message: NetworkRenewed) -> None:
        held, node, index = self.place.host_ports, self.node, self.index
        assert held is not None
        self._in_lane("", lambda: held.renew(node, index))

    def _disconnect(self, uid: str) -> None:
        network, tell = self.place.network, self._tell

        def done(answer: Done | NetworkFailed) -> None:
            if isinstance(answer, NetworkFailed):
                tell(PodNotDisconnected(uid, answer.message))

        if network is not None:
            network.remove_pod(uid, done)

    @handles(PodNotDisconnected)
    def _not_disconnected(self, message: PodNotDisconnected) -> None:
        self.port.log.warning("a pod's network can't be removed", pod_uid=message.uid, reason=message.problem)
