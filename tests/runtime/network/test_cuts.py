"""Cuts between nodes: what is lost, what is not, that it heals; a node without power says nothing more."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from callboard.runtime.helpers.wire import Done
from tests.runtime.network.conftest import Nodes, with_pod
from tests.runtime.network.world import LIMIT_S, Server, World, asked, connected, talk

SILENCE_S = 0.1


def silent(one: socket.socket, other: socket.socket) -> None:
    """Nothing comes through in either direction; what was said is on its way until the cut is healed."""
    for sender, receiver in ((one, other), (other, one)):
        sender.sendall(b"lost")
        receiver.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            receiver.recv(100)
        receiver.settimeout(LIMIT_S)


def arrives(one: socket.socket, other: socket.socket) -> None:
    """What was said in `silent` comes through after all."""
    for receiver in (one, other):
        assert receiver.recv(4, socket.MSG_WAITALL) == b"lost"


@contextmanager
def conversation(world: World, client: str, server: str, index: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection from a place to the pod of a node."""
    with (
        Server(world.driver, f"pod/{server}-pod", "0.0.0.0", 0) as listener,
        connected(world.driver, client, f"10.244.{index + 1}.2", listener.socket.getsockname()[1]) as one,
        listener.accept() as other,
    ):
        talk(one, other)
        yield one, other


def unreachable(world: World, where: str, address: str) -> None:
    with pytest.raises(TimeoutError):
        connected(world.driver, where, address, 80, SILENCE_S)


def test_two_nodes_that_are_cut_hear_nothing_of_each_other_and_a_third_hears_both(world: World, nodes: Nodes) -> None:
    nodes(3)
    with (
        conversation(world, "pod/n0-pod", "n1", 1) as apart,
        conversation(world, "pod/n2-pod", "n1", 1) as beside,
        conversation(world, "node/n2", "n0", 0) as also_beside,
        conversation(world, "edge", "n0", 0) as from_the_edge,
    ):
        assert asked(world.driver.cut, "n0", ("n1",)) == Done()
        silent(*apart)
        for pair in (beside, also_beside, from_the_edge):
            talk(*pair)
        unreachable(world, "pod/n0-pod", "10.244.2.2")
        unreachable(world, "pod/n1-pod", "10.244.1.2")
        unreachable(world, "node/n1", "172.31.0.1")
        asked(world.driver.heal, "n1", ("n0",))
        arrives(*apart)
        talk(*apart)


def test_a_node_that_is_unplugged_reaches_nobody_but_itself(world: World, nodes: Nodes) -> None:
    nodes(2)
    asked(world.driver.ensure_pod, "neighbour", "n0", "10.244.1.7")
    with (
        conversation(world, "pod/n0-pod", "n1", 1) as across,
        conversation(world, "edge", "n0", 0) as from_the_edge,
        conversation(world, "pod/neighbour", "n0", 0) as at_home,
    ):
        asked(world.driver.cut, "n0")
        silent(*across)
        silent(*from_the_edge)
        talk(*at_home)
        asked(world.driver.heal, "n0")
        for pair in (across, from_the_edge):
            arrives(*pair)
            talk(*pair)


def test_a_node_that_is_cut_from_the_edge_is_reached_by_its_peers_only(world: World, nodes: Nodes) -> None:
    nodes(2)
    with conversation(world, "edge", "n0", 0) as outside, conversation(world, "pod/n1-pod", "n0", 0) as inside:
        asked(world.driver.cut, "n0", ("edge",))
        silent(*outside)
        talk(*inside)
        asked(world.driver.heal, "n0")
        arrives(*outside)


def test_healing_without_peers_takes_back_all_cuts_of_the_node_and_no_others(world: World, nodes: Nodes) -> None:
    nodes(3)
    with (
        conversation(world, "pod/n0-pod", "n1", 1) as one,
        conversation(world, "pod/n2-pod", "n0", 0) as two,
        conversation(world, "pod/n1-pod", "n2", 2) as three,
    ):
        asked(world.driver.cut, "n0", ("n1", "n2"))
        asked(world.driver.cut, "n1", ("n2",))
        for pair in (one, two, three):
            silent(*pair)
        asked(world.driver.heal, "n0")
        arrives(*one)
        arrives(*two)
        three[0].settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            three[0].recv(4)
        asked(world.driver.heal, "n1", ("n2",))


def test_a_cut_of_a_node_that_is_not_there_yet_or_is_made_anew_holds_once_it_is(world: World, nodes: Nodes) -> None:
    nodes(2)
    asked(world.driver.cut, "n0", ("late",))
    asked(world.driver.cut, "later")
    with_pod(world, "late", 100)
    with_pod(world, "later", 101)
    unreachable(world, "pod/n0-pod", "10.244.101.2")
    unreachable(world, "pod/late-pod", "10.244.1.2")
    unreachable(world, "pod/n0-pod", "10.244.102.2")
    asked(world.driver.crash_node, "n0")
    with_pod(world, "n0", 0)
    unreachable(world, "pod/n0-pod", "10.244.101.2")
    with conversation(world, "pod/n1-pod", "late", 100):
        pass
    for node in ("late", "later"):
        asked(world.driver.remove_node, node)
    with_pod(world, "late", 100)
    with conversation(world, "pod/n0-pod", "late", 100):
        pass
    asked(world.driver.remove_node, "late")


def test_peers_of_a_node_without_power_are_not_even_told_that_their_connections_end(world: World, nodes: Nodes) -> None:
    nodes(2)
    with conversation(world, "pod/n1-pod", "n0", 0) as (peer, lost):
        asked(world.driver.crash_node, "n0")
        lost.close()
        peer.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            peer.recv(1)


def test_datagrams_are_cut_too(world: World, nodes: Nodes) -> None:
    nodes(2)
    with world.driver.socket_now("pod/n0-pod", LIMIT_S, "udp") as one, world.driver.socket_now("pod/n1-pod", LIMIT_S, "udp") as other:
        other.bind(("0.0.0.0", 5353))
        one.sendto(b"before", ("10.244.2.2", 5353))
        other.settimeout(LIMIT_S)
        assert other.recv(100) == b"before"
        asked(world.driver.cut, "n0", ("n1",))
        one.sendto(b"cut", ("10.244.2.2", 5353))
        other.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            other.recv(100)
        asked(world.driver.heal, "n0")
        one.sendto(b"after", ("10.244.2.2", 5353))
        other.settimeout(LIMIT_S)
        assert other.recv(100) == b"after"
