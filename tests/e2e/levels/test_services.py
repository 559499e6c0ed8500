"""Services as programs in pods meet them: addresses, ports, spreading, affinity, names, and what happens to a pod that leaves."""

from __future__ import annotations

from collections import Counter
from functools import partial

from tests.e2e.levels.cells import Cell, row
from tests.e2e.levels.scripts import ask_udp, keep_asking, look_up
from tests.e2e.levels.yard import POD_IP, Yard, container, pod, server, service, until

ECHO = """
import os, socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((os.environ["POD_IP"], 5353))
while True:
    said, client = server.recvfrom(2048)
    server.sendto(os.environ["SAYS"].encode() + b" " + said, client)
"""


def _cluster_ip(yard: Yard, name: str) -> str:
    address: str = yard.verbs.get(f"service/{name}").spec.cluster_ip
    return address


def _endpoints(yard: Yard, name: str) -> int:
    """How many endpoints of a Service take connections."""
    slices = yard.verbs.list("endpointslices", selector=f"kubernetes.io/service-name={name}")
    return sum(endpoint.conditions is None or endpoint.conditions.ready is not False for one in slices for endpoint in one.endpoints or ())


def _two(yard: Yard, *manifests: dict[str, object], name: str = "web") -> None:
    """A client on one node, and two servers behind a Service, each on a node of its own, all of them in the table."""
    labels = {"app": name}
    yard.run(
        *manifests,
        pod("client", nodeName="node-1"),
        *(pod(f"{name}-{n}", server(f"{name}-{n}"), labels=labels, nodeName=f"node-{n}") for n in (1, 2)),
    )
    until(lambda: _endpoints(yard, name) == 2, "two endpoints")


def _answers(yard: Yard, url: str) -> bool:
    return not yard.fetch("client", url)[0].startswith("failed")


def _both_answer(yard: Yard, url: str) -> None:
    until(lambda: len({line.split()[0] for line in yard.fetch("client", url, times=4)} - {"failed"}) == 2, f"both pods answer at {url}")


