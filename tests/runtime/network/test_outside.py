"""Ways in from outside: sockets of the host whose connections come out inside the cell."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from callboard.runtime.network.messages import NetworkFailed, OutsideListener
from tests.runtime.network.conftest import Nodes
from tests.runtime.network.world import LIMIT_S, Server, World, asked, talk

LARGE = bytes(range(256)) * 40_000
"""Ten megabytes: more than all buffers on the way."""


@contextlib.contextmanager
def door(world: World, node: str, address: str, port: int, protocol: str = "TCP", key: str = "door") -> Iterator[tuple[str, int]]:
    """The address on the host of a way in, which is closed at the end."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        if protocol == "TCP":
            sock.listen()
        told = asked(world.driver.listen_outside, key, sock, node, address, port, protocol)
        place: tuple[str, int] = sock.getsockname()
        assert told == OutsideListener(key, *place, node, address, port, protocol)
    yield place
    asked(world.driver.close_outside, key)


def entered(place: tuple[str, int]) -> socket.socket:
    return socket.create_connection(place, LIMIT_S)


def enter_and_listen(place: tuple[str, int]) -> None:
    """A reset may come before or after the connection is known here."""
    with entered(place) as client:
        client.recv(1)


@pytest.mark.parametrize(("node", "seen_from"), [("n1", "172.31.0.2"), ("n0", "172.31.0.1"), ("", "172.31.0.254")])
def test_a_connection_comes_out_at_the_node_that_was_named(world: World, nodes: Nodes, node: str, seen_from: str) -> None:
    nodes(2)
    with (
        Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server,
        door(world, node, "10.244.1.2", 80) as place,
        entered(place) as client,
        server.accept() as accepted,
    ):
        talk(client, accepted)
        assert accepted.getpeername()[0] == seen_from


def test_each_direction_ends_by_itself_and_nothing_is_lost(world: World, nodes: Nodes) -> None:
    nodes(1)
    got: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def serve(server: Server) -> None:
        with server.accept() as accepted:
            got.put(_all(accepted))
            accepted.sendall(LARGE)

    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server, door(world, "n0", "10.244.1.2", 80) as place:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with entered(place) as client:
            client.sendall(LARGE)
            client.shutdown(socket.SHUT_WR)
            assert _all(client) == LARGE
        thread.join(LIMIT_S)
    assert got.get(timeout=LIMIT_S) == LARGE


def test_a_server_that_speaks_first_and_leaves_at_once_is_heard(world: World, nodes: Nodes) -> None:
    nodes(1)

    def serve(server: Server) -> None:
        for _ in range(50):
            with server.accept() as accepted:
                accepted.sendall(b"220 ready")

    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 25) as server, door(world, "n0", "10.244.1.2", 25) as place:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        for _ in range(50):
            with entered(place) as client:
                assert _all(client) == b"220 ready"
        thread.join(LIMIT_S)


def test_a_client_that_reads_nothing_holds_up_nobody_else_and_no_memory(world: World, nodes: Nodes) -> None:
    nodes(1)
    with (
        Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server,
        door(world, "n0", "10.244.1.2", 80) as place,
        entered(place) as slow,
        server.accept() as to_slow,
        entered(place) as quick,
        server.accept() as to_quick,
    ):
        to_slow.setblocking(False)
        sent, last_s = 0, time.monotonic()
        while sent < 100_000_000 and time.monotonic() < last_s + 0.5:  # until for so long nothing more was taken
            with contextlib.suppress(BlockingIOError):
                sent, last_s = sent + to_slow.send(LARGE), time.monotonic()
        assert sent < 50_000_000
        talk(quick, to_quick)
        slow.shutdown(socket.SHUT_RDWR)


def test_a_port_where_nobody_listens_resets_whoever_comes(world: World, nodes: Nodes) -> None:
    nodes(1)
    for node in ("n0", "nowhere"):
        with door(world, node, "10.244.1.2", 81) as place, pytest.raises(ConnectionResetError):
            enter_and_listen(place)


