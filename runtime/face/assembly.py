"""Which processes a cluster consists of, and on which machine each runs: the one place where components get their settings.

Called by `Cluster` and `Simulation` on any system. Names and machines are those of the table in ARCHITECTURE.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from callboard.actors.apiserver.actor import ApiServer, ApiServerSettings
from callboard.actors.component import Component
from callboard.actors.cronjob.actor import CronJobController
from callboard.actors.daemonset.actor import DaemonSetController
from callboard.actors.deployment.actor import DeploymentController
from callboard.actors.disruption.actor import DisruptionController
from callboard.actors.dns.actor import NameService
from callboard.actors.endpointslice.actor import EndpointSliceController
from callboard.actors.garbagecollector.actor import GarbageCollector
from callboard.actors.informer import ClientSettings
from callboard.actors.ingress.actor import IngressController
from callboard.actors.job.actor import JobController
from callboard.actors.kubelet.actor import Kubelet
from callboard.actors.kubelet.settings import Events, KubeletSettings
from callboard.actors.leadership import Election
from callboard.actors.metrics.actor import MetricsServer
from callboard.actors.namespace.actor import NamespaceController
from callboard.actors.nodelifecycle.actor import NodeLifecycleController
from callboard.actors.proxy.actor import ServiceProxy
from callboard.actors.replicaset.actor import ReplicaSetController
from callboard.actors.resourcequota.actor import ResourceQuotaController
from callboard.actors.scheduler.actor import Scheduler
from callboard.actors.statefulset.actor import StatefulSetController
from callboard.actors.store.actor import Store
from callboard.models.base import FrozenMap
from callboard.models.behaviour import Behaviour
from callboard.models.dns import DOMAIN
from callboard.models.messages.dns import DNS
from callboard.models.messages.ingress import INGRESS
from callboard.models.messages.usage import METRICS_SERVER
from callboard.models.timing import Timing
from callboard.runtime.containers.simulated import SimulatedRuntime
from callboard.runtime.face.nodespec import NodeSpec
from callboard.runtime.systems import System

CONTROL_PLANE = "control-plane"
JOURNAL = "journal"
"""The store's journal driver, and in simulations its disk as well."""
DATA_PLANE = "dataplane"
"""What listens for Services at the edge of a cluster of real processes; a node's own is `dataplane/<node>`."""
SIMULATED_SERVICES = "10.96.0.0/12"
INGRESS_SERVER = "ingress-server"
SIMULATED_INGRESS = "10.112.0.1"
"""Where Ingresses are said to be, where containers are simulated."""
NODE_PROCESSES = ("proxy", "kubelet", "dataplane", "runtime")
"""First parts of the names of what runs on a node."""
SHARED_PROXY_FROM_NODES = 17
"""From so many nodes on, a real-time cluster with simulated containers has one service proxy: one per node would multiply the cost of
every change of an EndpointSlice by the number of nodes. For the same reason, containers there get no variables of Services."""


class Part(msgspec.Struct, frozen=True):
    """One component of a node; `arguments` are those after the port."""

    name: str
    component: Any
    arguments: tuple[Any, ...] = ()


NodeParts = Callable[[int, NodeSpec], tuple[Part, ...]]
"""What runs on a node besides kubelet and service proxy, by the node's index: `runtime/<node>` first, then what its network needs."""


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be built. `copies` of scheduler and each controller compete for leadership; `service_cidr` is where ClusterIPs come from;
    `proxy_per_node` False means one proxy for all; `events` is which Events kubelets tell of pods; `names_server` answers packets
    about names at `cluster_dns`, or keeps hosts files up to date ("": there is neither). `ingress` is where Ingresses are said to be,
    unless there is an `ingress_server`, which tells that itself."""

    nodes: tuple[NodeSpec, ...]
    timing: Timing
    events: Events = "warnings"
    apiservers: int = 1
    copies: int = 1
    service_cidr: str = SIMULATED_SERVICES
    proxy_per_node: bool = True
    data_plane: str = ""
    cluster_dns: str = ""
    names_server: str = ""
    node_networks: bool = False
    ingress: str = SIMULATED_INGRESS
    ingress_server: str = ""
    journal: str = ""

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the apiservers."""
        return tuple(f"apiserver-{number}" for number in range(self.apiservers))

    def client(self, turn: int = 0) -> ClientSettings:
        """How a component uses the API. Components differ in `turn`, so that several apiservers share the load; each goes on to the next
        apiserver when one doesn't answer."""
        timing, first = self.timing, turn % self.apiservers
        return ClientSettings(
            apiservers=self.servers[first:] + self.servers[:first],
            request_timeout_s=timing.request_timeout_s,
            watch_silence_s=timing.watch_silence_s,
            gap_wait_s=timing.gap_wait_s,
            retry_s=timing.retry_s,
            retry_limit_s=timing.retry_limit_s,
            endpoint_batch_s=timing.endpoint_batch_s,
        )

    def competing_client(self, turn: int, lease: str) -> ClientSettings:
        """The same for a component of which there are several copies: they compete for a Lease. One alone doesn't."""
        client = self.client(turn)
        if self.copies == 1:
            return client
        grace_s = self.timing.node_grace_s
        election = Election(lease=lease, duration_s=grace_s * 0.3, renew_deadline_s=grace_s * 0.2, retry_s=grace_s * 0.04)
        return msgspec.structs.replace(client, election=election)


