"""Ports of pods at their node's address, as decisions: which there are, what is refused, which rules they make."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from callboard.models.api import core, meta
from callboard.runtime.containers.process_hostports import HostPort, host_ports_of, refused, rules_of
from callboard.runtime.isolation.levels import C0, Level

A = Level("A", network=True, confined=True, rules=True)
PORTS = (HostPort("u1", "TCP", 8080, "10.244.1.2", 80), HostPort("u2", "UDP", 53, "10.244.1.3", 5353))


def pod(host_network: bool = False, **port: object) -> core.Pod:
    ports = (core.ContainerPort(container_port=80, **port), core.ContainerPort(container_port=81))  # type: ignore[arg-type]
    spec = core.PodSpec(containers=(core.Container(name="web", ports=ports),), host_network=host_network)
    return core.Pod(metadata=meta.ObjectMeta(name="a", uid="u1"), spec=spec)


def test_a_pod_has_the_host_ports_that_its_containers_name() -> None:
    assert host_ports_of(pod(host_port=8080), "10.244.1.2") == (HostPort("u1", "TCP", 8080, "10.244.1.2", 80),)
    assert host_ports_of(pod(host_port=8080, protocol="UDP"), "10.244.1.2")[0].protocol == "UDP"
    assert host_ports_of(pod(host_network=True, host_port=80), "172.31.0.1") == (), "it listens there itself"


@pytest.mark.parametrize(
    ("level", "port", "words"),
    [
        (A, {"host_port": 8080}, ""),
        (A, {"host_port": 8080, "host_ip": "172.31.0.1"}, ""),
        (A, {"host_port": 8080, "host_ip": "10.0.0.1"}, "hostIP 10.0.0.1 is no address of the node, which has 172.31.0.1"),
        (C0, {"host_port": 8080}, "hostPort 8080 is not possible at isolation level C0"),
        (C0, {"host_port": 8080, "host_network": True}, ""),
        (C0, {}, ""),
        (Level("B", network=True, confined=True), {"host_port": 8080}, "it takes nftables"),
    ],
)
def test_what_cannot_be_is_refused_in_words(level: Level, port: dict[str, object], words: str) -> None:
    found = refused(pod(**port), level, "172.31.0.1")  # type: ignore[arg-type]
    assert words in found
    assert bool(words) is bool(found)


def test_rules_lead_from_the_nodes_address_to_the_pods_and_back_through_the_node_where_a_pod_reaches_itself() -> None:
    rules = rules_of(PORTS, "172.31.0.1")
    assert "ip daddr 172.31.0.1 tcp dport 8080 dnat to 10.244.1.2:80\n" in rules
    assert "ip daddr 172.31.0.1 udp dport 53 dnat to 10.244.1.3:5353\n" in rules
    assert "ct status dnat ip saddr 10.244.1.2 ip daddr 10.244.1.2 masquerade\n" in rules
    assert rules_of(reversed(PORTS), "172.31.0.1") == rules, "the order in which pods come changes nothing"


def test_without_host_ports_nothing_is_left_of_the_rules() -> None:
    assert rules_of((), "172.31.0.1") == "table ip callboard-hostports\ndelete table ip callboard-hostports\n"


@pytest.mark.needs("nft")
def test_nft_takes_the_rules() -> None:
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")
    assert nft is not None
    for ports in (PORTS, ()):
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--net", nft, "-c", "-f", "-"],
            input=rules_of(ports, "172.31.0.1"),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