def test_a_reset_on_either_side_is_one_on_the_other(world: World, nodes: Nodes) -> None:
    nodes(1)
    reset = (socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server, door(world, "n0", "10.244.1.2", 80) as place:
        with entered(place) as client:
            accepted = server.accept()
            talk(client, accepted)
            accepted.setsockopt(*reset)
            accepted.close()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        client = entered(place)
        with server.accept() as accepted:
            talk(client, accepted)
            client.setsockopt(*reset)
            client.close()
            with pytest.raises(ConnectionResetError):
                accepted.recv(1)


def test_a_closed_door_refuses_and_what_stands_goes_on(world: World, nodes: Nodes) -> None:
    nodes(1)
    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server:
        with door(world, "n0", "10.244.1.2", 80) as place:
            client, accepted = entered(place), server.accept()
            talk(client, accepted)
        with client, accepted:
            talk(client, accepted)
            with pytest.raises(ConnectionRefusedError):
                entered(place)
            assert world.driver.state_now().outside == ()


def test_a_door_can_lead_elsewhere_without_another_socket(world: World, nodes: Nodes) -> None:
    nodes(1)
    with (
        Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as first,
        Server(world.driver, "pod/n0-pod", "0.0.0.0", 81) as second,
        door(world, "n0", "10.244.1.2", 80) as place,
        entered(place) as before,
        first.accept() as accepted_before,
    ):
        talk(before, accepted_before)
        assert asked(world.driver.listen_outside, "door", None, "n0", "10.244.1.2", 81).host_port == place[1]
        with entered(place) as after, second.accept() as accepted_after:
            talk(after, accepted_after)
            talk(before, accepted_before)


def test_connections_end_with_the_node_where_they_come_out(world: World, nodes: Nodes) -> None:
    nodes(2)
    with (
        Server(world.driver, "pod/n1-pod", "0.0.0.0", 80) as server,
        door(world, "n0", "10.244.2.2", 80) as place,
        entered(place) as client,
        server.accept() as accepted,
    ):
        talk(client, accepted)
        asked(world.driver.crash_node, "n0")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_datagrams_come_in_and_answers_go_to_who_asked(world: World, nodes: Nodes) -> None:
    nodes(1)
    with (
        world.driver.socket_now("pod/n0-pod", LIMIT_S, "udp") as server,
        door(world, "n0", "10.244.1.2", 5353, "UDP") as place,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        server.bind(("0.0.0.0", 5353))
        for sock in (server, one, two):
            sock.settimeout(LIMIT_S)
        one.sendto(b"from one", place)
        data, sender_one = server.recvfrom(100)
        two.sendto(b"from two", place)
        more, sender_two = server.recvfrom(100)
        server.sendto(more + b", answered", sender_two)
        server.sendto(data + b", answered", sender_one)
        assert one.recv(100) == b"from one, answered"
        assert two.recv(100) == b"from two, answered"
        one.sendto(b"again", place)
        assert server.recvfrom(100) == (b"again", sender_one)


def test_datagrams_to_nobody_are_lost_and_the_door_stays_open(world: World, nodes: Nodes) -> None:
    nodes(1)
    with door(world, "n0", "10.244.1.2", 5353, "UDP") as place, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(3):
            client.sendto(b"nobody", place)
        with world.driver.socket_now("pod/n0-pod", LIMIT_S, "udp") as server:
            server.bind(("0.0.0.0", 5353))
            server.settimeout(0.2)
            got = b""
            while got != b"somebody":  # the first may meet the refusal that the ones before have caused
                client.sendto(b"somebody", place)
                with contextlib.suppress(TimeoutError):
                    got = server.recv(100)


def test_what_is_no_door_is_refused_in_words(world: World) -> None:
    answers: list[Any] = [
        asked(world.driver.listen_outside, "none", None, "", "10.244.1.2", 80),
        asked(world.driver.listen_outside, "odd", socket.socket(), "", "10.244.1.2", 80, "SCTP"),
    ]
    assert all(isinstance(answer, NetworkFailed) for answer in answers)
    assert "no such listener" in answers[0].message
    assert "no protocol that can be relayed" in answers[1].message
    for key in ("none", "odd"):
        asked(world.driver.close_outside, key)


def test_at_the_limit_of_open_files_accepting_pauses_and_goes_on(own_world: World) -> None:
    world = own_world
    asked(world.driver.ensure_node, "n0", 0)
    asked(world.driver.ensure_pod, "n0-pod", "n0", "10.244.1.2")
    helper = world.helper_process()
    before = helper.rlimit(psutil.RLIMIT_NOFILE)
    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server, door(world, "n0", "10.244.1.2", 80) as place:
        helper.rlimit(psutil.RLIMIT_NOFILE, (helper.num_fds() + 4, before[1]))
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(entered(place)) for _ in range(8)]
            stack.enter_context(server.accept())
            world.until(lambda: "accepting pauses" in (world.state_dir / "network.log").read_text())
        del crowd
        helper.rlimit(psutil.RLIMIT_NOFILE, before)
        with entered(place) as client:
            client.sendall(b"?")
            got = b""
            while got != b"?":  # those of the crowd come first, and have nothing to say
                with server.accept() as accepted, contextlib.suppress(ConnectionResetError):
                    got = accepted.recv(1)
    assert (world.state_dir / "network.log").read_text().count("accepting pauses") == 1


def _all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(1_000_000):
        parts.append(part)
    return b"".join(parts)