@row("ClusterIP, spread evenly (one client's answers by pod differ by at most one)")
def test_requests_to_a_cluster_ip_are_spread_evenly(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        _two(yard, service("web"))
        url = f"http://{_cluster_ip(yard, 'web')}:8080/"
        _both_answer(yard, url)
        counts = Counter(line.split()[0] for line in yard.fetch("client", url, times=100))
        assert set(counts) == {"web-1", "web-2"}
        assert max(counts.values()) - min(counts.values()) <= 2, counts  # 1 % of the share of 50, plus one


@row("several ports, named ports")
def test_a_service_has_several_ports_and_finds_named_ones(cell: Cell, yard: Yard) -> None:
    ports = [{"name": "main", "port": 80, "targetPort": "http8080"}, {"name": "more", "port": 81, "targetPort": 8081}]
    if cell.level.startswith("C"):
        ports = [{**port, "port": 8000 + port["port"]} for port in ports]  # type: ignore[operator]
    with cell.judged():
        yard.run(service("web", *ports), pod("web", server("main", name="main"), server("more", name="more", port=8081)), pod("client"))
        address = _cluster_ip(yard, "web")
        for port in ports:
            url = f"http://{address}:{port['port']}/"
            until(partial(_answers, yard, url), f"an answer at {url}")
            assert yard.fetch("client", url)[0].split()[0] == port["name"]


@row("UDP")
def test_datagrams_reach_a_service(cell: Cell, yard: Yard) -> None:
    echo = container(command=["python3", "-c", ECHO], env=[POD_IP, {"name": "SAYS", "value": "echo"}])
    with cell.judged():
        yard.run(
            service("echo", {"port": 5300, "targetPort": 5353, "protocol": "UDP"}),
            pod("echo", {**echo, "image": "python:3.11"}),
            pod("client"),
        )
        ask = ask_udp(_cluster_ip(yard, "echo"), 5300)

        def answered() -> bool:
            done = yard.verbs.exec("pod/client", ["python3", "-c", ask], timeout=10)
            return done.stdout == "echo ping\n"

        until(answered, "an answer by UDP")


@row("NodePort, from outside")
def test_a_node_port_answers_from_outside(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        _two(yard, service("web", {"port": 8080}, type="NodePort"))
        port = yard.verbs.get("service/web").spec.ports[0].node_port
        assert 30_000 <= port <= 32_767
        answered = until(lambda: _from_outside(yard, "web"), "an answer from outside")
        assert answered.split()[0] in {"web-1", "web-2"}


def _from_outside(yard: Yard, name: str) -> str:
    import urllib.request

    try:
        with urllib.request.urlopen(yard.verbs.url(f"service/{name}"), timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


@row("sessionAffinity: ClientIP")
def test_a_client_stays_with_its_pod(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        _two(yard, service("web", sessionAffinity="ClientIP"))
        url = f"http://{_cluster_ip(yard, 'web')}:8080/"
        until(lambda: _answers(yard, url), "an answer")
        assert len({line.split()[0] for line in yard.fetch("client", url, times=20)}) == 1


@row("no endpoint: the connection is refused at once")
def test_without_an_endpoint_the_connection_is_refused(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(service("nobody"), pod("client"))
        url = f"http://{_cluster_ip(yard, 'nobody')}:8080/"
        wanted = "ConnectionResetError" if cell.kind == "emulated" else "ConnectionRefusedError"
        until(lambda: wanted in yard.fetch("client", url)[0], lambda: str(yard.fetch("client", url)))


@row("publishNotReadyAddresses")
def test_pods_that_are_not_ready_are_published_on_demand(cell: Cell, yard: Yard) -> None:
    never = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    with cell.judged():
        yard.run(pod("client"), service("all", app="shy", publishNotReadyAddresses=True), service("ready", app="shy"))
        yard.apply(pod("shy", server("shy", readinessProbe=never)))
        url = "http://{}:8080/".format
        until(lambda: yard.fetch("client", url(_cluster_ip(yard, "all")))[0].startswith("shy"), "the pod that is not ready answers")
        assert yard.fetch("client", url(_cluster_ip(yard, "ready")))[0].startswith("failed")


@row("a departing pod finishes its connections")
def test_a_departing_pod_finishes_its_connections(cell: Cell, yard: Yard) -> None:
    slow = server("slow", lifecycle={"preStop": {"exec": {"command": ["sleep", "4"]}}})
    with cell.judged():
        yard.run(service("slow"), pod("client"), pod("slow", slow, terminationGracePeriodSeconds=10))
        address = _cluster_ip(yard, "slow")
        until(lambda: yard.fetch("client", f"http://{address}:8080/")[0].startswith("slow"), "an answer")
        kept = container(command=["python3", "-c", keep_asking(address, 12, 0.25)])
        yard.apply(pod("patient", {**kept, "image": "python:3.11"}, restartPolicy="Never"))
        until(
            lambda: yard.verbs.get("pod/patient").status.phase == "Running" and "slow" in yard.verbs.logs("pod/patient"),
            lambda: yard.told("patient"),
        )
        yard.verbs.delete("pod/slow")
        until(lambda: yard.verbs.get("pod/patient").status.phase in ("Succeeded", "Failed"), lambda: yard.told("patient"))
        assert yard.verbs.logs("pod/patient").split() == ["slow"] * 12


@row("Services in the environment of later pods")
def test_services_are_in_the_environment_of_later_pods(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(service("early-bird"), pod("later"))
        assert yard.sh("later", "echo $EARLY_BIRD_SERVICE_HOST:$EARLY_BIRD_SERVICE_PORT") == f"{_cluster_ip(yard, 'early-bird')}:8080"


@row("a Service's name, short and full")
def test_a_services_name_is_known_in_pods(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(service("web"), pod("client"))
        for name in ("web", f"web.{yard.namespace}", f"web.{yard.namespace}.svc", f"web.{yard.namespace}.svc.cluster.local"):
            _resolves(cell, yard, name, _cluster_ip(yard, "web"))


@row("a headless Service's name means its pods")
def test_a_headless_services_name_means_its_pods(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(
            service("direct", clusterIP="None"),
            *(pod(f"direct-{n}", server(f"d{n}"), labels={"app": "direct"}) for n in (1, 2)),
            pod("client"),
        )
        _resolves(cell, yard, "direct", " ".join(sorted(yard.ip(f"direct-{n}") for n in (1, 2))))


@row("a StatefulSet-like pod's own name (hostname and subdomain)")
def test_a_pod_with_hostname_and_subdomain_has_a_name(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(
            service("direct", clusterIP="None"),
            pod("zero", server("z"), labels={"app": "direct"}, hostname="zero", subdomain="direct"),
            pod("client"),
        )
        _resolves(cell, yard, "zero.direct", yard.ip("zero"))


@row("ExternalName")
def test_an_external_name_leads_elsewhere(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        target = f"web.{yard.namespace}.svc.cluster.local"
        outer = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "alias"},
            "spec": {"type": "ExternalName", "externalName": target},
        }
        yard.run(service("web"), outer, pod("client"))
        _resolves(cell, yard, "alias", _cluster_ip(yard, "web"))


def _resolves(cell: Cell, yard: Yard, name: str, addresses: str) -> None:
    """In the client, a name means these addresses (with a space between)."""
    if cell.is_open:  # told by the file alone, so that no question leaves the machine
        assert yard.exec("client", f"grep -w {name} /etc/hosts").exit_code == 1
        return
    if cell.kind == "emulated":  # first the file, so that no question leaves the machine
        until(lambda: yard.exec("client", f"grep -w {name} /etc/hosts").exit_code == 0, lambda: yard.sh("client", "cat /etc/hosts"))

    def so() -> bool:
        return yard.verbs.exec("pod/client", ["python3", "-c", look_up(name)], timeout=20).stdout.strip() == addresses

    until(so, lambda: f"{name} means {addresses}: {yard.verbs.exec('pod/client', ['python3', '-c', look_up(name)], timeout=20)}")