def start_control_plane(system: System, blueprint: Blueprint) -> None:
    """Start store, apiservers, scheduler and controllers. A journal driver, if there is one, is started before."""
    timing = blueprint.timing
    machine = system.add_machine(CONTROL_PLANE)
    system.start("store", Store, machine.disk, blueprint.journal, machine=CONTROL_PLANE)
    settings = ApiServerSettings(
        store="store",
        service_cidr=blueprint.service_cidr,
        reserved_address=blueprint.cluster_dns,
        watch_heartbeat_s=timing.watch_heartbeat_s,
        event_ttl_s=timing.event_ttl_s,
        toleration_s=timing.toleration_s,
        store_timeout_s=timing.request_timeout_s,
    )
    for name in blueprint.servers:
        system.start(name, ApiServer, settings, machine=CONTROL_PLANE)
    timed: tuple[tuple[str, type[Component]], ...] = (
        ("scheduler", Scheduler),
        ("controller/nodelifecycle", NodeLifecycleController),
        ("controller/job", JobController),
    )
    plain: tuple[tuple[str, type[Component]], ...] = (
        ("controller/deployment", DeploymentController),
        ("controller/replicaset", ReplicaSetController),
        ("controller/endpointslice", EndpointSliceController),
        ("controller/garbagecollector", GarbageCollector),
        ("controller/namespace", NamespaceController),
        ("controller/resourcequota", ResourceQuotaController),
        ("controller/disruption", DisruptionController),
        ("controller/statefulset", StatefulSetController),
        ("controller/daemonset", DaemonSetController),
        ("controller/cronjob", CronJobController),
    )
    for copy in range(blueprint.copies):
        suffix = f"-{copy}" if copy else ""
        place = system.add_machine(CONTROL_PLANE + suffix).name  # copies that have one clock and one power supply are worth little
        for turn, (name, component) in enumerate((*timed, *plain)):
            client = blueprint.competing_client(turn + copy, name.replace("/", "-"))
            more = (timing,) if (name, component) in timed else ()
            system.start(name + suffix, component, client, *more, machine=place)
    system.start(METRICS_SERVER, MetricsServer, timing.usage_s, machine=CONTROL_PLANE)
    system.start(DNS, NameService, blueprint.client(), DOMAIN, blueprint.cluster_dns, blueprint.names_server, machine=CONTROL_PLANE)
    system.start(INGRESS, IngressController, blueprint.client(), blueprint.ingress, blueprint.ingress_server, machine=CONTROL_PLANE)
    if blueprint.data_plane or not blueprint.proxy_per_node:
        for_all_nodes = bool(blueprint.data_plane) and not blueprint.node_networks
        system.start("proxy", ServiceProxy, blueprint.client(), blueprint.data_plane, for_all_nodes, machine=CONTROL_PLANE)


def start_node(system: System, blueprint: Blueprint, parts_of: NodeParts, index: int, spec: NodeSpec) -> None:
    """Start a node: on a machine of its own its container runtime, its kubelet and, where each node has one, its service proxy. `index` is
    the node's own for ever, since its addresses come from it."""
    name = spec.name
    for part in parts_of(index, spec):
        system.start(part.name, part.component, *part.arguments, machine=name)
    system.start(f"kubelet/{name}", Kubelet, blueprint.client(index), kubelet_settings(spec, blueprint), machine=name)
    if blueprint.proxy_per_node:
        data_plane = f"{DATA_PLANE}/{name}" if blueprint.node_networks else ""
        system.start(f"proxy/{name}", ServiceProxy, blueprint.client(index), data_plane, machine=name)


def stop_node(system: System, name: str) -> None:
    """Take a node's processes out of the world; its machine stays, switched on, should a node of this name come again."""
    for process in [
        process for process in system.names() if process.partition("/")[2] == name and process.partition("/")[0] in NODE_PROCESSES
    ]:
        system.remove(process)
    system.add_machine(name).alive = True


def kubelet_settings(spec: NodeSpec, blueprint: Blueprint) -> KubeletSettings:
    """What the kubelet of a node is told."""
    return KubeletSettings(
        node_name=spec.name,
        runtime=f"runtime/{spec.name}",
        cpu=str(spec.cpu),
        memory=str(spec.memory),
        pods=spec.pods,
        ephemeral_storage=str(spec.ephemeral_storage),
        pids=spec.pids,
        labels=FrozenMap(spec.labels),
        timing=blueprint.timing,
        events=blueprint.events,
        service_links=bool(blueprint.data_plane) or len(blueprint.nodes) < SHARED_PROXY_FROM_NODES,
    )


def simulated_parts(images: tuple[tuple[str, Behaviour], ...]) -> NodeParts:
    """Simulated containers: 1,020 pod addresses per node, in 10.128.0.0/9."""

    def parts_of(index: int, spec: NodeSpec) -> tuple[Part, ...]:
        base = (10 << 24) + (128 << 16) + index * 1024
        cidr = f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/22"
        host_ip = f"172.16.{(index + 1) >> 8}.{(index + 1) & 255}"
        return (Part(f"runtime/{spec.name}", SimulatedRuntime, (spec.name, cidr, host_ip, images)),)

    return parts_of
