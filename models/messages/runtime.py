"""What a kubelet and its node's container runtime say to each other, in the terms of Kubernetes' CRI; and probes of containers.

A runtime is a process of its own on the node: it outlives its kubelet, which finds its containers again with `ListSandboxes`.
Requests are answered once; `ContainerExited`, `ContainerReadiness` and `RuntimeStarted` are pushed to the kubelet (`kubelet/<node>`)
unasked.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.messages.base import Answer, Message, Request

DOWNWARD = "downward"
"""First part of the keys, in a pod's configs, of what the downward API shows: `downward/<namespace>/<volume>` -> content by path."""


class RunSandbox(Request, frozen=True, gc=False):
    """Make a pod's sandbox: its address and its volumes. `pod` is the API object; `configs` holds the ConfigMaps and Secrets that its
    volumes and env need, by store key (None: absent, allowed only where optional), and what the downward API shows in its volumes."""

    pod: Any
    configs: tuple[tuple[str, Any], ...] = ()

    def subject(self) -> str:
        return f"pods/{self.pod.metadata.namespace}/{self.pod.metadata.name}"


class SandboxRunning(Answer, frozen=True, gc=False):
    """The sandbox exists. `ip` is the pod's address; `host_ip` the node's."""

    pod_uid: str
    ip: str
    host_ip: str


class RuntimeRefused(Answer, frozen=True, gc=False):
    """The runtime could not do it; `reason` is one of Kubernetes' words (`CreateContainerError`, `ErrImagePull`,
    `CreateContainerConfigError`, `RunContainerError`, `NotFound`)."""

    pod_uid: str
    reason: str
    message: str


class StartContainer(Request, frozen=True, gc=False):
    """Start container `name` of a pod for the `attempt`-th time (0 first), with its environment already resolved by the kubelet."""

    pod_uid: str
    name: str
    attempt: int
    container: Any
    env: tuple[tuple[str, str], ...]

    def subject(self) -> str:
        return f"{self.pod_uid}/{self.name}"


class ContainerStarted(Answer, frozen=True, gc=False):
    """The container runs. `started_at_s` is in seconds since the epoch. `ready` is what the runtime knows about readiness of its own
    accord (a simulated container may say no until later), used for containers without a readiness probe."""

    pod_uid: str
    name: str
    container_id: str
    started_at_s: float
    ready: bool = True


class StopContainer(Request, frozen=True, gc=False):
    """Ask a container to end (SIGTERM), and end it (SIGKILL) after `grace_s`. Answered by `ContainerStopping`; then `ContainerExited`."""

    pod_uid: str
    container_id: str
    grace_s: float

    def subject(self) -> str:
        return self.container_id


class ContainerStopping(Answer, frozen=True, gc=False):
    """The signal is sent, or the container had ended already (then `ContainerExited` was or is pushed all the same)."""

    container_id: str


class ContainerExited(Message, frozen=True, gc=False):
    """A container has ended. `reason` is Kubernetes' (`Completed`, `Error`, `OOMKilled`)."""

    pod_uid: str
    name: str
    container_id: str
    exit_code: int
    signal: int
    started_at_s: float
    finished_at_s: float
    reason: str
    message: str = ""

    def subject(self) -> str:
        return f"{self.pod_uid}/{self.name}"


class ContainerReadiness(Message, frozen=True, gc=False):
    """A simulated container's own readiness has changed."""

    pod_uid: str
    name: str
    container_id: str
    ready: bool

    def subject(self) -> str:
        return f"{self.pod_uid}/{self.name}"


class RemoveSandbox(Request, frozen=True, gc=False):
    """Remove a pod's sandbox, its volumes and whatever of it still runs (killed at once)."""

    pod_uid: str

    def subject(self) -> str:
        return self.pod_uid


class SandboxRemoved(Answer, frozen=True, gc=False):
    """Nothing of the pod is left on this node."""

    pod_uid: str


class UpdateVolumes(Request, frozen=True, gc=False):
    """ConfigMaps or Secrets of a running pod have changed: swap the new content in. Answered by `VolumesUpdated`."""

    pod_uid: str
    configs: tuple[tuple[str, Any], ...]

    def subject(self) -> str:
        return self.pod_uid


class VolumesUpdated(Answer, frozen=True, gc=False):
    """The pod's volumes show the new content."""

    pod_uid: str


class ProbeContainer(Request, frozen=True, gc=False):
    """Carry out a probe of a running container, or a lifecycle handler written as one, within `timeout_s`. Answered by `Probed`.

    `probe` is a `core.Probe`; `port` is its port as a number (0 if its action has none) and `ip` the pod's address. `purpose` is
    `startup`, `liveness`, `readiness` or `lifecycle`: a simulated container may be alive and not ready.
    """

    pod_uid: str
    container_id: str
    name: str
    ip: str
    probe: Any
    port: int
    timeout_s: float
    purpose: str = "liveness"

    def subject(self) -> str:
        return f"{self.pod_uid}/{self.name}"


