"""What a helper that was lost has left in the kernel, found again by the next one. Runs in the helper, on the fabric's thread, before all
else.

A link that has an alias was made wholly, and names its owner. What has none, or no namespace bound for it, is removed.
"""

from __future__ import annotations

import errno
import os
import socket

from callboard.runtime.network import plan
from callboard.runtime.network.fabric import DOOMED, Fabric, NodeSpace, PodSpace
from callboard.runtime.network.netlink import Link, Netlink, order
from callboard.runtime.network.spaces import remove_space, visiting


def adopt(fabric: Fabric) -> None:
    """Take over the nodes and pods that are there, and remove what is neither. The bridge must be there. Raises OSError."""
    _bury(fabric.netlink)
    for link in fabric.netlink.links():
        if link.name[:1] == "n" and link.name[1:].isdigit():
            _adopt_node(fabric, link)
    for node in list(fabric.nodes.values()):
        _bury(node.netlink)
        for link in node.netlink.links():
            if link.name[:1] == "v" and link.name[1:].isdigit():
                _adopt_pod(fabric, node, link)
    kept = {plan.node_space(node) for node in fabric.nodes} | {plan.pod_space(uid) for uid in fabric.pods}
    for name in os.listdir(fabric.folder):
        if name not in kept:
            remove_space(os.path.join(fabric.folder, name))


def _adopt_node(fabric: Fabric, link: Link) -> None:
    index = int(link.name[1:]) - 1
    space = _opened(fabric, plan.node_space(link.alias)) if link.alias else -1
    if space < 0:
        fabric.netlink.do(order("link", "del", errno.ENODEV, index=link.index))
        return
    with visiting(space, fabric.home):
        netlink, eth0 = Netlink(), socket.if_nametoindex("eth0")
    there = fabric.nodes[link.alias] = NodeSpace(link.alias, index, space, netlink, eth0, link.index)
    there.apart = None


def _adopt_pod(fabric: Fabric, node: NodeSpace, link: Link) -> None:
    space = _opened(fabric, plan.pod_space(link.alias)) if link.alias else -1
    if space < 0:
        node.netlink.do(order("link", "del", errno.ENODEV, index=link.index))
        return
    pod = PodSpace(link.alias, node.node, plan.pod_ip(node.index, link.name), space, link.index)
    fabric.pods[pod.uid] = node.pods[link.name] = pod


def _opened(fabric: Fabric, name: str) -> int:
    """A descriptor of the namespace bound under this name; -1 if there is none."""
    try:
        space = os.open(os.path.join(fabric.folder, name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    try:
        with visiting(space, fabric.home):
            return space
    except OSError:  # a file at which nothing is bound
        os.close(space)
        return -1


def _bury(netlink: Netlink) -> None:
    for link in netlink.links():
        if link.group == DOOMED:
            netlink.do(order("link", "del", errno.ENODEV, index=link.index))
