"""Networks of nodes and pods: who reaches whom, what is refused, what is left."""

from __future__ import annotations

import errno
import queue
import socket
from typing import Any

import pytest

from callboard.runtime.helpers.link import HelperError
from callboard.runtime.network import plan
from callboard.runtime.network.messages import NetworkFailed, NodeGone, NodeNetwork, PodNetwork
from tests.runtime.network.conftest import Nodes
from tests.runtime.network.world import LIMIT_S, Server, World, asked, connected, talk


def test_a_pod_is_reached_from_everywhere_and_sees_who_comes(world: World, nodes: Nodes) -> None:
    nodes(2)
    asked(world.driver.ensure_pod, "neighbour", "n0", "10.244.1.7")
    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server:
        comers = {
            "pod/neighbour": "10.244.1.7",
            "pod/n0-pod": "10.244.1.2",
            "pod/n1-pod": "10.244.2.2",
            "node/n0": "172.31.0.1",
            "node/n1": "172.31.0.2",
            "edge": "172.31.0.254",
        }
        for where, address in comers.items():
            with connected(world.driver, where, "10.244.1.2", 80) as client, server.accept() as accepted:
                talk(client, accepted)
                assert accepted.getpeername()[0] == address, where


def test_localhost_is_the_pods_own_and_so_are_its_ports(world: World, nodes: Nodes) -> None:
    nodes(1)
    asked(world.driver.ensure_pod, "other", "n0", "10.244.1.7")
    with (
        Server(world.driver, "pod/n0-pod", "127.0.0.1", 8080) as one,
        Server(world.driver, "pod/other", "127.0.0.1", 8080) as other,
        connected(world.driver, "pod/n0-pod", "127.0.0.1", 8080) as client,
        one.accept() as accepted,
    ):
        talk(client, accepted)
        other.socket.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            other.socket.accept()
    with pytest.raises(ConnectionRefusedError):
        connected(world.driver, "node/n0", "127.0.0.1", 8080)


def test_datagrams_go_between_nodes(world: World, nodes: Nodes) -> None:
    nodes(2)
    with world.driver.socket_now("pod/n0-pod", LIMIT_S, "udp") as one, world.driver.socket_now("pod/n1-pod", LIMIT_S, "udp") as other:
        for sock in (one, other):
            sock.bind(("0.0.0.0", 5353))
            sock.settimeout(LIMIT_S)
        one.sendto(b"ping", ("10.244.2.2", 5353))
        data, sender = other.recvfrom(100)
        other.sendto(data + b"-pong", sender)
        assert (sender, one.recv(100)) == (("10.244.1.2", 5353), b"ping-pong")


def test_not_even_the_first_datagram_to_and_from_a_new_pod_is_lost(world: World, nodes: Nodes) -> None:
    nodes(1)
    for turn in range(1, 11):
        node = nodes(1)[0]
        for sender, receiver, address in (
            (f"pod/{node}-pod", "pod/n0-pod", "10.244.1.2"),
            ("pod/n0-pod", f"pod/{node}-pod", f"10.244.{turn + 1}.2"),
            ("edge", f"pod/{node}-pod", f"10.244.{turn + 1}.2"),
        ):
            with world.driver.socket_now(sender, LIMIT_S, "udp") as one, world.driver.socket_now(receiver, LIMIT_S, "udp") as other:
                other.bind(("0.0.0.0", 5353))
                other.settimeout(5.0)
                one.sendto(b"first", (address, 5353))
                assert other.recv(100) == b"first"


def test_an_address_without_a_pod_is_unreachable_at_once(world: World, nodes: Nodes) -> None:
    nodes(2)
    for where in ("pod/n0-pod", "pod/n1-pod", "node/n0"):
        with pytest.raises(OSError) as caught:
            connected(world.driver, where, "10.244.1.99", 80)
        assert caught.value.errno == errno.EHOSTUNREACH