class Probed(Answer, frozen=True, gc=False):
    """How a probe went; `message` is what it said, or why it failed. A container that is gone or does not run fails its probes."""

    ok: bool
    message: str = ""


class RuntimeStarted(Message, frozen=True, gc=False):
    """A runtime has started, and perhaps lost what ran here: its kubelet should ask `ListSandboxes` again. Pushed unasked."""

    node: str


class ContainerState(msgspec.Struct, frozen=True, gc=False):
    """One container as a runtime knows it. `exited` is None while it runs."""

    name: str
    attempt: int
    container_id: str
    started_at_s: float
    ready: bool
    exited: ContainerExited | None = None


class SandboxState(msgspec.Struct, frozen=True, gc=False):
    """One sandbox as a runtime knows it."""

    pod_uid: str
    namespace: str
    pod_name: str
    ip: str
    host_ip: str
    containers: tuple[ContainerState, ...]


class ListSandboxes(Request, frozen=True, gc=False):
    """What runs here? Asked by a kubelet that has just started."""


class SandboxesListed(Answer, frozen=True, gc=False):
    """Answer to `ListSandboxes`. `host_ip` is the node's address; `problem` says why nothing can be started here, "" if it can (CRI's
    condition RuntimeReady)."""

    sandboxes: tuple[SandboxState, ...]
    host_ip: str
    problem: str = ""


class ReadLog(Request, frozen=True, gc=False):
    """A piece of the output of a container: of the life with `container_id`, or of the newest one if it is "". See `pods.ReadPodLog`."""

    pod_uid: str
    name: str
    container_id: str = ""
    tail_lines: int = -1
    since_s: float = 0.0
    timestamps: bool = False
    offset: int = 0

    def subject(self) -> str:
        return f"{self.pod_uid}/{self.name}"


class LogRead(Answer, frozen=True, gc=False):
    """Answer to `ReadLog`: see `pods.PodLogRead`. Refused with `NotFound` if that output is not kept any more, with `Unsupported` if this
    runtime can't tell."""

    content: bytes
    offset: int
    end: int
    ended: bool
    container_id: str


class RunCommand(Request, frozen=True, gc=False):
    """Carry a command out in a running container, within `timeout_s`. Answered by `CommandDone`."""

    pod_uid: str
    container_id: str
    name: str
    command: tuple[str, ...]
    stdin: bytes = b""
    timeout_s: float = 30.0

    def subject(self) -> str:
        return f"{self.pod_uid}/{self.name}"


class CommandDone(Answer, frozen=True, gc=False):
    """How a command went. `timed_out`: it was killed when its time was over; `problem` tells why nothing could be carried out at all
    (the container doesn't run, too many commands are under way)."""

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    timed_out: bool = False
    problem: str = ""


class ReadUsage(Request, frozen=True, gc=False):
    """What do the containers of this node use now?"""


class ContainerUsage(msgspec.Struct, frozen=True, gc=False):
    """What one container uses: thousandths of a core, bytes of memory, bytes of files of its own (its writable layer and its log)."""

    name: str
    cpu_milli: int
    memory_bytes: int
    storage_bytes: int = 0


class PodMeasured(msgspec.Struct, frozen=True, gc=False):
    """What one pod's running containers use, how many processes they are, and the bytes in its emptyDir volumes, by name."""

    pod_uid: str
    containers: tuple[ContainerUsage, ...]
    processes: int = 0
    volumes: tuple[tuple[str, int], ...] = ()


class UsageRead(Answer, frozen=True, gc=False):
    """Answer to `ReadUsage`: the pods of which something runs. Where nothing has changed, `pods` is the very tuple of the answer before, so
    that a node at rest costs nothing per pod."""

    pods: tuple[PodMeasured, ...]


class ServeRequest(Request, frozen=True, gc=False):
    """One HTTP-like request to a pod, on the simulated data path: what `Cluster.request` sends through a service proxy."""

    ip: str
    port: int
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def subject(self) -> str:
        return f"{self.ip}:{self.port}"


class Served(Answer, frozen=True, gc=False):
    """What the container answered. `connected=False`: nobody listens there (a refused connection)."""

    connected: bool
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class RouteRequest(Request, frozen=True, gc=False):
    """Client to a service proxy on the simulated data path: carry this request to an endpoint of the Service's port.

    `port` is a name, a number, a node port (then it is a request from outside), or "" for the first. `client` is the client's address, by
    which a Service may know it again ("": whoever the answer goes to).
    """

    namespace: str
    service: str
    port: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    client: str = ""

    def subject(self) -> str:
        return f"services/{self.namespace}/{self.service}"


class Routed(Answer, frozen=True, gc=False):
    """The answer of an endpoint, or why there is none (`status` 0 and `problem` set)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    endpoint: str = ""
    problem: str = ""
