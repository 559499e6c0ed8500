"""Services of every kind where containers are simulated: the same rules as with real traffic, node by node, and under faults."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard import Behaviour, Simulation, Unavailable
from callboard.models.messages.runtime import Routed, RouteRequest

LABELS = {"app": "web"}


def service(**spec: Any) -> dict[str, Any]:
    plain = {"selector": LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": plain}


def pod(name: str, node: str, image: str = "web:1", **spec: Any) -> dict[str, Any]:
    container = {"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    plain = {"nodeName": node, "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": LABELS}, "spec": plain}


def ready(s: Simulation, *pods: dict[str, Any]) -> None:
    """Have these pods, and wait until all proxies know them."""
    s.apply(list(pods))
    for one in pods:
        s.wait(f"pod/{one['metadata']['name']}", "Ready", timeout="1m")
    s.settle()


def ask(s: Simulation, node: str, port: str = "", client: str = "") -> str:
    """What the proxy of a node brings back, or why it brings nothing."""
    fields = ("default", "web", port, "GET", "/", (), b"", client)
    routed = s._system.ask(f"proxy/{node}", lambda number, me: RouteRequest(number, me, *fields), 30.0)
    assert isinstance(routed, Routed)
    return routed.problem or routed.body.decode().strip()


def test_every_node_goes_round_all_endpoints() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(service())
        ready(s, pod("a", "node-1"), pod("b", "node-2"), pod("c", "node-2"))
        for node in ("node-1", "node-2"):
            assert Counter(ask(s, node) for _ in range(9)) == {"a": 3, "b": 3, "c": 3}


def test_a_client_keeps_its_endpoint_for_as_long_as_the_service_says() -> None:
    config = {"clientIP": {"timeoutSeconds": 60}}
    with Simulation(nodes=1, seed=1) as s:
        s.apply(service(sessionAffinity="ClientIP", sessionAffinityConfig=config))
        ready(s, pod("a", "node-1"), pod("b", "node-1"))
        kept = {client: {ask(s, "node-1", client=client) for _ in range(4)} for client in ("10.0.0.1", "10.0.0.2")}
        assert sorted(map(sorted, kept.values())) == [["a"], ["b"]]
        (mine,) = kept["10.0.0.1"]
        s.advance("50s")
        assert ask(s, "node-1", client="10.0.0.1") == mine
        s.advance("50s")
        assert ask(s, "node-1", client="10.0.0.1") == mine, "the time counts from the last connection"
        s.advance("61s")
        assert len({ask(s, "node-1", client=client) for client in ("10.0.0.1", "10.0.0.3")}) == 2, "it may be anybody's turn again"
        s.delete(f"pod/{mine}", wait=True)
        s.settle()
        assert len({ask(s, "node-1", client="10.0.0.1") for _ in range(4)} - {mine}) == 1


def test_a_node_port_answers_everywhere_and_a_local_one_where_its_pods_are() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(service(type="NodePort", ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}]))
        ready(s, pod("a", "node-1"))
        assert (ask(s, "node-1", "30080"), ask(s, "node-2", "30080"), s.request("service/web", port=30080).text) == ("a", "a", "a")
        s.patch("service/web", {"spec": {"externalTrafficPolicy": "Local"}})
        s.settle()
        assert ask(s, "node-1", "30080") == "a"
        assert ask(s, "node-2", "30080") == 'service "web" has no endpoint on node-2, and its traffic policy is Local'
        assert ask(s, "node-2", "80") == "a", "the policy is for the outside"


def test_an_internal_policy_keeps_traffic_on_its_node() -> None:
    with Simulation(nodes=3, seed=1) as s:
        s.apply(service(internalTrafficPolicy="Local"))
        ready(s, pod("a", "node-1"), pod("b", "node-2"))
        assert {ask(s, "node-1") for _ in range(3)} == {"a"}
        assert {ask(s, "node-2") for _ in range(3)} == {"b"}
        assert ask(s, "node-3") == 'service "web" has no endpoint on node-3, and its traffic policy is Local'
        assert s.request("service/web").text in ("a", "b"), "another node's proxy is asked then"


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"type": "ExternalName", "externalName": "example.com", "selector": None}])
def test_what_has_no_address_of_its_own_is_refused_in_words(spec: dict[str, Any]) -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply(service(**spec))
        ready(s, pod("a", "node-1"))
        with pytest.raises(Unavailable, match="has no address of its own"):
            s.request("service/web", timeout="1s")


def test_pods_that_are_not_ready_are_published_where_the_service_says_so() -> None:
    with Simulation(nodes=1, seed=1, images={"slow:*": Behaviour(ready_after="1h")}) as s:
        s.apply([service(), pod("a", "node-1", "slow:1")])
        s.advance("10s")
        assert ask(s, "node-1") == 'no endpoints available for service "web"'
        s.patch("service/web", {"spec": {"publishNotReadyAddresses": True}})
        s.advance("1s")
        assert ask(s, "node-1") == "a"


def test_a_departing_pod_answers_as_long_as_it_serves_if_there_is_no_other() -> None:
    with Simulation(nodes=1, seed=1, images={"slow:*": Behaviour(stops_in="20s")}) as s:
        s.apply(service())
        ready(
            s,
            pod("a", "node-1", "slow:1", terminationGracePeriodSeconds=30),
            pod("b", "node-1", "slow:1", terminationGracePeriodSeconds=30),
        )
        s.delete("pod/a")
        s.advance("5s")
        assert {ask(s, "node-1") for _ in range(4)} == {"b"}, "nothing new goes to one that leaves"
        s.delete("pod/b")
        s.advance("5s")
        assert {ask(s, "node-1") for _ in range(4)} == {"a", "b"}
        s.advance("30s")
        assert ask(s, "node-1") == 'no endpoints available for service "web"'


def test_a_cut_between_nodes_cuts_a_services_traffic_and_heals() -> None:
    with Simulation(nodes=2, seed=1) as s:
        s.apply(service())
        ready(s, pod("a", "node-1"), pod("b", "node-2"))
        s.nodes["node-1"].partition("node-2")
        assert {ask(s, "node-1") for _ in range(4)} == {"a"}, "one that doesn't answer is followed by the next"
        assert {ask(s, "node-2") for _ in range(4)} == {"b"}
        s.nodes["node-1"].heal("node-2")
        assert {ask(s, "node-1") for _ in range(4)} == {"a", "b"}


NODES = ("node-1", "node-2", "node-3")
fault = st.sampled_from(["cut", "heal", "crash", "restart", "proxy", "delete", "create"])
faults = st.lists(st.tuples(fault, st.sampled_from(NODES)), max_size=8)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), faults)
def test_whatever_goes_wrong_each_node_ends_with_all_ready_pods_and_its_own_where_local(seed: int, history: list[tuple[str, str]]) -> None:
    """While it lasts, only pods that are or were the Service's answer; when it is over, every proxy knows exactly those that are ready."""
    with Simulation(nodes=len(NODES), seed=seed, timing="fast") as s:
        s.apply(service(type="NodePort", externalTrafficPolicy="Local", ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}]))
        ready(s, *(pod(f"{node}-0", node) for node in NODES))
        names = {f"{node}-0" for node in NODES}
        cut: set[str] = set()
        for number, (kind, node) in enumerate(history, 1):
            _happen(s, kind, node, f"{node}-{number}", names)
            cut = cut | {node} if kind == "cut" else cut - {node} if kind == "heal" else cut
            for asked in NODES:
                if asked not in cut and s._system.alive(f"proxy/{asked}"):
                    answer = ask(s, asked)
                    assert answer in names or " " in answer, answer
        for node in NODES:
            s.nodes[node].heal()
            if not s._system.machines[node].alive:
                s.nodes[node].restart()
        s.advance("2m")
        s.settle()
        pods = s.list("pods", selector="app=web")
        here = {node: sorted(p.metadata.name for p in pods if p.spec.node_name == node and _is_ready(p)) for node in NODES}
        every = sorted(name for some in here.values() for name in some)
        for node in NODES:
            assert sorted({ask(s, node) for _ in every}) == every or not every
            local = sorted({ask(s, node, "30080") for _ in here[node]})
            assert local == here[node]


def _is_ready(pod: Any) -> bool:
    return not pod.metadata.deletion_timestamp and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def _happen(s: Simulation, kind: str, node: str, name: str, names: set[str]) -> None:
    machine = s._system.machines[node]
    if kind == "cut":
        s.nodes[node].partition()
    elif kind == "heal":
        s.nodes[node].heal()
    elif kind == "crash" and machine.alive:
        s.nodes[node].crash()
    elif kind == "restart" and not machine.alive:
        s.nodes[node].restart()
    elif kind == "proxy" and machine.alive:
        s.components[f"proxy/{node}"].restart()
    elif kind == "create":
        names.add(name)
        s.apply(pod(name, node))
    elif kind == "delete":
        for one in s.list("pods", selector="app=web")[:1]:
            s.delete(f"pod/{one.metadata.name}")
    s.advance("3s")
