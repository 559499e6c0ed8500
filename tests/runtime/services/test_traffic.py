"""Connections to Services under the rules of nodes: who gets them, what they see, who is refused."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

import msgspec
import pytest

from callboard.models.messages.proxy import ListenFailed, ServicePort
from tests.runtime.network.world import LIMIT_S, asked
from tests.runtime.services.conftest import Cell, Pod

pytestmark = pytest.mark.needs("nft")
ADDRESS = "10.96.1.1"


def web(*pods: Pod, **more: Any) -> ServicePort:
    plain = ServicePort("default/web:http", ADDRESS, 80, "TCP", tuple(pod.endpoint for pod in pods))
    return msgspec.structs.replace(plain, **more)


def who(answer: str) -> str:
    return answer.split()[0]


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_one_client_after_the_other_goes_round_the_endpoints_of_both_nodes(cell: Cell, kind: str) -> None:
    pods = [cell.pod("n0", 1), cell.pod("n0", 2), cell.pod("n1", 1)]
    cell.serve(web(*pods, protocol=kind.upper()))
    for where in ("pod/n0-pod", "pod/n1-pod", "node/n0", "edge"):
        answers = Counter(who(cell.ask(where, ADDRESS, kind=kind)) for _ in range(30))
        assert answers == {"n0-p1": 10, "n0-p2": 10, "n1-p1": 10}, where


def test_an_endpoint_sees_the_pod_that_comes_and_its_node_where_it_comes_to_itself(cell: Cell) -> None:
    pod = cell.pod("n0", 1)
    cell.serve(web(pod))
    assert cell.ask("pod/n1-pod", ADDRESS) == "n0-p1 10.244.2.2"
    assert cell.ask("pod/n0-p1", ADDRESS) == "n0-p1 172.31.0.1"


def test_without_endpoints_connections_are_refused_at_once(cell: Cell) -> None:
    cell.serve(web(), web(protocol="UDP"))
    for where in ("pod/n0-pod", "node/n0", "edge"):
        with pytest.raises(ConnectionRefusedError):
            cell.ask(where, ADDRESS)
    with pytest.raises(ConnectionRefusedError):
        cell.ask("pod/n0-pod", ADDRESS, kind="udp")


def test_a_node_that_is_left_no_endpoint_drops_and_another_answers(cell: Cell) -> None:
    pod = cell.pod("n1", 1)
    cell.serve(web(pod), n0=(web(withheld=True),))
    with pytest.raises(TimeoutError):
        cell.ask("pod/n0-pod", ADDRESS, timeout_s=0.5)
    assert who(cell.ask("pod/n1-pod", ADDRESS)) == "n1-p1"


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_client_keeps_its_endpoint_until_that_is_gone(cell: Cell, kind: str) -> None:
    pods = [cell.pod("n0", 1), cell.pod("n0", 2), cell.pod("n1", 1)]
    cell.serve(web(*pods, affinity_s=600, protocol=kind.upper()))
    kept = {where: {who(cell.ask(where, ADDRESS, kind=kind)) for _ in range(6)} for where in ("pod/n0-pod", "pod/n0-p2", "pod/n1-pod")}
    assert all(len(of_one) == 1 for of_one in kept.values())
    assert kept["pod/n0-pod"] != kept["pod/n0-p2"], "clients of one node are spread"
    (mine,) = kept["pod/n0-pod"]
    left = [pod for pod in pods if pod.uid != mine]
    cell.serve(web(*left, affinity_s=600, protocol=kind.upper()))
    assert len({who(cell.ask("pod/n0-pod", ADDRESS, kind=kind)) for _ in range(6)} - {mine}) == 1
    cell.serve(web(*pods, affinity_s=600, protocol=kind.upper()))
    assert len({who(cell.ask("pod/n0-pod", ADDRESS, kind=kind)) for _ in range(6)} - {mine}) == 1, "others' coming back changes nothing"


def test_a_node_port_answers_at_every_node_and_hides_who_comes_from_outside(cell: Cell) -> None:
    pod = cell.pod("n1", 1)
    served = web(pod, node_port=30080, outside=(pod.endpoint,))
    cell.serve(served)
    assert cell.ask("edge", "172.31.0.1", 30080) == "n1-p1 172.31.0.1"
    assert cell.ask("edge", "172.31.0.2", 30080) == "n1-p1 172.31.0.2"
    assert who(cell.ask("pod/n0-pod", "172.31.0.2", 30080)) == "n1-p1"
    for number in (1, 2):
        with socket.create_connection((f"127.{cell.block}.{number}.1", 30080), LIMIT_S) as client:
            assert client.recv(100).decode() == f"n1-p1 172.31.0.{number}", "the host comes in by the edge"


def test_a_local_node_port_answers_at_the_pods_node_and_shows_who_comes(cell: Cell) -> None:
    pod = cell.pod("n1", 1)
    local = web(pod, node_port=30080, local_outside=True)
    here, elsewhere = msgspec.structs.replace(local, outside=(pod.endpoint,)), msgspec.structs.replace(local, outside_withheld=True)
    cell.serve(local, n0=(elsewhere,), n1=(here,))
    assert cell.ask("edge", "172.31.0.2", 30080) == "n1-p1 172.31.0.254"
    with pytest.raises(TimeoutError):
        cell.ask("edge", "172.31.0.1", 30080, timeout_s=0.5)
    assert who(cell.ask("pod/n0-pod", "172.31.0.1", 30080)) == "n1-p1", "pods go the Service's way"


def test_a_node_port_of_datagrams_is_reached_from_the_host(cell: Cell) -> None:
    pod = cell.pod("n1", 1)
    cell.serve(web(pod, protocol="UDP", node_port=30080, outside=(pod.endpoint,)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT_S)
        client.connect((f"127.{cell.block}.1.1", 30080))
        client.send(b"?")
        assert who(client.recv(100).decode()) == "n1-p1"


def test_a_connection_goes_on_while_its_endpoint_leaves_and_comes_to_an_end_with_it(cell: Cell) -> None:
    """The pod is served by hand here, so that one connection stays open."""
    leaving, staying = cell.pod("n0", 1), cell.pod("n1", 1)
    with cell.world.driver.socket_now("pod/n0-p1", LIMIT_S) as listener:
        listener.bind(("0.0.0.0", 9090))
        listener.listen()
        cell.serve(web(endpoints=((leaving.address, 9090),)))
        with cell.world.driver.socket_now("pod/n1-pod", LIMIT_S) as client:
            client.settimeout(LIMIT_S)
            client.connect((ADDRESS, 80))
            server, _ = listener.accept()
            cell.serve(web(staying))
            with server:
                client.sendall(b"still")
                assert server.recv(5) == b"still"
                server.sendall(b"here")
                assert client.recv(4) == b"here"
            assert who(cell.ask("pod/n1-pod", ADDRESS)) == "n1-p1"
            assert client.recv(1) == b""


def test_a_client_of_datagrams_that_goes_on_sending_gets_an_endpoint_that_answers(cell: Cell) -> None:
    pods = [cell.pod("n0", 1), cell.pod("n1", 1)]
    cell.serve(web(*pods, protocol="UDP"))
    with cell.world.driver.socket_now("pod/n1-pod", LIMIT_S, "udp") as client:
        client.settimeout(LIMIT_S)
        client.connect((ADDRESS, 80))
        client.send(b"?")
        first = who(client.recv(100).decode())
        client.send(b"?")
        assert who(client.recv(100).decode()) == first, "one flow, one endpoint"
        (other,) = [pod for pod in pods if pod.uid != first]
        cell.serve(web(other, protocol="UDP"))

        def moved() -> bool:  # the flow is forgotten right after the rules are in force
            client.send(b"?")
            return who(client.recv(100).decode()) == other.uid

        cell.world.until(moved)


def test_a_cut_between_nodes_cuts_a_services_traffic_and_heals(cell: Cell) -> None:
    pod = cell.pod("n1", 1)
    cell.serve(web(pod))
    assert who(cell.ask("pod/n0-pod", ADDRESS)) == "n1-p1"
    asked(cell.world.driver.cut, "n0", ("n1",))
    with pytest.raises(OSError):
        cell.ask("pod/n0-pod", ADDRESS, timeout_s=0.5)
    assert who(cell.ask("pod/n1-pod", ADDRESS)) == "n1-p1"
    asked(cell.world.driver.heal, "n0", ("n1",))
    assert who(cell.ask("pod/n0-pod", ADDRESS)) == "n1-p1"


def test_the_outside_opens_a_service_by_a_door(cell: Cell) -> None:
    pod = cell.pod("n0", 1)
    cell.serve(web(pod, port=8080))
    found = cell.locate()
    assert not found.problem
    with socket.create_connection((found.address, found.port), LIMIT_S) as client:
        assert client.recv(100).decode() == "n0-p1 172.31.0.254"


def test_a_node_port_that_the_host_does_not_have_is_told(cell: Cell) -> None:
    pod = cell.pod("n0", 1)
    with socket.create_server((f"127.{cell.block}.1.1", 30080)):
        cell.serve(web(pod, node_port=30080, outside=(pod.endpoint,)))
        failed = cell.heard.get(timeout=LIMIT_S)
        assert isinstance(failed, ListenFailed)
        assert "another program listens there" in failed.reason


def test_after_its_helper_was_lost_a_data_plane_puts_the_rules_in_force_again(cell: Cell) -> None:
    """They outlive the helper; what counts is that a whole rule set is taken in where there is one already."""
    pod = cell.pod("n0", 1)
    cell.serve(web(pod))
    cell.system.crash("dataplane/n0")
    cell.system.restart("dataplane/n0")
    cell.serve(web(pod), web(pod, service_key="default/other", cluster_ip="10.96.1.2"))
    assert who(cell.ask("pod/n0-pod", "10.96.1.2")) == "n0-p1"
