"""Names inside real containers, where pods have a network of their own: records of all kinds, and what a pod's spec says of names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from dnslib import RCODE, DNSRecord

from callboard import Cluster
from callboard.runtime.dns.driver import MODULE
from tests.e2e.levels import choice
from tests.e2e.levels.yard import Yard, pod, service, until

DNS = "10.96.0.10"
EXCHANGE = """
import json, socket, sys
kind, data = sys.argv[1], bytes.fromhex(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
    sock.settimeout(5)
    sock.connect(("10.96.0.10", 53))
    if kind == "tcp":
        sock.sendall(len(data).to_bytes(2, "big") + data)
        file = sock.makefile("rb")
        print(file.read(int.from_bytes(file.read(2), "big")).hex())
    else:
        sock.send(data)
        print(sock.recv(65535).hex())
"""


@pytest.fixture(scope="module", params=[level for level in choice.to_test() if level in ("A", "B")])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if words := choice.why_not(request.param):
        text = f"this machine has no level {request.param}: {words}"
        pytest.fail(text, pytrace=False) if choice.is_obligatory(request.param) else pytest.skip(text)
    with Cluster(nodes=2, containers="process", isolation=request.param, timing="fast") as running:
        Yard(running, "default").run(pod("client"))
        yield running


@pytest.fixture
def yard(cluster: Cluster) -> Yard:
    return Yard(cluster, "default")


def asked(yard: Yard, name: str, kind: str = "A", by: str = "udp", who: str = "client") -> Any:
    """What a container is answered, read by dnslib."""
    query = DNSRecord.question(name, kind)
    done = yard.verbs.exec(f"pod/{who}", ["python3", "-c", EXCHANGE, by, query.pack().hex()], timeout=30)
    assert done.exit_code == 0, done.stderr
    reply = DNSRecord.parse(bytes.fromhex(done.stdout.strip()))
    assert reply.header.id == query.header.id
    return reply


def data(reply: Any) -> list[str]:
    return sorted(str(record.rdata) for record in reply.rr)


def test_records_of_all_kinds_are_answered_over_udp_and_tcp(yard: Yard) -> None:
    yard.apply(service("web", {"name": "http", "port": 80, "targetPort": 8080}))
    address = yard.verbs.get("service/web").spec.cluster_ip
    whole = "web.default.svc.cluster.local"
    until(lambda: data(asked(yard, whole)) == [address], "the address is answered")
    for by in ("udp", "tcp"):
        assert data(asked(yard, f"_http._tcp.{whole}", "SRV", by)) == [f"0 100 80 {whole}."]
        assert data(asked(yard, ".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR", by)) == [f"{whole}."]
        assert data(asked(yard, "dns-version.cluster.local", "TXT", by)) == ['"1.1.0"']
        assert data(asked(yard, f"{yard.ip('client').replace('.', '-')}.default.pod.cluster.local", by=by)) == [yard.ip("client")]
        assert (asked(yard, whole, "AAAA", by).header.rcode, data(asked(yard, whole, "AAAA", by))) == (RCODE.NOERROR, [])
        assert asked(yard, "absent.default.svc.cluster.local", by=by).header.rcode == RCODE.NXDOMAIN
        assert asked(yard, "example.com", by=by).header.rcode == RCODE.NXDOMAIN
    assert yard.verbs.resolve("web").addresses == (address,)


def test_a_name_comes_and_goes_with_its_service(yard: Yard) -> None:
    whole = "brief.default.svc.cluster.local"
    yard.apply(service("brief"))
    until(lambda: asked(yard, whole).header.rcode == RCODE.NOERROR, "the name is known")
    yard.verbs.delete("service/brief")
    until(lambda: asked(yard, whole).header.rcode == RCODE.NXDOMAIN, "the name is unknown again")


def test_a_pod_is_called_and_asks_as_its_spec_says(yard: Yard) -> None:
    config = {"nameservers": [DNS], "searches": ["kube-system.svc.cluster.local"], "options": [{"name": "ndots", "value": "2"}]}
    alias = {"ip": "192.0.2.7", "hostnames": ["first.example", "second"]}
    named: dict[str, Any] = {"hostname": "zero", "subdomain": "peers", "setHostnameAsFQDN": True}
    yard.run(pod("own", dnsPolicy="None", dnsConfig=config, hostAliases=[alias], **named))
    assert yard.sh("own", "cat /etc/resolv.conf").splitlines() == [
        "search kube-system.svc.cluster.local",
        f"nameserver {DNS}",
        "options ndots:2",
    ]
    full = "zero.peers.default.svc.cluster.local"
    assert yard.sh("own", "hostname") == full
    assert yard.sh("own", "getent hosts zero").split() == [yard.ip("own"), full, "zero"]
    assert yard.sh("own", "getent hosts second").split()[0] == "192.0.2.7"


def test_a_pod_on_the_nodes_network_may_ask_too(yard: Yard) -> None:
    yard.apply(service("web", {"name": "http", "port": 80, "targetPort": 8080}))
    yard.run(pod("host", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"))
    address = yard.verbs.get("service/web").spec.cluster_ip
    until(lambda: yard.exec("host", "getent ahostsv4 web").stdout.split()[:1] == [address], "the node's pod finds the name")


def test_after_the_helper_was_killed_names_are_known_again(yard: Yard) -> None:
    yard.apply(service("web", {"name": "http", "port": 80, "targetPort": 8080}))
    folder = yard.cluster.folder
    assert folder is not None
    (helper,) = [one for one in psutil.process_iter(["cmdline"]) if MODULE in (line := one.info["cmdline"] or []) and folder in line]
    helper.kill()

    def known() -> bool:
        done = yard.exec("client", "getent ahostsv4 web", timeout_s=40)
        return done.exit_code == 0

    until(known, "the name is known again", 60)


def test_the_pods_of_a_stateful_set_have_names_that_outlive_them(yard: Yard) -> None:
    labels = {"app": "db"}
    spec = pod("db", labels=labels)["spec"]
    yard.apply(
        service("db", clusterIP="None"),
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db"},
            "spec": {
                "replicas": 2,
                "serviceName": "db",
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
    )
    yard.verbs.wait("statefulset/db", timeout="60s")

    def named() -> bool:
        return all(data(asked(yard, f"db-{n}.db.default.svc.cluster.local")) == [yard.ip(f"db-{n}")] for n in (0, 1))

    until(named, "both are found by their names")
    assert yard.verbs.exec("pod/db-1", ["hostname"], timeout=30).stdout.strip() == "db-1"
    before = yard.verbs.get("pod/db-1").metadata.uid
    yard.verbs.delete("pod/db-1", wait=True)
    yard.verbs.wait("statefulset/db", timeout="60s")
    assert yard.verbs.get("pod/db-1").metadata.uid != before
    until(named, "its successor is found by the same name")
