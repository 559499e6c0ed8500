"""The data plane of a node with a network of its own: Services are rules of the kernel there (nftables), and connections never come here.

One component per node, and one for the edge, where the outside comes in: it opens a door for whoever asks where a Service can be opened.
The rules are text made by `actors.proxy.nftables`; the network's helper hands it to the kernel. One transaction is under way at a
time, and the next one goes from what is in force to the newest table, however many tables came between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from callboard.actors.component import Port, Timer, handles
from callboard.actors.proxy.nftables import changed_rules, departed, full_rules
from callboard.models.messages.base import Address, Message
from callboard.models.messages.proxy import NetworkMadeAnew, ProxyTable
from callboard.runtime.network.messages import NetworkFailed
from callboard.runtime.proxy.doors import Doors
from callboard.runtime.proxy.spot import Post, Spot, SpotPlane
from callboard.runtime.proxy.spot import edge_spot as edge_spot
from callboard.runtime.proxy.spot import node_spot as node_spot

RETRY_S, RETRY_LIMIT_S = 0.1, 5.0
Done = Callable[[Any], None]


class RuleNetwork(Protocol):
    """What a data plane needs of the driver of a cluster's network. `done` gets the answer or `NetworkFailed`, on another thread."""

    def ensure_node(self, node: str, index: int, done: Done) -> Any: ...

    def apply_rules(self, node: str, ruleset: str, done: Done) -> Any: ...

    def forget_flows(self, node: str, protocol: str, endpoints: tuple[tuple[str, int], ...], done: Done) -> Any: ...


class RulesSettled(Message, frozen=True, gc=False):
    """A transaction is over; `problem` says why it failed ("" if it didn't)."""

    number: int
    problem: str


class RetryRules(Message, frozen=True, gc=False):
    """Timer: try again to bring the rules up to date."""


class NftDataPlane(SpotPlane):
    """Keeps the rules of one spot equal to the newest table."""

    def __init__(self, port: Port, post: Post, proxy: Address, network: RuleNetwork, doors: Doors, spot: Spot) -> None:
        super().__init__(port, post, proxy, doors, spot)
        self._network = network
        self._applied: ProxyTable | None = None  # None: whatever is in force, it isn't known
        self._under_way: tuple[int, ProxyTable] | None = None
        self._number = 0
        self._failures = 0
        self._retry: Timer | None = None

    def in_force(self) -> bool:
        """Whether the rules are those of some table."""
        return self._applied is not None

    @handles(NetworkMadeAnew)
    def _made_anew(self, _fact: NetworkMadeAnew) -> None:
        self._applied = None
        if self._under_way is not None:
            self._under_way = None  # its answer may be of the network before
        self.carry()

    def carry(self) -> None:
        """Begin the next transaction, if there is something to change and none is under way."""
        new = self.newest
        if new is None or self._under_way is not None or self._retry is not None or new == self._applied:
            return
        old, place = self._applied, self.spot.inside
        script = changed_rules(old, new, place) if old is not None else full_rules(new, place)
        self._number += 1
        number, me, node = self._number, self.port.me, self.spot.node
        self._under_way = (number, new)

        def settled(answer: Any) -> None:
            self._post(me, RulesSettled(number, problem_of(answer)))

        def apply(answer: Any) -> None:
            if problem_of(answer):
                settled(answer)
            else:
                self._network.apply_rules(node, script, settled)

        if not script:
            self.port.send(me, RulesSettled(number, ""))
        elif old is None and node:
            self._network.ensure_node(node, self.spot.index, apply)  # it may be the first that this node is heard of
        else:
            self._network.apply_rules(node, script, settled)

    @handles(RulesSettled)
    def _settled(self, fact: RulesSettled) -> None:
        if self._under_way is None or self._under_way[0] != fact.number:
            return
        table = self._under_way[1]
        self._under_way = None
        if fact.problem:
            self._applied = None
            self._failures += 1
            if self._failures == 1:
                self.port.log.warning(
                    "the rules of Services can't be brought up to date", place=self.spot.node or "edge", reason=fact.problem
                )
            delay_s = min(RETRY_S * 2 ** min(self._failures - 1, 16), RETRY_LIMIT_S)
            self._retry = self.port.after(delay_s, RetryRules())
            return
        gone = departed(self._applied, table) if self._applied is not None else ()
        if gone:
            self._network.forget_flows(self.spot.node, "UDP", gone, self._forgotten)
        self._applied, self._failures = table, 0
        self.carry()

    def _forgotten(self, answer: Any) -> None:
        """On another thread: nothing waits for it, but a failure must not go unheard."""
        problem = problem_of(answer)
        if problem:
            self.port.log.warning("flows to endpoints that are gone could not be forgotten", place=self.spot.node or "edge", reason=problem)

    @handles(RetryRules)
    def _try_again(self, _timer: RetryRules) -> None:
        self._retry = None
        self.carry()


def problem_of(answer: Any) -> str:
    """Why something failed, "" if it didn't."""
    return answer.message if isinstance(answer, NetworkFailed) else ""
