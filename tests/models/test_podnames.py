"""A pod's host name, its /etc/hosts and its /etc/resolv.conf, as a kubelet makes them."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api import core, meta
from callboard.models.podnames import (
    HostName,
    NameTooLong,
    Resolver,
    host_name,
    hosts_file,
    parse_resolv_conf,
    resolv_conf,
    resolver,
    service_lines,
)

SHOP = "shop.svc.cluster.local"
NODE_CONF = "# of the node\nsearch corp.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:1\n"


def pod(name: str = "web-0", namespace: str = "shop", **spec: Any) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name=name, namespace=namespace), spec=core.PodSpec(**spec))


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({}, HostName("web-0", "", "web-0")),
        ({"hostname": "db"}, HostName("db", "", "db")),
        ({"subdomain": "web"}, HostName("web-0", f"web.{SHOP}", "web-0")),
        ({"hostname": "db", "subdomain": "web"}, HostName("db", f"web.{SHOP}", "db")),
        (
            {"subdomain": "web", "set_hostname_as_fqdn": True},
            HostName("web-0", "web.shop.svc.cluster.local", "web-0.web.shop.svc.cluster.local"),
        ),
        ({"set_hostname_as_fqdn": True}, HostName("web-0", "", "web-0")),
        ({"hostname_override": "a.b.example", "subdomain": "web"}, HostName("a.b.example", "", "a.b.example")),
        ({"host_network": True, "hostname": "db", "subdomain": "web"}, HostName("node-1", "", "node-1")),
    ],
)
def test_a_pod_is_called_as_its_spec_says(spec: dict[str, Any], named: HostName) -> None:
    assert host_name(pod(**spec), "node-1") == named


def test_a_long_name_is_cut_so_that_it_is_a_label_still() -> None:
    assert host_name(pod("a" * 62 + "-x"), "node-1").hostname == "a" * 62
    assert host_name(pod("a" * 70), "node-1").kernel == "a" * 63


def test_a_full_name_that_the_kernel_does_not_take_is_refused_in_a_kubelets_words() -> None:
    fqdn = "a" * 40 + ".web.shop.svc.cluster.local"
    words = f"failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long"
    with pytest.raises(NameTooLong, match=words) as refusal:
        host_name(pod("a" * 40, subdomain="web", set_hostname_as_fqdn=True), "node-1")
    assert str(refusal.value).endswith(f"(64 characters is the max, {len(fqdn)} characters requested)")
    with pytest.raises(NameTooLong):
        host_name(pod(hostname_override="a" * 65), "node-1")


def test_a_pods_hosts_file_names_itself_and_its_aliases() -> None:
    aliased = pod(subdomain="web", host_aliases=(core.HostAlias(ip="192.0.2.7", hostnames=("one", "two")),))
    assert hosts_file(aliased, "10.244.1.2", host_name(aliased, "node-1")) == (
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n"
        "10.244.1.2\tweb-0.web.shop.svc.cluster.local\tweb-0\n"
        "\n"
        "# Entries added by HostAliases.\n"
        "192.0.2.7\tone\ttwo\n"
    )
    assert hosts_file(pod(), "10.244.1.2", HostName("web-0", "", "web-0")).endswith("\n10.244.1.2\tweb-0\n")


def test_on_the_hosts_network_the_nodes_own_file_is_shown() -> None:
    shown = hosts_file(pod(host_network=True), "172.31.0.1", HostName("node-1", "", "node-1"), "127.0.0.1\tlocalhost\n")
    assert shown == "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tlocalhost\n"


CLUSTER = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
CLUSTER_FIRST = Resolver(("10.96.0.10",), (*CLUSTER, "corp.example"), ("ndots:5",))
NODE = Resolver(("192.0.2.1", "192.0.2.2"), ("corp.example",), ("timeout:1",))


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, CLUSTER_FIRST),
        ({"dns_policy": "ClusterFirst"}, CLUSTER_FIRST),
        ({"dns_policy": "ClusterFirst", "host_network": True}, NODE),
        (
            {"dns_policy": "ClusterFirstWithHostNet", "host_network": True},
            Resolver(("10.96.0.10",), (*CLUSTER, "corp.example"), ("ndots:5",)),
        ),
        ({"dns_policy": "Default"}, NODE),
        ({"dns_policy": "None"}, Resolver()),
    ],
)
def test_whom_a_pod_asks_is_its_dns_policys_choice(spec: dict[str, Any], found: Resolver) -> None:
    assert resolver(pod(**spec), "10.96.0.10", node_conf=NODE_CONF) == found


def test_without_a_name_service_cluster_first_means_the_nodes_servers() -> None:
    assert resolver(pod(), "", node_conf=NODE_CONF) == NODE


def test_a_pods_own_config_is_added_and_its_options_win() -> None:
    option = core.PodDNSConfigOption
    config = core.PodDNSConfig(
        nameservers=("10.96.0.10", "192.0.2.9"),
        searches=("mine.example", "cluster.local"),
        options=(option(name="ndots", value="2"), option(name="edns0")),
    )
    assert resolv_conf(pod(dns_config=config), "10.96.0.10") == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local mine.example\n"
        "nameserver 10.96.0.10\n"
        "nameserver 192.0.2.9\n"
        "options ndots:2 edns0\n"
    )
    assert resolv_conf(pod(dns_policy="None", dns_config=config), "10.96.0.10").startswith(
        "search mine.example cluster.local\nnameserver 10"
    )


def test_no_more_than_three_servers_and_the_allowed_length_of_searches_are_written() -> None:
    searches = tuple(f"{'x' * 60}.{number}" for number in range(40))
    config = core.PodDNSConfig(nameservers=("1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"), searches=searches)
    found = resolver(pod(dns_policy="None", dns_config=config), "10.96.0.10")
    assert found.nameservers == ("1.1.1.1", "2.2.2.2", "3.3.3.3")
    assert 0 < len(found.searches) <= 32
    assert len(" ".join(found.searches)) <= 2048


def test_what_is_written_is_read_back_as_it_was() -> None:
    assert parse_resolv_conf(resolv_conf(pod(dns_policy="Default"), "10.96.0.10", node_conf=NODE_CONF)) == NODE
    assert parse_resolv_conf("; x\n\nnameserver\ndomain a.example\nsearch b.example c.example\n").searches == ("b.example", "c.example")
    assert resolv_conf(pod(dns_policy="None"), "10.96.0.10") == ""


def test_a_hosts_file_lists_services_in_all_forms_and_a_form_means_what_is_found_first() -> None:
    addresses = {
        "web.shop.svc.cluster.local": ("10.96.0.7",),
        "x.web.shop.svc.cluster.local": ("10.244.1.2",),
        "x.web.svc.cluster.local": ("10.96.0.8",),
        "db.other.svc.cluster.local": ("10.244.1.3", "10.244.1.4"),
    }
    lines = service_lines(addresses, "shop").splitlines()[2:]
    assert lines == [
        "10.244.1.3\tdb.other.svc.cluster.local\tdb.other.svc\tdb.other",
        "10.244.1.4\tdb.other.svc.cluster.local\tdb.other.svc\tdb.other",
        "10.96.0.7\tweb.shop.svc.cluster.local\tweb.shop.svc\tweb.shop\tweb",
        "10.244.1.2\tx.web.shop.svc.cluster.local\tx.web.shop.svc\tx.web.shop\tx.web",
        "10.96.0.8\tx.web.svc.cluster.local\tx.web.svc",
    ]
    assert service_lines({}, "shop") == ""