def test_the_name_services_address_can_be_listened_at_on_every_node(world: World, nodes: Nodes) -> None:
    nodes(2)
    with Server(world.driver, "node/n0", plan.CLUSTER_DNS, 53) as first, Server(world.driver, "node/n1", plan.CLUSTER_DNS, 53) as second:
        for where, server in (("pod/n0-pod", first), ("pod/n1-pod", second), ("node/n1", second)):
            with connected(world.driver, where, plan.CLUSTER_DNS, 53) as client, server.accept() as accepted:
                talk(client, accepted)


def test_what_is_there_is_kept_and_told_again(world: World, nodes: Nodes) -> None:
    nodes(1)
    first = asked(world.driver.ensure_node, "n0", 0)
    assert first == NodeNetwork("n0", "172.31.0.1", "10.244.1.0/24", str(world.netns_folder / "node-n0"))
    pod = asked(world.driver.ensure_pod, "n0-pod", "n0", "10.244.1.2")
    assert pod == PodNetwork("n0-pod", "n0", "10.244.1.2", str(world.netns_folder / "pod-n0-pod"))
    state = world.driver.state_now()
    assert (state.nodes, state.pods) == ((first,), (pod,))


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("ensure_node", ("n0", 5), "has the network 10.244.1.0/24 already"),
        ("ensure_node", ("twin", 0), 'is that of node "n0"'),
        ("ensure_node", ("far", 253), "at most 253 nodes"),
        ("ensure_node", ("../up", 7), "can be no name"),
        ("ensure_pod", ("n0-pod", "n0", "10.244.1.9"), "has a network already"),
        ("ensure_pod", ("twin", "n0", "10.244.1.2"), "is that of pod n0-pod"),
        ("ensure_pod", ("lost", "nowhere", "10.244.1.9"), 'there is none of its node "nowhere"'),
        ("ensure_pod", ("wrong", "n0", "10.244.9.9"), "no address for a pod"),
        ("ensure_pod", ("a/b", "n0", "10.244.1.9"), "can be no name"),
        ("apply_rules", ("nowhere", ""), "no network of node"),
        ("forget_flows", ("nowhere", "TCP", ()), "no network of node"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_changes_nothing(
    world: World, nodes: Nodes, method: str, arguments: tuple[Any, ...], words: str
) -> None:
    nodes(1)
    before = world.driver.state_now()
    answer = asked(getattr(world.driver, method), *arguments)
    assert isinstance(answer, NetworkFailed)
    assert words in answer.message
    assert world.driver.state_now() == before


@pytest.mark.parametrize("where", ["pod/nobody", "node/nobody", "", "nonsense"])
def test_a_socket_of_a_namespace_that_is_not_there_is_refused_in_words(world: World, where: str) -> None:
    with pytest.raises(HelperError, match="there is no network of"):
        world.driver.socket_now(where, LIMIT_S)


def test_a_removed_pods_address_is_free_at_once_even_while_a_socket_holds_its_namespace(world: World, nodes: Nodes) -> None:
    nodes(2)
    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 80):
        asked(world.driver.remove_pod, "n0-pod")
        assert isinstance(asked(world.driver.ensure_pod, "heir", "n0", "10.244.1.2"), PodNetwork)
        with pytest.raises(ConnectionRefusedError):
            connected(world.driver, "pod/n1-pod", "10.244.1.2", 80)
        with (
            Server(world.driver, "pod/heir", "0.0.0.0", 80) as server,
            connected(world.driver, "pod/n1-pod", "10.244.1.2", 80) as client,
            server.accept() as accepted,
        ):
            talk(client, accepted)


def test_a_node_takes_its_pods_along_and_can_be_made_anew(world: World, nodes: Nodes) -> None:
    nodes(2)
    asked(world.driver.crash_node, "n0")
    state = world.driver.state_now()
    assert [node.node for node in state.nodes] == ["n1"]
    assert [pod.uid for pod in state.pods] == ["n1-pod"]
    asked(world.driver.ensure_node, "n0", 0)
    asked(world.driver.ensure_pod, "n0-pod", "n0", "10.244.1.2")
    with (
        Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server,
        connected(world.driver, "pod/n1-pod", "10.244.1.2", 80) as client,
        server.accept() as accepted,
    ):
        talk(client, accepted)


