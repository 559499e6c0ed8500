"""The container runtime of simulated containers: what they do is a Python object, when they do it is this machine's clock.

See `models.messages.runtime` for its terms. A process of its own on the node: it outlives its kubelet, and dies with the machine and all
its containers. While a container starts at once and runs on, as most do, a start costs one message and no timer.
"""

from __future__ import annotations

from callboard.actors.component import Port, Timer, handles
from callboard.models.api.core import Pod
from callboard.models.behaviour import DEFAULT, Behaviour, ContainerResponse, behaviour_of
from callboard.models.messages.base import Address, Message, Request
from callboard.models.messages.runtime import (
    ContainerReadiness,
    ContainerStopping,
    ListSandboxes,
    ReadUsage,
    RemoveSandbox,
    RunSandbox,
    RuntimeRefused,
    RuntimeStarted,
    SandboxesListed,
    SandboxRemoved,
    SandboxRunning,
    Served,
    ServeRequest,
    StartContainer,
    StopContainer,
    UpdateVolumes,
    UsageRead,
    VolumesUpdated,
)
from callboard.models.owners import controller_of
from callboard.runtime.containers.simulated_addresses import NoAddressLeft, SimulatedAddresses
from callboard.runtime.containers.simulated_inside import SimulatedInside
from callboard.runtime.containers.simulated_pods import SIGKILL, SIGTERM, Container, Sandbox, missing_configs
from callboard.runtime.containers.simulated_usage import LOOK_AT_MEMORY_S, UsageBook


class _OfContainer(Message, frozen=True, gc=False):
    pod_uid: str
    container_id: str

    def subject(self) -> str:
        return self.container_id


class Begin(_OfContainer, frozen=True, gc=False):
    """Timer: a container's start takes no longer."""


class EndItself(_OfContainer, frozen=True, gc=False):
    """Timer: a life that ends of its own accord is over."""


class BecomeReady(_OfContainer, frozen=True, gc=False):
    """Timer: a container is ready from now on."""


class EndAsAsked(_OfContainer, frozen=True, gc=False):
    """Timer: a container that was asked to end has ended, or is killed since its grace is over."""

    killed: bool = False


class LookAtMemory(Message, frozen=True, gc=False):
    """Timer: does a container use more memory than its limit by now?"""


OOM_CODE = 128 + SIGKILL
DONE_AT_ONCE = Behaviour(exits=(0,) * 64)
"""What an init container does that nobody has said anything about, and a Job's: were they to run for ever, the pod would never come up, the
Job never be done."""


def _has_to_end(pod: Pod, name: str) -> bool:
    """Whether this is a container that somebody waits for: one of a Job, or an init container, sidecars excepted."""
    inits = pod.spec.init_containers if pod.spec is not None else ()
    owner = controller_of(pod)
    if owner is not None and owner.kind == "Job" and not any(one.name == name for one in inits):
        return True
    return any(one.name == name and one.restart_policy != "Always" for one in inits)


