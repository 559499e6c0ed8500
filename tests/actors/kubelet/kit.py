"""A node in a simulated world: store, apiserver, kubelet and runtime; and pods as users write them."""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.actor import ApiServer
from callboard.actors.apiserver.settings import ApiServerSettings
from callboard.actors.informer import ClientSettings
from callboard.actors.kubelet.actor import Kubelet
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.store.actor import Store
from callboard.models.api.core import ConfigMap, Container, ContainerStatus, Event, Node, Pod, PodSpec, Secret
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.behaviour import Behaviour
from callboard.models.messages.api import (
    CreateObject,
    DeleteObject,
    GetObject,
    Got,
    Listed,
    ListObjects,
    Refused,
    UpdateObject,
    Written,
)
from callboard.runtime.containers.simulated import SimulatedRuntime
from callboard.runtime.systems import SimulatedSystem

NODE = "node-1"
KUBELET = f"kubelet/{NODE}"
RUNTIME = f"runtime/{NODE}"
API = "apiserver-0"


def container(name: str = "web", image: str = "web:1", **fields: Any) -> Container:
    """A container as a user writes it."""
    return Container(name=name, image=image, **fields)


def pod(name: str = "web", *containers: Container, **spec: Any) -> Pod:
    """A pod that is bound to the node already."""
    spec.setdefault("restart_policy", "Always")
    made = PodSpec(containers=containers or (container(),), node_name=NODE, **spec)
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=made)


def config_map(name: str, **data: str) -> ConfigMap:
    """A ConfigMap in the default namespace."""
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=FrozenMap(data))


def secret(name: str, **data: str) -> Secret:
    """A Secret in the default namespace; its data is base64 already."""
    return Secret(metadata=ObjectMeta(name=name, namespace="default"), data=FrozenMap(data))


class World:
    """One node and its control plane on virtual time."""

    def __init__(self, seed: int = 1, images: dict[str, Behaviour] | None = None, **settings: Any) -> None:
        self.system = system = SimulatedSystem(seed=seed)
        system.start("store", Store, system.add_machine("control-plane").disk)
        system.start(API, ApiServer, ApiServerSettings())
        arguments = (NODE, "10.128.0.0/22", "172.16.0.1", tuple((images or {}).items()))
        system.start(RUNTIME, SimulatedRuntime, *arguments, machine=NODE)
        settings = {"events": "all", **settings}
        own = KubeletSettings(node_name=NODE, runtime=RUNTIME, **settings)
        system.start(KUBELET, Kubelet, ClientSettings(), own, machine=NODE)
        self.run(1)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.system.run_for(seconds)

    @property
    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return self.system.now()

    def ask(self, request: Any, **fields: Any) -> Any:
        """Ask the apiserver."""
        return self.system.ask(API, lambda number, me: request(number, me, **fields), 30)

    def create(self, obj: Any, resource: str = "pods") -> Any:
        """Create an object; returns it as it is stored."""
        answer = self.ask(CreateObject, resource=resource, obj=obj)
        assert isinstance(answer, Written), answer
        return answer.obj

    def update(self, obj: Any, resource: str) -> None:
        """Replace an object."""
        answer = self.ask(UpdateObject, resource=resource, obj=obj)
        assert isinstance(answer, Written), answer

    def delete(self, name: str, grace_s: int = -1) -> None:
        """Ask for the deletion of a pod."""
        answer = self.ask(DeleteObject, resource="pods", namespace="default", name=name, grace_period_s=grace_s)
        assert isinstance(answer, Written), answer

    def find(self, name: str, resource: str = "pods", namespace: str = "default") -> Any:
        """The object, or None."""
        answer = self.ask(GetObject, resource=resource, namespace=namespace, name=name)
        assert isinstance(answer, Got) or (isinstance(answer, Refused) and answer.code == 404), answer
        return answer.obj if isinstance(answer, Got) else None

    def pod(self, name: str = "web") -> Pod:
        """A pod that must be there."""
        found = self.find(name)
        assert isinstance(found, Pod)
        return found

    def node(self) -> Node:
        """The node's object."""
        found = self.find(NODE, "nodes", "")
        assert isinstance(found, Node)
        return found

    def status(self, name: str = "web", container_name: str = "web") -> ContainerStatus:
        """The status of one container; an empty one if there is none."""
        status = self.pod(name).status
        assert status is not None
        statuses = (*status.init_container_statuses, *status.container_statuses)
        return next((one for one in statuses if one.name == container_name), ContainerStatus())

    def phase(self, name: str = "web") -> str:
        """The phase of a pod."""
        status = self.pod(name).status
        return status.phase if status is not None else ""

    def is_true(self, condition: str, name: str = "web") -> bool:
        """Whether a condition of a pod is True."""
        status = self.pod(name).status
        return status is not None and any(one.type == condition and one.status == "True" for one in status.conditions)

    def events(self, reason: str = "") -> list[Event]:
        """The events in the default namespace, with this reason if one is given."""
        answer = self.ask(ListObjects, resource="events", namespace="default")
        assert isinstance(answer, Listed)
        return [one for one in answer.objects if not reason or one.reason == reason]

    def wait(self, condition: Any, timeout_s: float = 60.0) -> float:
        """Run until a condition holds; returns the seconds that took."""
        begin_s = self.now
        while not condition():
            assert self.now < begin_s + timeout_s, "it did not happen in time"
            self.run(0.1)
        return self.now - begin_s

    @property
    def runtime(self) -> SimulatedRuntime:
        """The runtime, to be read."""
        found = self.system.look(RUNTIME)
        assert isinstance(found, SimulatedRuntime)
        return found

    @property
    def kubelet(self) -> Kubelet:
        """The kubelet, to be read."""
        found = self.system.look(KUBELET)
        assert isinstance(found, Kubelet)
        return found

    def running(self) -> list[str]:
        """Names of the containers that run, as `pod/container/attempt`."""
        return [
            f"{sandbox.pod.metadata.name}/{one.name}/{one.attempt}"
            for sandbox in self.runtime.sandboxes.values()
            for one in sandbox.containers.values()
            if one.state == "running"
        ]