def test_what_is_not_there_can_be_removed(world: World) -> None:
    for method, name in ((world.driver.remove_pod, "nobody"), (world.driver.remove_node, "nobody"), (world.driver.close_outside, "none")):
        assert not isinstance(asked(method, name), NetworkFailed)


def test_who_asks_for_nodes_is_told_of_those_there_and_of_all_that_come_and_go(world: World, nodes: Nodes) -> None:
    nodes(1)
    told: queue.SimpleQueue[NodeNetwork | NodeGone] = queue.SimpleQueue()
    world.driver.on_nodes(told.put)
    nodes(1)
    asked(world.driver.remove_node, "n1")
    heard = [told.get(timeout=LIMIT_S) for _ in range(3)]
    assert [type(message).__name__ + message.node for message in heard] == ["NodeNetworkn0", "NodeNetworkn1", "NodeGonen1"]


def test_two_hundred_pods_that_come_and_go_leave_nothing(world: World, nodes: Nodes) -> None:
    nodes(1)
    driver, answers = world.driver, queue.SimpleQueue[Any]()
    spaces = world.spaces()
    links, descriptors = world.links("node-n0"), world.helper_process().num_fds()
    for first in (10, 110):
        for number in range(first, first + 100):
            driver.ensure_pod(f"p{number}", "n0", f"10.244.1.{number}", answers.put)
        assert all(isinstance(answers.get(timeout=LIMIT_S), PodNetwork) for _ in range(100))
        assert len(world.links("node-n0")) >= len(links) + 100
        for number in range(first, first + 100):
            driver.remove_pod(f"p{number}", answers.put)
        assert not any(isinstance(answers.get(timeout=LIMIT_S), NetworkFailed) for _ in range(100))
    world.until(lambda: world.links("node-n0") == links)
    assert world.helper_process().num_fds() == descriptors
    assert world.spaces() == spaces


def test_a_pod_has_ipv6_only_for_itself(world: World, nodes: Nodes) -> None:
    nodes(1)
    made = world.run_in("pod-n0-pod", "cat", "/proc/net/if_inet6")
    assert [line.split()[-1] for line in made.splitlines()] == ["lo"]
    assert socket.inet_ntop(socket.AF_INET6, bytes.fromhex(made.split()[0])) == "::1"


def test_a_pod_needs_no_right_for_low_ports(world: World, nodes: Nodes) -> None:
    nodes(1)
    assert world.run_in("pod-n0-pod", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start").strip() == "0"


def test_who_asks_for_rules_or_sockets_right_behind_the_network_need_not_wait_for_it(world: World, nodes: Nodes) -> None:
    nodes(1)
    driver, answers = world.driver, queue.SimpleQueue[Any]()
    driver.ensure_node("n7", 7, answers.put)
    driver.ensure_pod("n7-pod", "n7", "10.244.8.2", answers.put)
    driver.forget_flows("n7", "TCP", (), answers.put)
    driver.socket_now("pod/n7-pod", LIMIT_S).close()
    heard = [answers.get(timeout=LIMIT_S) for _ in range(3)]
    assert not any(isinstance(answer, NetworkFailed) for answer in heard)
    asked(driver.remove_node, "n7")


def test_pods_know_their_node_and_nodes_their_pods_without_asking(world: World, nodes: Nodes) -> None:
    nodes(1)
    assert world.run_in("pod-n0-pod", "ip", "neigh") == "169.254.1.1 dev eth0 lladdr 02:58:0a:f4:01:02 PERMANENT \n"
    known = world.run_in("node-n0", "ip", "neigh").splitlines()
    assert "10.244.1.2 dev v2 lladdr 0a:58:0a:f4:01:02 PERMANENT " in known
    assert "172.31.0.2 dev eth0 lladdr 0a:58:ac:1f:00:02 PERMANENT " in known
    assert "172.31.0.254 dev eth0 lladdr 0a:58:ac:1f:00:fe PERMANENT " in known