class SimulatedRuntime(SimulatedInside):
    """The pods of one node. `pod_cidr` is where their addresses come from, `images` says which image behaves how."""

    def __init__(
        self,
        port: Port,
        node: str,
        pod_cidr: str,
        host_ip: str,
        images: tuple[tuple[str, Behaviour], ...] = (),
    ) -> None:
        super().__init__(port)
        self.node = node
        self.host_ip = host_ip
        self.kubelet: Address = f"kubelet/{node}"
        self.addresses = SimulatedAddresses(pod_cidr)
        self.sandboxes: dict[str, Sandbox] = {}
        self._by_ip: dict[str, dict[str, Sandbox]] = {}
        self._images = images
        self._behaviours: dict[str, Behaviour] = {}
        self._usage = UsageBook()
        self._looks_at_memory = False
        self._boot = port.new_id()[:8]
        """In the ids of all containers of this incarnation: what ran before it is never taken for what runs now."""

    def on_start(self) -> None:
        """Tell the kubelet, if there is one, that nothing runs here yet."""
        self.port.send(self.kubelet, RuntimeStarted(self.node))

    # -- sandboxes ------------------------------------------------------------------------------------------------------------------

    @handles(RunSandbox)
    def _run(self, request: RunSandbox) -> None:
        pod = request.pod
        uid = pod.metadata.uid
        sandbox = self.sandboxes.get(uid)
        if sandbox is None:
            if request.configs and (why := missing_configs(pod, request.configs)):
                self._refuse(request, uid, "FailedMount", why)
                return
            try:
                ip = self.host_ip if pod.spec.host_network else self.addresses.take()
            except NoAddressLeft as problem:
                self._refuse(request, uid, "FailedCreatePodSandBox", str(problem))
                return
            sandbox = self.sandboxes[uid] = Sandbox(pod, ip)
            self._by_ip.setdefault(ip, {})[uid] = sandbox
        self.port.send(request.reply_to, SandboxRunning(request.id, uid, sandbox.ip, self.host_ip))

    @handles(RemoveSandbox)
    def _remove(self, request: RemoveSandbox) -> None:
        sandbox = self.sandboxes.pop(request.pod_uid, None)
        if sandbox is not None:
            for container in sandbox.containers.values():
                container.cancel_timers()
                self._usage.changed(container.pod_uid, container.id)
            of_ip = self._by_ip[sandbox.ip]
            del of_ip[request.pod_uid]
            if not of_ip:
                del self._by_ip[sandbox.ip]
                if sandbox.ip != self.host_ip:
                    self.addresses.release(sandbox.ip)
        self.port.send(request.reply_to, SandboxRemoved(request.id, request.pod_uid))

    @handles(ListSandboxes)
    def _list(self, request: ListSandboxes) -> None:
        states = tuple(sandbox.reported(self.host_ip) for sandbox in self.sandboxes.values())
        self.port.send(request.reply_to, SandboxesListed(request.id, states, self.host_ip))

    @handles(UpdateVolumes)
    def _update(self, request: UpdateVolumes) -> None:
        if request.pod_uid in self.sandboxes:
            self.port.send(request.reply_to, VolumesUpdated(request.id, request.pod_uid))
        else:
            self._refuse(request, request.pod_uid, "NotFound", f"pod {request.pod_uid} has no sandbox here")

    # -- the life of a container ----------------------------------------------------------------------------------------------------

    @handles(StartContainer)
    def _start(self, request: StartContainer) -> None:
        uid, name = request.pod_uid, request.name
        sandbox = self.sandboxes.get(uid)
        if sandbox is None:
            self._refuse(request, uid, "NotFound", f"pod {uid} has no sandbox here; run one first")
            return
        known = sandbox.containers.get(name)
        if known is not None and known.attempt == request.attempt:
            self._start_again(known, request)
            return
        if known is not None and (known.state != "exited" or known.attempt > request.attempt):
            message = f"attempt {known.attempt} of container {name} is here ({known.state}), so attempt {request.attempt} can't start"
            self._refuse(request, uid, "CreateContainerError", message)
            return
        image = request.container.image
        behaviour = self._behaviours.get(image)
        if behaviour is None:
            behaviour = self._behaviours[image] = behaviour_of(image, self._images)
        if behaviour is DEFAULT and _has_to_end(sandbox.pod, name):
            behaviour = DONE_AT_ONCE
        if behaviour.pull_fails and not sandbox.pulls(name, behaviour.pull_fails):
            self._refuse(request, uid, "ErrImagePull", f'failed to pull and unpack image "{image}": not found')
            return
        container = sandbox.containers[name] = Container(request, behaviour, known, self._boot)
        delay_s = behaviour.seconds("start")
        if delay_s > 0:
            container.own_end = self.port.after(delay_s, Begin(uid, container.id))
        else:
            self._begin(container)

    def _start_again(self, container: Container, request: StartContainer) -> None:
        """Somebody asks for what has been done, perhaps since the answer was lost."""
        if container.state == "starting":
            container.request = request
            return
        self.port.send(request.reply_to, container.started(request.id))
        if container.exited is not None:
            self.port.send(self.kubelet, container.exited)

    @handles(Begin)
    def _begin_later(self, timer: Begin) -> None:
        container = self._container(timer)
        if container is not None and container.state == "starting":
            self._begin(container)

    def _begin(self, container: Container) -> None:
        behaviour, port = container.behaviour, self.port
        container.state = "running"
        container.own_end = None
        container.started_at_s = port.now()
        for line in behaviour.says:
            container.write(line, container.started_at_s)
        code = behaviour.exit_code(container.attempt)
        ready_s, life_s = behaviour.seconds("ready_after"), behaviour.seconds("runs_for")
        gets_ready = code is None or ready_s < life_s
        container.ready = gets_ready and ready_s <= 0
        request, container.request = container.request, None
        assert request is not None
        port.send(request.reply_to, container.started(request.id))
        self._usage.began(container, request.container)
        if behaviour.usage is not None and self._usage.limited:
            self._kill_for_memory()
            if container.exited is not None:
                return
        if gets_ready and ready_s > 0:
            container.ready_timer = port.after(ready_s, BecomeReady(container.pod_uid, container.id))
        if code is None:
            return
        if life_s > 0:
            container.own_end = port.after(life_s, EndItself(container.pod_uid, container.id))
        else:
            self._end(container, code)

    @handles(BecomeReady)
    def _become_ready(self, timer: BecomeReady) -> None:
        container = self._container(timer)
        if container is not None and container.state == "running":
            container.ready = True
            self.port.send(self.kubelet, ContainerReadiness(container.pod_uid, container.name, container.id, True))

    @handles(EndItself)
    def _end_itself(self, timer: EndItself) -> None:
        container = self._container(timer)
        if container is not None and container.state == "running":
            self._end(container, container.behaviour.exit_code(container.attempt) or 0)

    def _end(self, container: Container, code: int, signal: int = 0, traceback: str = "", reason: str = "") -> None:
        if traceback:
            container.write(traceback, self.port.now())
        last = traceback.strip().rpartition("\n")[2]
        self._usage.changed(container.pod_uid, container.id)
        self.port.send(self.kubelet, container.ended(code, signal, self.port.now(), last, reason))

    @handles(StopContainer)
    def _stop_container(self, request: StopContainer) -> None:
        sandbox = self.sandboxes.get(request.pod_uid)
        container = sandbox.by_id(request.container_id) if sandbox is not None else None
        if container is None or container.state == "starting":
            self._refuse(request, request.pod_uid, "NotFound", f"container {request.container_id} does not run here")
            return
        self.port.send(request.reply_to, ContainerStopping(request.id, request.container_id))
        if container.exited is not None:
            self.port.send(self.kubelet, container.exited)
            return
        stops_s = container.behaviour.seconds("stops_in")
        killed = request.grace_s < stops_s
        left_s = request.grace_s if killed else stops_s
        end_s = self.port.now() + left_s
        if container.stop is not None:
            if container.stop[0] <= end_s:
                return
            container.stop[1].cancel()
        if left_s > 0:
            timer: Timer = self.port.after(left_s, EndAsAsked(container.pod_uid, container.id, killed))
            container.stop = end_s, timer
        else:
            self._end_as_asked(EndAsAsked(container.pod_uid, container.id, killed))

    @handles(EndAsAsked)
    def _end_as_asked(self, timer: EndAsAsked) -> None:
        container = self._container(timer)
        if container is not None and container.state == "running":
            signal = SIGKILL if timer.killed else SIGTERM
            self._end(container, 128 + signal, signal)

    def _container(self, timer: _OfContainer) -> Container | None:
        sandbox = self.sandboxes.get(timer.pod_uid)
        return sandbox.by_id(timer.container_id) if sandbox is not None else None

    # -- requests and questions -----------------------------------------------------------------------------------------------------

    @handles(ServeRequest)
    def _serve(self, request: ServeRequest) -> None:
        for sandbox in self._by_ip.get(request.ip, {}).values():
            container = sandbox.server(request.port)
            if container is not None:
                response = self._answer(sandbox, container, request)
                if response is not None:
                    self.port.send(request.reply_to, Served(request.id, True, response.status, response.headers, response.body))
                    return
                break
        self.port.send(request.reply_to, Served(request.id, False))

    def _answer(self, sandbox: Sandbox, container: Container, request: ServeRequest) -> ContainerResponse | None:
        """What a container answers, or None: then it has just died of the question."""
        response = sandbox.ask(container, request)
        if isinstance(response, ContainerResponse):
            return response
        self._end(container, 1, traceback=response)
        return None

    # -- usage ----------------------------------------------------------------------------------------------------------------------

    @handles(ReadUsage)
    def _read_usage(self, request: ReadUsage) -> None:
        pods, failed = self._usage.read(self.sandboxes, self.port.now())
        for container, traceback in failed:
            self._end(container, 1, traceback=traceback)
        self.port.send(request.reply_to, UsageRead(request.id, pods))

    def _kill_for_memory(self) -> None:
        """Kill what uses more memory than its limit, as the kernel does for a cgroup; look again as long as a curve may get there."""
        for container, traceback in self._usage.over_limit(self.port.now()):
            if traceback:
                self._end(container, 1, traceback=traceback)
            else:
                self._end(container, OOM_CODE, reason="OOMKilled")
        if not self._looks_at_memory and self._usage.limit_can_be_reached():
            self._looks_at_memory = True
            self.port.after(LOOK_AT_MEMORY_S, LookAtMemory(), periodic=True)

    @handles(LookAtMemory)
    def _look_at_memory(self, _timer: LookAtMemory) -> None:
        self._looks_at_memory = False
        self._kill_for_memory()

    def _refuse(self, request: Request, uid: str, reason: str, message: str) -> None:
        self.port.send(request.reply_to, RuntimeRefused(request.id, uid, reason, message))
