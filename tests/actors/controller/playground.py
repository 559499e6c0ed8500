"""The controllers of workloads on a simulated system, with a store, apiservers, and one component that plays scheduler and kubelets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.actors.apiserver.actor import ApiServer, ApiServerSettings
from callboard.actors.client import ApiComponent
from callboard.actors.component import Port, handles
from callboard.actors.deployment.actor import DeploymentController
from callboard.actors.endpointslice.actor import EndpointSliceController
from callboard.actors.informer import ClientSettings
from callboard.actors.replicaset.actor import ReplicaSetController
from callboard.actors.store.actor import Store
from callboard.models.api.apps import Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, ReplicaSetSpec, RollingUpdateDeployment
from callboard.models.api.core import (
    Container,
    ContainerPort,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
    Service,
    ServicePort,
    ServiceSpec,
)
from callboard.models.api.meta import LabelSelector, ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import (
    BindPod,
    CreateObject,
    DeleteObject,
    Got,
    Listed,
    PatchObject,
    Refused,
    UpdateObject,
    WriteStatus,
    Written,
)
from callboard.models.messages.base import Message, Request
from callboard.models.podstatus import is_active, is_ready
from callboard.models.times import rfc3339
from callboard.runtime.systems import SimulatedSystem

CLIENT = ClientSettings(request_timeout_s=2.0, watch_silence_s=3.0, gap_wait_s=0.1, retry_s=0.05, retry_limit_s=1.0)
CONTROLLERS: dict[str, Any] = {
    "controller/replicaset": ReplicaSetController,
    "controller/deployment": DeploymentController,
    "controller/endpointslice": EndpointSliceController,
}


class StartPod(Message, frozen=True, gc=False):
    """Timer: the containers of a pod are up."""

    key: str


def _pinned_to(pod: Pod) -> str:
    """The node that a pod of a DaemonSet is pinned to, "" if it isn't."""
    affinity = pod.spec.affinity.node_affinity if pod.spec is not None and pod.spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    fields = required.node_selector_terms[0].match_fields if required is not None else ()
    return fields[0].values[0] if fields else ""


class Nodes(ApiComponent):
    """Binds every pod, makes it run and ready after `start_s`, and lets it go when it is deleted. `broken` images never get ready."""

    def __init__(self, port: Port, settings: ClientSettings, start_s: float, broken: str = "broken") -> None:
        super().__init__(port, settings)
        self.start_s = start_s
        self.broken = broken
        self.rejects = False
        """Whether pods that start now fail at once, as those do that a kubelet rejects."""
        self.begun: dict[str, None] = {}
        self.pods = self.inform("pods", self._pod_changed)

    def on_start(self) -> None:
        self.start_informers()

    def _pod_changed(self, key: str, _old: Any, new: Any) -> None:
        if new is None:
            self.begun.pop(key, None)
        elif new.metadata.deletion_timestamp:
            self._ask(DeleteObject, new, grace_period_s=0)
        elif not new.spec.node_name:
            self._ask(BindPod, new, node_name=_pinned_to(new) or f"node-{len(self.pods.objects) % 3}")
        elif key not in self.begun:
            self.begun[key] = None
            self.port.after(self.start_s, StartPod(key))

    @handles(StartPod)
    def _start(self, timer: StartPod) -> None:
        pod = self.pods.objects.get(timer.key)
        if pod is None or pod.metadata.deletion_timestamp:
            return
        now = rfc3339(self.port.now())
        if self.rejects:
            self._ask(WriteStatus, pod, status=replace(pod.status, phase="Failed", reason="OutOfcpu"))
            return
        ready = "False" if pod.spec.containers[0].image == self.broken else "True"
        address = f"10.128.{len(self.begun) // 250}.{len(self.begun) % 250 + 1}"
        status = replace(
            pod.status,
            phase="Running",
            pod_ip=address,
            pod_ips=(PodIP(ip=address),),
            conditions=(PodCondition(type="Ready", status=ready, last_transition_time=now),),
        )
        self._ask(WriteStatus, pod, status=status)

    def _ask(self, request: type[Request], pod: Pod, **fields: Any) -> None:
        meta = pod.metadata
        self.call(request, meta, resource="pods", namespace=meta.namespace, name=meta.name, uid=meta.uid, **fields)

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(answer, Refused) and answer.code >= 500:
            self.pods.relist()  # lost: look at everything again
            key = f"pods/{context.namespace}/{context.name}"
            pod = self.pods.objects.get(key)
            if pod is not None:
                self.begun.pop(key, None)
                self._pod_changed(key, None, pod)


