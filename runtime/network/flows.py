"""Forgetting what connection tracking knows of flows to endpoints that are gone. Runs in the helper, on a thread inside the namespace.

UDP has no connections, so a client that goes on sending keeps its flow alive, and with it the endpoint that its first datagram was sent
on to. Once that endpoint answers no more, the flow has to go: the next datagram is a new flow, and the rules of today decide.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from pyroute2 import NetlinkError, NFCTSocket
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

_PROTOCOLS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP}
_GONE = 2  # ENOENT: it ended by itself meanwhile


def forget(protocol: str, endpoints: Iterable[tuple[str, int]]) -> int:
    """Forget the flows of this namespace that had been sent on to these endpoints; returns how many there were.

    Raises:
        KeyError: the protocol is neither TCP nor UDP.
        NetlinkError: the kernel refused to list or to forget.
    """
    wanted, number, count = {*endpoints}, _PROTOCOLS[protocol], 0
    with NFCTSocket() as kernel:
        doomed = [flow for flow in _flows(kernel.dump()) if flow.proto == number and flow.sent_on_to in wanted]
        for flow in doomed:
            with contextlib.suppress(_Ended):
                _delete(kernel, flow)
                count += 1
    return count


class _Ended(Exception):
    """The flow ended by itself before it could be forgotten."""


class _Flow:
    """A flow as its first packet had it, and the endpoint that it was sent on to."""

    def __init__(self, proto: int, source: tuple[str, int], target: tuple[str, int], sent_on_to: tuple[str, int]) -> None:
        self.proto = proto
        self.source = source
        self.target = target
        self.sent_on_to = sent_on_to


def _flows(entries: Iterable[Any]) -> Iterator[_Flow]:
    for entry in entries:
        first, answer = entry.get_attr("CTA_TUPLE_ORIG"), entry.get_attr("CTA_TUPLE_REPLY")
        if first is None or answer is None or first.get_attr("CTA_TUPLE_IP").get_attr("CTA_IP_V4_SRC") is None:
            continue
        source, target, proto = _ends(first)
        sent_on_to, _, _ = _ends(answer)  # who answers is who it was sent on to
        if target != sent_on_to:  # nobody rewrote it: it isn't ours
            yield _Flow(proto, source, target, sent_on_to)


def _ends(direction: Any) -> tuple[tuple[str, int], tuple[str, int], int]:
    addresses, ports = direction.get_attr("CTA_TUPLE_IP"), direction.get_attr("CTA_TUPLE_PROTO")
    source = (addresses.get_attr("CTA_IP_V4_SRC"), ports.get_attr("CTA_PROTO_SRC_PORT") or 0)
    target = (addresses.get_attr("CTA_IP_V4_DST"), ports.get_attr("CTA_PROTO_DST_PORT") or 0)
    return source, target, ports.get_attr("CTA_PROTO_NUM")


def _delete(kernel: NFCTSocket, flow: _Flow) -> None:
    first = NFCTAttrTuple(saddr=flow.source[0], daddr=flow.target[0], proto=flow.proto, sport=flow.source[1], dport=flow.target[1])
    try:
        kernel.entry("del", tuple_orig=first)
    except NetlinkError as error:
        if error.code == _GONE:
            raise _Ended from error
        raise
