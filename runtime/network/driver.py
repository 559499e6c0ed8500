"""The main program's side of the pods' network. All methods may be called from any thread, and none blocks but those named `*_now`.

`done` gets the answer or `NetworkFailed`; it runs on the link's thread and must be quick (post to an inlet, set a future). The driver
remembers what was ensured, listened for and cut, and says it all anew to a helper that was lost and started again; the namespaces
themselves outlive the helper.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import msgspec

from callboard.models.messages.base import Message
from callboard.runtime.helpers.link import HelperError, HelperFailed, HelperLink
from callboard.runtime.helpers.wire import BrokenFrame, Done, close_all
from callboard.runtime.network.facts import NetworkAgain
from callboard.runtime.network.messages import (
    KINDS,
    Answers,
    AnswerServices,
    ApplyRules,
    CloseOutside,
    EnsureNode,
    EnsurePod,
    FlowsForgotten,
    ForgetFlows,
    ListenOutside,
    MakeSocket,
    NetworkFailed,
    NetworkState,
    NodeGone,
    NodeNetwork,
    OutsideListener,
    PodNetwork,
    RemoveNode,
    RemovePod,
    RulesApplied,
    SetCuts,
    TellState,
)

HELPER = "network"
MODULE = "callboard.runtime.network.helper"
START_LIMIT_S = 20.0


class HelperHost(Protocol):
    """What the driver needs of the process daemon's driver."""

    @property
    def state_dir(self) -> Path:
        """The folder of the helpers' sockets."""

    @property
    def netns_folder(self) -> Path:
        """Where namespaces are bound, inside the cell."""

    def start_helper(self, name: str, module: str, arguments: list[str], callback: Callable[[Any], None]) -> int:
        """Start a helper where none of that name runs; answered by `HelperStarted` or a message with words."""


class _Outside(msgspec.Struct, frozen=True):
    """A listener that somebody wants, with a descriptor of our own of its socket (-1: the helper has not handed it out yet)."""

    request: ListenOutside
    descriptor: int


