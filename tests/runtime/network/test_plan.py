"""Whose address is which."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.runtime.network import plan

INDICES = st.integers(0, plan.NODES_LIMIT - 1)


@given(INDICES, INDICES)
def test_no_two_nodes_share_an_address_of_their_own_or_of_their_pods(one: int, other: int) -> None:
    assert (plan.node_address(one) == plan.node_address(other)) == (one == other)
    assert bool(set(plan.pod_addresses(one)) & set(plan.pod_addresses(other))) == (one == other)
    assert plan.node_address(one) != plan.EDGE_ADDRESS


@given(INDICES, st.integers(0, 252))
def test_a_pods_address_tells_its_node_and_its_link_tells_its_address(index: int, which: int) -> None:
    ip = plan.pod_addresses(index)[which]
    assert ipaddress.ip_address(ip) in ipaddress.ip_network(plan.pod_cidr(index))
    assert ipaddress.ip_address(ip) in ipaddress.ip_network(plan.POD_NETWORK)
    assert plan.index_of_pod(ip) == index
    assert plan.pod_ip(index, plan.pod_link(ip)) == ip
    assert plan.checked_pod_ip(ip, index) == ip
    assert plan.index_of_address(plan.node_address(index)) == index


def test_the_networks_do_not_overlap() -> None:
    networks = [ipaddress.ip_network(text) for text in (plan.FABRIC_NETWORK, plan.POD_NETWORK, plan.SERVICE_NETWORK)]
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)
    assert ipaddress.ip_address(plan.CLUSTER_DNS) in networks[2]


@pytest.mark.parametrize("index", [-1, plan.NODES_LIMIT])
def test_an_index_beyond_the_plan_is_refused_in_words(index: int) -> None:
    with pytest.raises(plan.BadPlan, match="at most 253 nodes"):
        plan.node_address(index)


@pytest.mark.parametrize("ip", ["10.244.1.1", "10.244.1.255", "10.244.2.2", "10.0.0.2", "", "web", "::1", "10.244.1.2.3"])
def test_an_address_that_is_not_the_nodes_to_give_is_refused_in_words(ip: str) -> None:
    with pytest.raises(plan.BadPlan, match=r"no address for a pod.*10\.244\.1\.0/24"):
        plan.checked_pod_ip(ip, 0)


@pytest.mark.parametrize("name", ["", "a/b", "..\0", "x" * 241])
def test_a_name_that_can_be_no_files_is_refused_in_words(name: str) -> None:
    with pytest.raises(plan.BadPlan, match="can be no name"):
        plan.node_space(name)


@pytest.mark.parametrize("address", ["172.31.1.1", "172.31.0.254", "172.31.0.0", "172.31.0.x", "10.244.1.2"])
def test_an_address_of_no_node_belongs_to_none(address: str) -> None:
    with pytest.raises(plan.BadPlan):
        plan.index_of_address(address)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "edge"]), st.sampled_from(["a", "b", "c", "edge"]))))
def test_who_is_apart_from_another_the_other_is_apart_from(pairs: list[tuple[str, str]]) -> None:
    indices = {"a": 0, "b": 1, "c": 2}
    addresses = {node: plan.node_address(index) for node, index in indices.items()} | {"edge": plan.EDGE_ADDRESS}
    cut = [frozenset(pair) for pair in pairs if pair[0] != pair[1]]
    for one in addresses:
        assert addresses[one] not in plan.apart(one, cut, indices)
        for other in addresses:
            assert (addresses[other] in plan.apart(one, cut, indices)) == (frozenset((one, other)) in cut)


@given(INDICES, st.integers(0, 252))
def test_a_hardware_address_is_of_one_address_only_and_given_out_by_nobody_else(index: int, which: int) -> None:
    addresses = [plan.EDGE_ADDRESS, plan.node_address(index), plan.pod_addresses(index)[which]]
    hardware = [plan.hardware(address) for address in addresses]
    assert len(set(hardware)) == 3
    assert all(int(text[:2], 16) & 3 == 2 for text in hardware)  # of one machine, and locally administered