class Playground:
    """A world in which workloads run. `start_s` is how long a pod takes to become ready."""

    def __init__(
        self, *, seed: int = 1, servers: int = 1, start_s: float = 0.5, client: ClientSettings = CLIENT, nodes: Any = Nodes
    ) -> None:
        self.system = SimulatedSystem(seed=seed)
        machine = self.system.add_machine("control-plane")
        self.system.start("store", Store, machine.disk, "")
        names = tuple(f"apiserver-{number}" for number in range(servers))
        for name in names:
            self.system.start(name, ApiServer, ApiServerSettings(watch_heartbeat_s=1.0, store_timeout_s=2.0))
        self.client = replace(client, apiservers=names)
        for name, controller in CONTROLLERS.items():
            self.system.start(name, controller, self.client)
        self.system.start("nodes", nodes, self.client, start_s, machine="node")
        self.system.run_for(1.0)

    # -- what a user does -----------------------------------------------------------------------------------------------------------

    def ask(self, request: type[Request], **fields: Any) -> Any:
        """The answer to a request that is not refused."""
        answer = self.system.ask("apiserver-0", lambda number, me: request(number, me, **fields), 60.0)
        assert isinstance(answer, Got | Listed | Written), answer
        return answer

    def create(self, resource: str, obj: Any) -> Any:
        """Create an object."""
        return self.ask(CreateObject, resource=resource, obj=obj).obj

    def change(self, resource: str, name: str, spec: Any) -> Any:
        """Replace the spec of an object."""
        obj = self.get(resource, name)
        return self.ask(UpdateObject, resource=resource, obj=replace(obj, spec=spec)).obj

    def scale(self, resource: str, name: str, replicas: int) -> None:
        """Set `spec.replicas`."""
        patch = FrozenMap(spec=FrozenMap(replicas=replicas))
        self.ask(PatchObject, resource=resource, namespace="default", name=name, type="merge", patch=patch)

    def delete(self, resource: str, name: str, **fields: Any) -> None:
        """Delete an object."""
        self.ask(DeleteObject, resource=resource, namespace="default", name=name, **fields)

    # -- what there is ----------------------------------------------------------------------------------------------------------------

    @property
    def items(self) -> dict[str, Any]:
        """What the store holds."""
        found: dict[str, Any] = self.system.look("store")._keyspace.items
        return found

    def all(self, resource: str) -> list[Any]:
        """All objects of a resource."""
        return [obj for key, obj in self.items.items() if key.startswith(f"{resource}/default/")]

    def get(self, resource: str, name: str) -> Any:
        """An object of the store."""
        return self.items[f"{resource}/default/{name}"]

    @property
    def live(self) -> list[Any]:
        """The pods that count."""
        return [pod for pod in self.all("pods") if is_active(pod)]

    @property
    def ready(self) -> list[Any]:
        """The pods that count and are ready."""
        return [pod for pod in self.live if is_ready(pod)]

    def endpoints(self, service: str) -> list[str]:
        """Names of the pods that are ready endpoints of a Service."""
        slices = self.all("endpointslices.discovery.k8s.io")
        return sorted(
            endpoint.target_ref.name
            for piece in slices
            if piece.metadata.labels.get("kubernetes.io/service-name") == service
            for endpoint in piece.endpoints
            if endpoint.conditions.ready
        )

    def until(self, judge: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Run until it is so."""
        assert self.system.run_until(judge, timeout_s), "it did not come to that"

    def count(self, sender: str, type_: str) -> Callable[[], int]:
        """Begin to count the messages of a type that a component sends; returns what tells how many there were."""
        seen = 0

        def judge(passage: Any, _message: Any) -> bool:
            nonlocal seen
            seen += passage.type == type_
            return False

        self.system.links.drop(sender, "apiserver-*", judge)
        return lambda: seen

    def lose_every(self, number: int, target: str, *types: str) -> None:
        """Lose every so-many-th message of these types on its way to a component."""
        seen = 0

        def judge(passage: Any, _message: Any) -> bool:
            nonlocal seen
            seen += passage.type in types
            return passage.type in types and seen % number == 0

        self.system.links.drop("apiserver-*", target, judge)

    def hold(self, seconds: float, judge: Callable[[Any], bool]) -> None:
        """Hold the messages that `judge` says yes to."""
        self.system.links.hold(lambda passage: seconds if judge(passage) else 0.0)

    def always(self, judge: Callable[[], None]) -> None:
        """Judge after every step."""
        self.system.on_step.append(judge)


# -- objects; they are Any here, since tests reach into parts that may be absent ----------------------------------------


def template(image: str = "web:1", **labels: str) -> Any:
    """A template of one container that listens on 80, which is also called http."""
    container = Container(name="web", image=image, ports=(ContainerPort(name="http", container_port=80, protocol="TCP"),))
    spec = PodSpec(containers=(container,), restart_policy="Always", termination_grace_period_seconds=1)
    return PodTemplateSpec(metadata=ObjectMeta(labels=FrozenMap({"app": "web", **labels})), spec=spec)


def bare_pod(name: str, **labels: str) -> Any:
    """A pod that nobody controls."""
    return Pod(metadata=ObjectMeta(name=name, namespace="default", labels=FrozenMap(labels)), spec=template().spec)


def replica_set(replicas: int, name: str = "web", **changes: Any) -> Any:
    """A ReplicaSet over app=web."""
    selector = LabelSelector(match_labels=FrozenMap(app="web"))
    spec = ReplicaSetSpec(replicas=replicas, selector=selector, template=template(), **changes)
    return ReplicaSet(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


def deployment(replicas: int, *, surge: int | str = "25%", unavailable: int | str = "25%", kind: str = "RollingUpdate", **more: Any) -> Any:
    """A Deployment over app=web."""
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable) if kind == "RollingUpdate" else None
    fields: dict[str, Any] = {
        "replicas": replicas,
        "selector": LabelSelector(match_labels=FrozenMap(app="web")),
        "template": template(),
        "strategy": DeploymentStrategy(type=kind, rolling_update=rolling),
        **more,
    }
    return Deployment(metadata=ObjectMeta(name="web", namespace="default"), spec=DeploymentSpec(**fields))


def service(name: str = "web", **changes: Any) -> Any:
    """A Service over app=web."""
    port = ServicePort(name="http", port=80, target_port="http", protocol="TCP")
    fields: dict[str, Any] = {"selector": FrozenMap(app="web"), "ports": (port,), **changes}
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=ServiceSpec(**fields))


def running(pod: Pod, *, ready: bool = True, since: str = "2026-11-24T12:00:00Z", address: str = "10.128.0.1", **status: Any) -> Any:
    """A pod as it is when its containers run."""
    conditions = (PodCondition(type="Ready", status="True" if ready else "False", last_transition_time=since),)
    return replace(pod, status=PodStatus(phase="Running", pod_ip=address, conditions=conditions, **status))
