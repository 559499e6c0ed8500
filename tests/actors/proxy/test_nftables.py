"""A node's rule set as text: what it says of each kind of Service, and that a change says only what changes."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.proxy.nftables import NodePlace, changed_rules, departed, full_rules
from callboard.models.messages.proxy import ProxyTable, ServicePort

PLACE = NodePlace(address="172.31.0.1", own_pods="10.244.1.0/24", pods="10.244.0.0/16", services="10.96.0.0/16")
A, B, C = ("10.244.1.10", 8080), ("10.244.2.11", 8080), ("10.244.2.12", 8080)


def web(
    *endpoints: tuple[str, int], key: str = "default/web:http", ip: str = "10.96.0.1", protocol: str = "TCP", **more: object
) -> ServicePort:
    return msgspec.structs.replace(ServicePort(key, ip, 80, protocol, endpoints), **more)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def full(*ports: ServicePort) -> list[str]:
    return lines(full_rules(ProxyTable(ports), PLACE))


def change(old: tuple[ServicePort, ...], new: tuple[ServicePort, ...]) -> list[str]:
    return lines(changed_rules(ProxyTable(old), ProxyTable(new), PLACE))


def test_connections_to_a_service_go_round_its_endpoints() -> None:
    said = full(web(A, B))
    chain = "svc-default/web/10.96.0.1/tcp/http"
    assert f"add element ip callboard service-ips {{ 10.96.0.1 . tcp . 80 : goto {chain} }}" in said
    spread = "numgen inc mod 2 map { 0 : 10.244.1.10 . 8080, 1 : 10.244.2.11 . 8080 }"
    assert f"add rule ip callboard {chain} meta l4proto tcp dnat ip addr . port to {spread}" in said
    assert said[:2] == ["table ip callboard", "delete table ip callboard"], "the table before is replaced in the same transaction"


def test_a_pod_of_this_node_can_reach_itself_through_its_service() -> None:
    said = full(web(A, B))
    assert "add element ip callboard hairpin { 10.244.1.10 . 10.244.1.10 }" in said
    assert "ct status dnat ip saddr . ip daddr @hairpin snat to 172.31.0.1" in said


def test_who_has_no_endpoint_refuses_and_who_withholds_them_drops() -> None:
    assert "add element ip callboard no-endpoint-services { 10.96.0.1 . tcp . 80 : goto refuse }" in full(web())
    assert "add element ip callboard no-endpoint-services { 10.96.0.1 . tcp . 80 : drop }" in full(web(withheld=True))
    assert "meta l4proto tcp reject with tcp reset" in full(web())


def test_a_node_port_of_the_whole_cluster_hides_the_client_and_a_local_one_shows_it() -> None:
    cluster = full(web(A, B, node_port=30080, outside=(A, B)))
    base = "default/web/10.96.0.1/tcp/http"
    rules = [line.removeprefix(f"add rule ip callboard out-{base} ") for line in cluster if line.startswith("add rule ip callboard out-")]
    assert rules == ["meta mark set meta mark | 0x4000", f"goto svc-{base}"]
    local = full(web(A, B, node_port=30080, outside=(A,), local_outside=True))
    rules = [line.removeprefix(f"add rule ip callboard out-{base} ") for line in local if line.startswith("add rule ip callboard out-")]
    assert rules == [
        f"ip saddr 10.244.0.0/16 meta mark set meta mark | 0x4000 goto svc-{base}",
        f"fib saddr type local meta mark set meta mark | 0x4000 goto svc-{base}",
        "meta l4proto tcp dnat to 10.244.1.10:8080",
    ]
    elsewhere = full(web(B, node_port=30080, outside_withheld=True, local_outside=True))
    assert f"add rule ip callboard out-{base} drop" in elsewhere
    nobody = full(web(node_port=30080))
    assert "add element ip callboard no-endpoint-nodeports { tcp . 30080 : goto refuse }" in nobody


def test_a_node_port_reaches_all_endpoints_though_the_address_keeps_to_the_nodes_own() -> None:
    said = full(web(A, node_port=30080, outside=(A, B)))
    spread = "numgen inc mod 2 map { 0 : 10.244.1.10 . 8080, 1 : 10.244.2.11 . 8080 }"
    assert f"add rule ip callboard out-default/web/10.96.0.1/tcp/http meta l4proto tcp dnat ip addr . port to {spread}" in said


def test_a_client_that_keeps_its_endpoint_is_looked_up_before_it_is_anybodys_turn() -> None:
    said = full(web(A, B, affinity_s=60))
    base = "default/web/10.96.0.1/tcp/http"
    kept = f"kept-{base}/10.244.1.10/8080/60s"
    assert f"set {kept} {{ type ipv4_addr; flags dynamic,timeout; timeout 60s; }}" in said
    rules = [line.removeprefix(f"add rule ip callboard svc-{base} ") for line in said if line.startswith("add rule ip callboard svc-")]
    first, second = f"ep-{base}/10.244.1.10/8080", f"ep-{base}/10.244.2.11/8080"
    assert rules[0] == f"ip saddr @{kept} goto {first}"
    assert rules[-1] == f"numgen inc mod 2 vmap {{ 0 : goto {first}, 1 : goto {second} }}"
    assert f"add rule ip callboard {first} update @{kept} {{ ip saddr }}" in said


def test_what_these_rules_cannot_carry_is_left_out() -> None:
    assert full(web(A, protocol="SCTP"), web(("fd00::1", 80), ip="fd00::2")) == full()


def test_a_change_says_only_what_changes() -> None:
    other = web(A, key="default/other", ip="10.96.0.2")
    assert change((web(A), other), (web(A), other)) == []
    said = change((web(A), other), (web(A, B), other))
    chain, spread = "svc-default/web/10.96.0.1/tcp/http", "numgen inc mod 2 map { 0 : 10.244.1.10 . 8080, 1 : 10.244.2.11 . 8080 }"
    assert said == [f"flush chain ip callboard {chain}", f"add rule ip callboard {chain} meta l4proto tcp dnat ip addr . port to {spread}"]


def test_a_hairpin_that_another_service_still_needs_stays() -> None:
    other = web(A, key="default/other", ip="10.96.0.2")
    assert not any("hairpin" in line for line in change((web(A), other), (other,)))
    assert "delete element ip callboard hairpin { 10.244.1.10 . 10.244.1.10 }" in change((web(A),), ())
    assert not any("hairpin" in line for line in change((other,), (web(A), other)))


def test_the_first_endpoint_takes_a_service_out_of_those_that_refuse() -> None:
    said = change((web(),), (web(B),))
    assert "delete element ip callboard no-endpoint-services { 10.96.0.1 . tcp . 80 }" in said
    assert "add element ip callboard service-ips { 10.96.0.1 . tcp . 80 : goto svc-default/web/10.96.0.1/tcp/http }" in said
    assert said.index("add chain ip callboard svc-default/web/10.96.0.1/tcp/http") == 0


def test_an_endpoint_of_udp_that_has_gone_from_one_service_is_told() -> None:
    dns = web(A, B, key="default/dns", ip="10.96.0.9", protocol="UDP")
    assert departed(ProxyTable((dns, web(C))), ProxyTable((msgspec.structs.replace(dns, endpoints=(B,)),))) == (A,)
    assert departed(ProxyTable((dns,)), ProxyTable()) == (A, B)
    assert departed(ProxyTable(), ProxyTable((dns,))) == ()


endpoints = st.lists(st.sampled_from([A, B, C]), max_size=3, unique=True).map(tuple)
ports = st.builds(
    lambda name, inside, outside, affinity_s, node_port, local, withheld: web(
        *inside,
        key=f"default/{name}",
        ip=f"10.96.0.{ord(name)}",
        affinity_s=affinity_s,
        node_port=node_port and 30000 + ord(name),
        outside=outside if node_port else (),
        local_outside=local,
        withheld=withheld,
    ),
    st.sampled_from("abc"),
    endpoints,
    endpoints,
    st.sampled_from([0, 5, 10]),
    st.sampled_from([0, 1]),
    st.booleans(),
    st.booleans(),
)
tables = st.lists(ports, max_size=3, unique_by=lambda port: port.service_key).map(lambda some: ProxyTable(tuple(some)))


class Kernel:
    """As much of nftables as the order of commands depends on: nothing that isn't there can be named, nothing that is named can go."""

    def __init__(self, script: str) -> None:
        self.sets: set[str] = set()
        self.chains: dict[str, list[str]] = {}
        self.elements: dict[tuple[str, str], str] = {}
        self.run(script)

    def run(self, script: str) -> None:
        for line in lines(script):
            verb, _, rest = line.partition(" ")
            if line == "delete table ip callboard":
                continue
            if verb in ("add", "delete", "flush"):
                kind, _, _, name, *more = rest.split(" ", 4)
                getattr(self, f"{verb}_{kind}")(name, more[0] if more else "")
            elif verb == "set" and "{" in line:
                self.sets.add(rest.split()[0])
            elif verb == "chain" and line.endswith("{ }"):
                self.chains[rest.split()[0]] = []

    def add_set(self, name: str, _body: str) -> None:
        assert name not in self.sets
        self.sets.add(name)

    def add_chain(self, name: str, _body: str) -> None:
        assert name not in self.chains
        self.chains[name] = []

    def add_rule(self, name: str, rule: str) -> None:
        words = rule.replace(",", " ").split()
        for before, word in itertools.pairwise(words):
            assert before != "goto" or word in self.chains
        assert all(word[1:] in self.sets for word in words if word.startswith("@"))
        self.chains[name].append(rule)

    def flush_chain(self, name: str, _body: str) -> None:
        self.chains[name].clear()

    def delete_chain(self, name: str, _body: str) -> None:
        assert not self.chains.pop(name)
        used = [*(rule for rules in self.chains.values() for rule in rules), *self.elements.values()]
        assert not any(word == name for text in used for word in text.replace(",", " ").split())

    def delete_set(self, name: str, _body: str) -> None:
        self.sets.remove(name)
        assert not any(f"@{name}" in rule.split() for rules in self.chains.values() for rule in rules)

    def add_element(self, name: str, body: str) -> None:
        for entry in body.strip("{} ").split(", "):
            key, _, verdict = entry.partition(" : ")
            assert (name, key) not in self.elements
            assert not verdict.startswith("goto ") or verdict == "goto refuse" or verdict.removeprefix("goto ") in self.chains
            self.elements[name, key] = verdict

    def delete_element(self, name: str, body: str) -> None:
        for key in body.strip("{} ").split(", "):
            del self.elements[name, key]


@given(st.lists(tables, min_size=1, max_size=4))
def test_changes_in_a_row_come_to_the_rule_set_of_the_last_table(history: list[ProxyTable]) -> None:
    kernel = Kernel(full_rules(history[0], PLACE))
    for old, new in itertools.pairwise(history):
        kernel.run(changed_rules(old, new, PLACE))
    fresh = Kernel(full_rules(history[-1], PLACE))
    assert (kernel.sets, kernel.chains, kernel.elements) == (fresh.sets, fresh.chains, fresh.elements)