class NetworkDriver:
    """The network of one cluster's nodes and pods. See this module's docstring."""

    def __init__(self, daemon: HelperHost, emit: Callable[[Message], None]) -> None:
        self._daemon = daemon
        self._emit = emit
        self._lock = threading.RLock()  # what is remembered and what is asked change together, or a helper would be told of what is gone
        self._nodes: dict[str, int] = {}
        self._pods: dict[str, EnsurePod] = {}
        self._outside: dict[str, _Outside] = {}
        self._lost: dict[RemoveNode | RemovePod, None] = {}
        """Removals that were lost with a helper, in their order: to be asked for again before anything is made."""
        self._isolated: set[str] = set()
        self._pairs: set[frozenset[str]] = set()
        self._again_callbacks: list[Callable[[], None]] = []
        self._there: dict[str, NodeNetwork] = {}
        self._node_callbacks: list[Callable[[NodeNetwork | NodeGone], None]] = []
        with self._lock:  # the link's thread may be connected before there is a `_link`
            self._link = HelperLink(HELPER, daemon.state_dir, self._start, Answers, again=self._say_all)

    def ensure_node(self, node: str, index: int, done: Callable[[NodeNetwork | NetworkFailed], None]) -> None:
        """A namespace for this node, which keeps what is there already. Wanted until it is removed, also where `done`
        hears of a failure."""
        with self._lock:
            self._nodes[node] = index
            self._remove_lost()
            self._ask_node(node, done)

    def remove_node(self, node: str, done: Callable[[Done | NetworkFailed], None]) -> None:
        """A node is no more: its network and those of its pods go, its cuts are forgotten."""
        with self._lock:
            self._isolated.discard(node)
            self._pairs = {pair for pair in self._pairs if node not in pair}
            self._ask_cuts(lambda _answer: None)
            self.crash_node(node, done)

    def crash_node(self, node: str, done: Callable[[Done | NetworkFailed], None]) -> None:
        """A node has lost its power: its cable goes first, so that peers hear nothing more of it, not even the end of a connection; then
        its network and those of its pods. Call it before the node's processes are killed. Cuts stay, as cables do."""
        with self._lock:
            self._nodes.pop(node, None)
            self._pods = {uid: pod for uid, pod in self._pods.items() if pod.node != node}
            gone = self._there.pop(node, None)
            callbacks = [*self._node_callbacks] if gone is not None else []
            self._ask_removal(RemoveNode(node), done)
        for callback in callbacks:
            callback(NodeGone(node))

    def ensure_pod(self, uid: str, node: str, ip: str, done: Callable[[PodNetwork | NetworkFailed], None]) -> None:
        """A namespace for this pod, which keeps what is there already. The node's must have been ensured. Wanted until it is removed, also
        where `done` hears of a failure."""
        with self._lock:
            self._pods[uid] = request = EnsurePod(uid, node, ip)
            self._remove_lost()
            self._ask(request, done)

    def remove_pod(self, uid: str, done: Callable[[Done | NetworkFailed], None]) -> None:
        """A pod is no more: its network goes."""
        with self._lock:
            self._pods.pop(uid, None)
            self._ask_removal(RemovePod(uid), done)

    def cut(self, node: str, peers: tuple[str, ...] = (), done: Callable[[Done | NetworkFailed], None] | None = None) -> None:
        """Without peers: unplug the node. With peers: nothing goes between the node and these any more, in either direction, established
        connections included; the edge is a peer named "edge"."""
        with self._lock:
            if peers:
                self._pairs |= {frozenset((node, peer)) for peer in peers}
            else:
                self._isolated.add(node)
            self._ask_cuts(done)

    def heal(self, node: str, peers: tuple[str, ...] = (), done: Callable[[Done | NetworkFailed], None] | None = None) -> None:
        """Take such cuts back. Without peers: all that concern the node."""
        with self._lock:
            if peers:
                self._pairs -= {frozenset((node, peer)) for peer in peers}
            else:
                self._isolated.discard(node)
                self._pairs = {pair for pair in self._pairs if node not in pair}
            self._ask_cuts(done)

    def apply_rules(self, node: str, ruleset: str, done: Callable[[RulesApplied | NetworkFailed], None]) -> None:
        """Give this to `nft -f -` in the node's namespace ("": the edge's). Those of one node are applied in the order of the calls.
        They are not remembered: see `on_again`."""
        self._ask(ApplyRules(node, ruleset), done)

    def answer_services(self, node: str, done: Callable[[Done | NetworkFailed], None]) -> None:
        """Let a program in the node's namespace ("": the edge's) listen at the addresses of Services. It lasts as long as the namespace,
        and is not remembered."""
        self._ask(AnswerServices(node), done)

    def forget_flows(
        self, node: str, protocol: str, endpoints: tuple[tuple[str, int], ...], done: Callable[[FlowsForgotten | NetworkFailed], None]
    ) -> None:
        """Forget flows of the node ("": the edge) that its rules had sent on to these endpoints; `protocol` is TCP or UDP."""
        self._ask(ForgetFlows(node, protocol, endpoints), done)

    def listen_outside(
        self,
        key: str,
        sock: socket.socket | None,
        node: str,
        address: str,
        port: int,
        protocol: str = "TCP",
        done: Callable[[OutsideListener | NetworkFailed], None] | None = None,
    ) -> None:
        """Relay what reaches this socket of the host to (`address`, `port`), connecting from the node ("": the edge).

        `sock` is bound, and listens if it is TCP; it stays the caller's, who may close it. None: the key's own socket, also one that a
        former main program had handed in (`state_now`). A listener of the same key is replaced; what is established goes on.
        """
        request = ListenOutside(key, node, address, port, protocol)
        with self._lock:
            old = self._outside.get(key)
            if sock is not None:
                if old is not None and old.descriptor >= 0:
                    os.close(old.descriptor)
                self._outside[key] = _Outside(request, os.dup(sock.fileno()))
            else:
                self._outside[key] = _Outside(request, old.descriptor if old is not None else -1)
            self._ask_outside(self._outside[key], done)

    def close_outside(self, key: str, done: Callable[[Done | NetworkFailed], None] | None = None) -> None:
        """Close a listener; what is established goes on."""
        with self._lock:
            old = self._outside.pop(key, None)
            if old is not None and old.descriptor >= 0:
                os.close(old.descriptor)
            self._ask(CloseOutside(key), done)

    def socket_now(self, where: str, timeout_s: float, kind: str = "tcp") -> socket.socket:
        """A new IPv4 socket that is inside a namespace for ever: `node/<name>`, `pod/<uid>` or `edge`; `kind` is tcp or udp. It blocks; it
        is the caller's to close. Raises `HelperError`."""
        _, descriptors = self._link.ask_now(MakeSocket(where, kind), timeout_s)
        return socket.socket(socket.AF_INET, KINDS[kind], fileno=descriptors[0])

    def state_now(self, timeout_s: float = 10.0) -> NetworkState:
        """All that is there, whoever had asked for it: what a new main program can adopt by ensuring it. Raises `HelperError`."""
        state, _ = self._link.ask_now(TellState(), timeout_s)
        assert isinstance(state, NetworkState)
        return state

    def on_again(self, callback: Callable[[], None]) -> None:
        """Call this on the link's thread whenever the helper has been connected to anew, after all that is remembered was asked for."""
        with self._lock:
            self._again_callbacks.append(callback)

    def on_nodes(self, callback: Callable[[NodeNetwork | NodeGone], None]) -> None:
        """Tell this of every node's network: of those that are there now, at once; from then on whenever one was ensured, also anew after
        the helper was lost, and when one goes. It runs on the link's thread or on that of who removes a node, and must be quick."""
        with self._lock:
            self._node_callbacks.append(callback)
            there = [*self._there.values()]
        for network in there:
            callback(network)

    def close(self) -> None:
        """Let go of the helper, which goes on with what it was told. Calling it twice is allowed."""
        self._link.close()
        with self._lock:
            for outside in self._outside.values():
                if outside.descriptor >= 0:
                    os.close(outside.descriptor)
            self._outside.clear()

    # -- asking

    def _ask(self, request: Any, done: Callable[[Any], None] | None, descriptors: tuple[int, ...] = ()) -> None:
        def answered(answer: Any, own: list[int]) -> None:
            close_all(own)
            if done is not None:
                done(NetworkFailed(answer.message) if isinstance(answer, HelperFailed) else answer)

        try:
            self._link.ask(request, answered, descriptors)
        except BrokenFrame as error:
            answered(HelperFailed(str(error)), [])

    def _ask_removal(self, request: RemoveNode | RemovePod, done: Callable[[Done | NetworkFailed], None]) -> None:
        def answered(answer: Done | NetworkFailed) -> None:
            with self._lock:
                if isinstance(answer, NetworkFailed):
                    self._lost[request] = None
            done(answer)

        self._lost.pop(request, None)
        self._ask(request, answered)

    def _remove_lost(self) -> None:
        for request in [*self._lost]:
            self._ask_removal(request, lambda _answer: None)

    def _ask_node(self, node: str, done: Callable[[NodeNetwork | NetworkFailed], None] | None) -> None:
        def answered(answer: NodeNetwork | NetworkFailed) -> None:
            with self._lock:
                wanted = isinstance(answer, NodeNetwork) and node in self._nodes
                if wanted and isinstance(answer, NodeNetwork):
                    self._there[node] = answer
                callbacks = [*self._node_callbacks] if wanted else []
            if isinstance(answer, NodeNetwork):
                for callback in callbacks:
                    callback(answer)
            if done is not None:
                done(answer)

        self._ask(EnsureNode(node, self._nodes[node]), answered)

    def _ask_cuts(self, done: Callable[[Done | NetworkFailed], None] | None) -> None:
        pairs = sorted((min(pair), max(pair)) for pair in self._pairs)
        self._ask(SetCuts(tuple(sorted(self._isolated)), tuple(pairs)), done)

    def _ask_outside(self, outside: _Outside, done: Callable[[OutsideListener | NetworkFailed], None] | None) -> None:
        key = outside.request.key

        def answered(answer: Any, own: list[int]) -> None:
            with self._lock:
                now = self._outside.get(key)
                if own and now is not None and now.descriptor < 0:
                    self._outside[key] = _Outside(now.request, own.pop(0))
            close_all(own)
            if done is not None:
                done(NetworkFailed(answer.message) if isinstance(answer, HelperFailed) else answer)

        self._link.ask(outside.request, answered, (outside.descriptor,) if outside.descriptor >= 0 else ())

    # -- the link's thread

    def _start(self) -> None:
        """Have the process daemon start the helper. Raises `HelperError`."""
        started: Future[Any] = Future()
        arguments = [str(self._daemon.state_dir), str(self._daemon.netns_folder)]
        self._daemon.start_helper(HELPER, MODULE, arguments, started.set_result)
        try:
            answer = started.result(START_LIMIT_S)
        except TimeoutError:
            raise HelperError(f"the process daemon did not start the network helper within {START_LIMIT_S:g} s") from None
        words = getattr(answer, "message", "")
        if words:
            raise HelperError(words)

    def _say_all(self, _link: HelperLink) -> None:
        """Tell a helper that may know nothing all that it should know."""
        with self._lock:
            self._remove_lost()
            for node in self._nodes:
                self._ask_node(node, None)
            self._ask_cuts(None)
            for pod in self._pods.values():
                self._ask(pod, None)
            for outside in self._outside.values():
                self._ask_outside(outside, None)
            callbacks = list(self._again_callbacks)
        for callback in callbacks:
            callback()
        self._emit(NetworkAgain())
