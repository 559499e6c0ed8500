"""What the main program asks of the network helper, and what it answers. Plain immutable data over `runtime/helpers/wire.py`.

In all of them `node` "" means the edge: the fabric's own namespace.
"""

from __future__ import annotations

import socket

import msgspec

from callboard.runtime.helpers.wire import Done

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
"""The kinds of sockets that can be asked for."""


class NetworkRequest(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Base of all requests."""


class EnsureNode(NetworkRequest, frozen=True, gc=False):
    """There shall be a namespace for this node, on the fabric. Answered by `NodeNetwork`."""

    node: str
    index: int


class RemoveNode(NetworkRequest, frozen=True, gc=False):
    """A node's namespace and those of its pods shall go, the node's cable first. Answered by `Done`, also where there is none."""

    node: str


class EnsurePod(NetworkRequest, frozen=True, gc=False):
    """There shall be a namespace for this pod, linked to its node's. Answered by `PodNetwork`."""

    uid: str
    node: str
    ip: str


class RemovePod(NetworkRequest, frozen=True, gc=False):
    """A pod's namespace shall go. Answered by `Done`, also where there is none."""

    uid: str


class SetCuts(NetworkRequest, frozen=True, gc=False):
    """These cuts and no others shall be: nodes that are cut off from everything, and pairs that are cut from each other (either may be
    "edge"). Names without a network count once they have one. Answered by `Done`."""

    isolated: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


class ApplyRules(NetworkRequest, frozen=True, gc=False):
    """Give this text to `nft -f -` in the node's namespace, after what was given before. Answered by `RulesApplied`."""

    node: str
    ruleset: str


class AnswerServices(NetworkRequest, frozen=True, gc=False):
    """The Services' network shall be the node's own, so that a program there can listen at their addresses. Answered by `Done`."""

    node: str


class ForgetFlows(NetworkRequest, frozen=True, gc=False):
    """Forget what the node's connection tracking knows of flows sent on to these endpoints. Answered by `FlowsForgotten`."""

    node: str
    protocol: str
    endpoints: tuple[tuple[str, int], ...]


class ListenOutside(NetworkRequest, frozen=True, gc=False):
    """Relay what reaches a socket of the host to an address as seen from a node. The socket comes beside it; without one the key's own is
    used on. Answered by `OutsideListener` and, if no socket came, the descriptor of the one in use."""

    key: str
    node: str
    address: str
    port: int
    protocol: str


class CloseOutside(NetworkRequest, frozen=True, gc=False):
    """Close this listener; what is established goes on. Answered by `Done`, also where there is none."""

    key: str


class MakeSocket(NetworkRequest, frozen=True, gc=False):
    """A new unbound IPv4 socket of a namespace: `node/<name>`, `pod/<uid>`, `edge`. Answered by `Done` and its descriptor."""

    where: str
    kind: str


class TellState(NetworkRequest, frozen=True, gc=False):
    """What is there? Answered by `NetworkState`."""


class NetworkAnswer(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Base of all answers but `Done`."""


class NodeNetwork(NetworkAnswer, frozen=True, gc=False):
    """A node's network: its address on the fabric, the network of its pods, the file at which its namespace is bound."""

    node: str
    address: str
    pod_cidr: str
    netns: str


class PodNetwork(NetworkAnswer, frozen=True, gc=False):
    """A pod's network: its address, and the file at which its namespace is bound (both only inside the cell)."""

    uid: str
    node: str
    ip: str
    netns: str


class RulesApplied(NetworkAnswer, frozen=True, gc=False):
    """The rules hold from now on; `took_s` is what `nft` took."""

    node: str
    took_s: float


class FlowsForgotten(NetworkAnswer, frozen=True, gc=False):
    """So many flows were forgotten."""

    node: str
    count: int


class OutsideListener(NetworkAnswer, frozen=True, gc=False):
    """A listener on the host, at (`host_address`, `host_port`), and where its connections go."""

    key: str
    host_address: str
    host_port: int
    node: str
    address: str
    port: int
    protocol: str


class NetworkState(NetworkAnswer, frozen=True, gc=False):
    """All that is there."""

    nodes: tuple[NodeNetwork, ...]
    pods: tuple[PodNetwork, ...]
    outside: tuple[OutsideListener, ...]


Wiring = EnsureNode | RemoveNode | EnsurePod | RemovePod | SetCuts
"""What changes namespaces and links: carried out one after the other, in the order in which it was asked."""
Requests = Wiring | AnswerServices | ApplyRules | ForgetFlows | ListenOutside | CloseOutside | MakeSocket | TellState
Answers = NodeNetwork | PodNetwork | RulesApplied | FlowsForgotten | OutsideListener | NetworkState | Done


class NetworkFailed(msgspec.Struct, frozen=True, gc=False):
    """What `done` hears in place of an answer: `message` says what happened and what to do."""

    message: str


class NodeGone(msgspec.Struct, frozen=True, gc=False):
    """A node's network goes: whoever has sockets in it should let go of them."""

    node: str
