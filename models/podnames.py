"""How a pod is called and whom it asks for names: its host name, and the text of its /etc/hosts and /etc/resolv.conf. Pure.

Used by container runtimes, which write the files. Source: kubernetes pkg/kubelet/kubelet_pods.go (GeneratePodHostNameAndDomain,
managedHostsFileContent), pkg/kubelet/util (GetNodenameForKernel), pkg/kubelet/network/dns/dns.go (GetPodDNS).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from callboard.models.api.core import HostAlias, Pod, PodSpec
from callboard.models.dns import DOMAIN, NDOTS, search_list

LABEL_LIMIT = 63
KERNEL_LIMIT = 64
"""Bytes that the kernel keeps of a host name (__NEW_UTS_LEN)."""
NAMESERVERS_LIMIT = 3
SEARCHES_LIMIT = 32
SEARCH_CHARACTERS_LIMIT = 2048
_NO_SPEC = PodSpec()
_MANAGED = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
_MANAGED_OF_NODE = "# Kubernetes-managed hosts file (host network).\n"


class NameTooLong(ValueError):
    """A pod's full name is longer than what the kernel takes as a host name; the pod can't have its sandbox. The text is a kubelet's."""


class HostName(msgspec.Struct, frozen=True, gc=False):
    """A pod's host name, the domain that it is in ("": none), and what the kernel and HOSTNAME are to say."""

    hostname: str
    domain: str
    kernel: str


class Resolver(msgspec.Struct, frozen=True, gc=False):
    """What a resolv.conf says."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def host_name(pod: Pod, node_name: str, domain: str = DOMAIN) -> HostName:
    """What a pod is called; on the host's network, as its node is.

    Raises:
        NameTooLong: setHostnameAsFQDN, or hostnameOverride, asks for a longer name than the kernel takes.
    """
    spec = pod.spec or _NO_SPEC
    if spec.host_network:
        return HostName(node_name, "", node_name)
    if spec.hostname_override:
        if len(spec.hostname_override) > KERNEL_LIMIT:
            raise NameTooLong(f"pod HostnameOverride {spec.hostname_override!r} is too long ({KERNEL_LIMIT} characters is the max)")
        return HostName(spec.hostname_override, "", spec.hostname_override)
    own = (spec.hostname or pod.metadata.name)[:LABEL_LIMIT].rstrip("-.")
    if not spec.subdomain:
        return HostName(own, "", own)
    inside = f"{spec.subdomain}.{pod.metadata.namespace}.svc.{domain}"
    if not spec.set_hostname_as_fqdn:
        return HostName(own, inside, own)
    full = f"{own}.{inside}"
    if len(full) > KERNEL_LIMIT:
        raise NameTooLong(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({KERNEL_LIMIT} characters is the max, {len(full)} characters requested)"
        )
    return HostName(own, inside, full)


# -- /etc/hosts -----------------------------------------------------------------------------------------------------------------------


def hosts_file(pod: Pod, ip: str, name: HostName, node_hosts: str = "") -> str:
    """The text of /etc/hosts. `node_hosts` is the text of the node's own file, which pods on the host's network show."""
    spec = pod.spec or _NO_SPEC
    if spec.host_network:
        return _MANAGED_OF_NODE + node_hosts + _of_aliases(spec.host_aliases)
    names = f"{name.hostname}.{name.domain}\t{name.hostname}" if name.domain else name.hostname
    return f"{_MANAGED}{ip}\t{names}\n{_of_aliases(spec.host_aliases)}"


def _of_aliases(aliases: Sequence[HostAlias]) -> str:
    if not aliases:
        return ""
    lines = [f"{alias.ip}\t" + "\t".join(alias.hostnames) for alias in aliases]
    return "\n".join(["", "# Entries added by HostAliases.", *lines, ""])


def service_lines(addresses: Mapping[str, tuple[str, ...]], namespace: str, domain: str = DOMAIN) -> str:
    """Lines of a hosts file for names of Services (whole, with their addresses), under all forms in which a pod of the namespace may write
    them. For pods that have no name service."""
    short: dict[str, str] = {}
    for search in search_list(namespace, domain):  # a form means the name that is found first
        for name in addresses:
            if name.endswith(f".{search}"):
                short.setdefault(name.removesuffix(f".{search}"), name)
    forms: dict[str, list[str]] = {}
    for form, name in short.items():
        forms.setdefault(name, []).append(form)
    lines = [
        f"{address}\t" + "\t".join((name, *sorted(forms.get(name, ()), key=len, reverse=True)))
        for name, found in sorted(addresses.items())
        for address in found
    ]
    return "\n".join(["", "# Services of the cluster, kept up to date.", *lines, ""]) if lines else ""


# -- /etc/resolv.conf -----------------------------------------------------------------------------------------------------------------


def resolv_conf(pod: Pod, cluster_dns: str, domain: str = DOMAIN, node_conf: str = "") -> str:
    """The text of /etc/resolv.conf. `cluster_dns` is the address of the cluster's name service, "" where there is none; `node_conf` the
    text of the node's own file, which dnsPolicy Default shows."""
    found = resolver(pod, cluster_dns, domain, node_conf)
    lines = []
    if found.searches:
        lines.append("search " + " ".join(found.searches))
    lines.extend(f"nameserver {server}" for server in found.nameservers)
    if found.options:
        lines.append("options " + " ".join(found.options))
    return "\n".join([*lines, ""])


def resolver(pod: Pod, cluster_dns: str, domain: str = DOMAIN, node_conf: str = "") -> Resolver:
    """Whom a pod asks, by its dnsPolicy and dnsConfig, within the limits that a kubelet keeps."""
    spec = pod.spec or _NO_SPEC
    base = _by_policy(spec, pod.metadata.namespace, cluster_dns, domain, node_conf)
    config = spec.dns_config
    if config is not None:
        base = Resolver(
            _distinct((*base.nameservers, *config.nameservers)),
            _distinct((*base.searches, *config.searches)),
            _merged(base.options, tuple(f"{one.name}:{one.value}" if one.value else one.name for one in config.options)),
        )
    return Resolver(base.nameservers[:NAMESERVERS_LIMIT], _within_limits(base.searches), base.options)


def parse_resolv_conf(text: str) -> Resolver:
    """What a resolv.conf says; the last `search` counts, as resolv.conf(5) has it."""
    nameservers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = tuple(words[1:])
        elif words[0] == "options":
            options = (*options, *words[1:])
    return Resolver(tuple(nameservers), searches, options)


def _by_policy(spec: PodSpec, namespace: str, cluster_dns: str, domain: str, node_conf: str) -> Resolver:
    """ClusterFirst on the host's network is Default, which ClusterFirstWithHostNet is there to avoid (getPodDNSType)."""
    policy = spec.dns_policy or "ClusterFirst"
    if policy == "None":
        return Resolver()
    node = parse_resolv_conf(node_conf)
    cluster_first = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.host_network)
    if cluster_first and cluster_dns:
        return Resolver((cluster_dns,), _distinct((*search_list(namespace, domain), *node.searches)), (f"ndots:{NDOTS}",))
    return node


def _merged(options: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """A pod's own options override those of the same name (mergeDNSOptions)."""
    by_name = {option.partition(":")[0]: option for option in (*options, *own)}
    return tuple(by_name.values())


def _within_limits(searches: tuple[str, ...]) -> tuple[str, ...]:
    kept: list[str] = []
    for search in searches[:SEARCHES_LIMIT]:
        if len(" ".join([*kept, search])) > SEARCH_CHARACTERS_LIMIT:
            break
        kept.append(search)
    return tuple(kept)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
