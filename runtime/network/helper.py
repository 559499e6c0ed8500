"""The network helper: a program inside the cell, in the fabric's namespace, that makes the nodes' and pods' networks. Started by the
process daemon with the folder of its socket and the folder where namespaces are bound.

Namespaces and links are changed by one thread, in the order of the requests. Rules are given to `nft` beside that, each node's in their
order. Whatever is made outlives this program; `adoption.py` finds it again.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from callboard.runtime.helpers.program import HelperProgram, Refusal
from callboard.runtime.helpers.wire import Done, close_all
from callboard.runtime.network import plan
from callboard.runtime.network.adoption import adopt
from callboard.runtime.network.anyip import answer_services
from callboard.runtime.network.cuts import Cuts
from callboard.runtime.network.fabric import Fabric
from callboard.runtime.network.flows import forget
from callboard.runtime.network.messages import (
    KINDS,
    AnswerServices,
    ApplyRules,
    CloseOutside,
    EnsureNode,
    EnsurePod,
    FlowsForgotten,
    ForgetFlows,
    ListenOutside,
    MakeSocket,
    NetworkState,
    RemoveNode,
    RemovePod,
    Requests,
    RulesApplied,
    SetCuts,
    TellState,
    Wiring,
)
from callboard.runtime.network.outside import Outside
from callboard.runtime.network.spaces import in_space, mount_folder

BURY_AFTER_S = 0.05
"""So long after a removal the kernel's part of it begins, for all removals until then together."""
NFT_LIMIT_S = 30.0
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where nft may be, and where an ordinary user's PATH does not look."""
T = TypeVar("T")


class NetworkHelper:
    """What is done for each request."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._fabric = Fabric(folder)
        self._cuts = Cuts(self._fabric)
        self._outside = Outside(self._fabric)
        self._maker = ThreadPoolExecutor(1, "callboard-maker")
        self._order: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._burying = False

    async def begin(self) -> None:
        """Make the bridge, or find all that there is already. Raises OSError."""
        mount_folder(self._folder)
        await self._made(self._fabric.ensure_bridge)
        await self._made(adopt, self._fabric)

    async def handle(self, request: Any, descriptors: list[int]) -> Any:
        """Carry a request out. Raises `Refusal`."""
        try:
            if isinstance(request, ListenOutside):
                return self._outside.listen(request, descriptors)
            return await self._handled(request)
        except (OSError, plan.BadPlan) as error:
            raise Refusal(str(error)) from error
        finally:
            close_all(descriptors)

    async def _handled(self, request: Any) -> Any:
        match request:
            case CloseOutside(key):
                self._outside.close(key)
            case MakeSocket(where, kind):
                name = where.partition("/")[2]
                if name and name not in self._fabric.nodes and name not in self._fabric.pods:
                    await self._made(bool)  # it may have been asked for just before
                with self._fabric.socket_of(where, KINDS[kind]) as made:
                    return Done(), [made.detach()]
            case TellState():
                return await self._made(self._state)
            case ApplyRules(node, ruleset):
                return await self._in_turn(node, lambda: _apply(node, ruleset))
            case AnswerServices(node):
                await self._in_turn(node, answer_services)
            case ForgetFlows(node, protocol, endpoints):
                count = await self._in_turn(node, lambda: forget(protocol, endpoints))
                return FlowsForgotten(node, count)
            case _:
                answer = await self._made(self._wire, request)
                self._bury_soon()
                if isinstance(request, RemoveNode):
                    self._outside.node_gone(request.node)
                return answer
        return Done()

    # -- on the maker's thread

    async def _made(self, doing: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._maker, doing, *arguments)

    def _wire(self, request: Wiring) -> Any:
        match request:
            case EnsureNode(node, index):
                new = node not in self._fabric.nodes
                answer = self._fabric.ensure_node(node, index)
                if new:
                    self._cuts.apply()
                return answer
            case EnsurePod(uid, node, ip):
                return self._fabric.ensure_pod(uid, node, ip)
            case RemovePod(uid):
                self._fabric.remove_pod(uid)
            case RemoveNode(node):
                self._fabric.remove_node(node)
            case SetCuts(isolated, pairs):
                self._cuts.set(isolated, pairs)
        return Done()

    def _state(self) -> NetworkState:
        fabric = self._fabric
        nodes = tuple(fabric.told_node(node) for node in fabric.nodes.values())
        return NetworkState(nodes, tuple(fabric.told_pod(pod) for pod in fabric.pods.values()), self._outside.told())

    def _bury_soon(self) -> None:
        if self._fabric.graves and not self._burying:
            self._burying = True
            asyncio.get_running_loop().call_later(BURY_AFTER_S, self._maker.submit, self._bury)

    def _bury(self) -> None:
        self._burying = False
        self._fabric.bury()

    # -- beside it

    async def _in_turn(self, node: str, doing: Callable[[], T]) -> T:
        """Do this on a thread in the node's namespace, after what was asked for the node before."""
        path = os.path.join(self._folder, plan.node_space(node)) if node else ""
        async with self._order[node]:
            if node and node not in self._fabric.nodes:
                await self._made(bool)  # it may have been asked for just before
                if node not in self._fabric.nodes:
                    raise Refusal(f'there is no network of node "{node}"')
            return await (asyncio.to_thread(in_space, path, doing) if path else asyncio.to_thread(doing))


def _apply(node: str, ruleset: str) -> RulesApplied:
    """Give rules to `nft`; on a thread that is where they belong. Raises `Refusal`."""
    began_s = time.monotonic()
    whose = f'node "{node}"' if node else "the edge"
    nft = shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}")
    if nft is None:
        raise Refusal("nft is not installed; apt-get install nftables")
    try:
        done = subprocess.run([nft, "-f", "-"], input=ruleset.encode(), capture_output=True, timeout=NFT_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise Refusal(f"nft was not done with the rules of {whose} within {NFT_LIMIT_S:g} s") from None
    if done.returncode:
        raise Refusal(f"nft refused the rules of {whose}: {done.stderr.decode(errors='replace').strip()[:2000]}")
    return RulesApplied(node, time.monotonic() - began_s)


async def serve(state_folder: str, netns_folder: str) -> None:
    """Serve until told to end."""
    helper = NetworkHelper(netns_folder)
    await helper.begin()
    await HelperProgram(Path(state_folder) / "network.sock", Requests, helper.handle).serve()


def main(arguments: Sequence[str]) -> int:
    """Run the helper with these two folders. Returns the exit code."""
    state_folder, netns_folder = arguments
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # every pod and every connection from outside needs some
    asyncio.run(serve(state_folder, netns_folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
