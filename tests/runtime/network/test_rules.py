"""Rules of nodes: nft in the right namespace, in order, with its complaints told; flows forgotten."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from callboard.runtime.network.messages import FlowsForgotten, NetworkFailed, RulesApplied
from tests.runtime.network.conftest import Nodes
from tests.runtime.network.world import LIMIT_S, Server, World, asked, connected, talk

pytestmark = pytest.mark.needs("nft")
SERVICE = """
table ip t
delete table ip t
table ip t {{
  chain nat_out {{
    type nat hook output priority -100
    ip daddr 10.96.7.7 tcp dport 80 dnat to {target}
  }}
  chain nat_in {{
    type nat hook prerouting priority -100
    ip daddr 10.96.7.7 tcp dport 80 dnat to {target}
  }}
}}
"""


def test_rules_hold_in_their_node_and_nowhere_else(world: World, nodes: Nodes) -> None:
    nodes(2)
    with Server(world.driver, "pod/n1-pod", "0.0.0.0", 8080) as server:
        answer = asked(world.driver.apply_rules, "n0", SERVICE.format(target="10.244.2.2:8080"))
        assert isinstance(answer, RulesApplied)
        assert answer.node == "n0"
        for where in ("pod/n0-pod", "node/n0"):
            with connected(world.driver, where, "10.96.7.7", 80) as client, server.accept() as accepted:
                talk(client, accepted)
        with pytest.raises(OSError):
            connected(world.driver, "pod/n1-pod", "10.96.7.7", 80, 1.0)


def test_the_edge_has_rules_of_its_own(world: World, nodes: Nodes) -> None:
    nodes(1)
    assert isinstance(asked(world.driver.apply_rules, "", SERVICE.format(target="10.244.1.2:8080")), RulesApplied)
    with (
        Server(world.driver, "pod/n0-pod", "0.0.0.0", 8080) as server,
        connected(world.driver, "edge", "10.96.7.7", 80) as client,
        server.accept() as accepted,
    ):
        talk(client, accepted)
    asked(world.driver.apply_rules, "", "delete table ip t\n")


def test_rules_of_one_node_are_applied_in_the_order_in_which_they_were_given(world: World, nodes: Nodes) -> None:
    nodes(1)
    asked(world.driver.apply_rules, "n0", "table ip t {\n set s {\n type inet_service\n }\n }\n")
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for number in range(1, 31):  # each removes what the one before has added: any other order is refused by nft
        removed = f"delete element ip t s {{ {number - 1} }}\n" if number > 1 else ""
        world.driver.apply_rules("n0", f"{removed}add element ip t s {{ {number} }}\n", answers.put)
    assert all(isinstance(answers.get(timeout=LIMIT_S), RulesApplied) for _ in range(30))
    assert "elements = { 30 }" in world.run_in("node-n0", "nft", "list", "set", "ip", "t", "s")


def test_rules_that_nft_refuses_are_told_with_its_words_and_change_nothing(world: World, nodes: Nodes) -> None:
    nodes(1)
    asked(world.driver.apply_rules, "n0", "table ip kept\n")
    answer = asked(world.driver.apply_rules, "n0", "delete table ip kept\ntable ip new\nnonsense\n")
    assert isinstance(answer, NetworkFailed)
    assert 'nft refused the rules of node "n0"' in answer.message
    assert "syntax error" in answer.message
    assert world.run_in("node-n0", "nft", "list", "tables").split("\n")[0] == "table ip kept"


def test_flows_that_rules_have_sent_on_are_forgotten_by_their_endpoint(world: World, nodes: Nodes) -> None:
    nodes(1)
    asked(world.driver.apply_rules, "n0", SERVICE.replace("tcp", "udp").format(target="10.244.1.2:5353"))
    with world.driver.socket_now("pod/n0-pod", LIMIT_S, "udp") as server, world.driver.socket_now("node/n0", LIMIT_S, "udp") as client:
        server.bind(("0.0.0.0", 5353))
        server.settimeout(LIMIT_S)
        client.sendto(b"x", ("10.96.7.7", 80))
        assert server.recv(10) == b"x"
        assert asked(world.driver.forget_flows, "n0", "UDP", (("10.244.1.3", 5353),)) == FlowsForgotten("n0", 0)
        assert asked(world.driver.forget_flows, "n0", "TCP", (("10.244.1.2", 5353),)) == FlowsForgotten("n0", 0)
        assert asked(world.driver.forget_flows, "n0", "UDP", (("10.244.1.2", 5353),)) == FlowsForgotten("n0", 1)
