"""The container runtime of real processes, at every level of isolation. See `models.messages.runtime` for its terms.

A sandbox is an address of its own and a folder with the pod's volumes, at levels A and B also a network namespace; a container is a
process, confined as the level can, and child of the process daemon, which outlives this runtime and, with a data folder, the whole
program. What runs is found again from the daemon and from a small file per sandbox. Nothing here blocks: folders are the workers'
business, processes the daemon's, networks the network driver's.
"""

from __future__ import annotations

import signal

import msgspec

from callboard.actors.component import handles
from callboard.models.messages.base import Message
from callboard.models.messages.runtime import (
    ContainerStopping,
    RemoveSandbox,
    RunSandbox,
    SandboxRemoved,
    SandboxRunning,
    StartContainer,
    StopContainer,
    UpdateVolumes,
    VolumesUpdated,
)
from callboard.runtime.containers import process_work as work
from callboard.runtime.containers.process_addresses import NoAddressLeft
from callboard.runtime.containers.process_hostports import refused
from callboard.runtime.containers.process_inside import ProcessInside
from callboard.runtime.containers.process_launch import ContainerPrepared, prepare
from callboard.runtime.containers.process_pods import Container, Sandbox
from callboard.runtime.containers.process_usage import ProcessUsage
from callboard.runtime.process.protocol import ProcessAnswer, Started, StartFailed
from callboard.runtime.process.wire import BrokenFrame


class StartAnswered(Message, frozen=True, gc=False):
    """The daemon has started a container, or has not."""

    uid: str
    container_id: str
    answer: ProcessAnswer


class ProcessRuntime(ProcessInside, ProcessUsage):
    """The runtime of one node: what kubelets ask for. See `ProcessNode` for its arguments."""

    # -- sandboxes ------------------------------------------------------------------------------------------------------------------

    @handles(RunSandbox)
    def _run(self, request: RunSandbox) -> None:
        if self._too_early(request):
            return
        pod = request.pod
        uid = pod.metadata.uid
        sandbox = self.sandboxes.get(uid)
        if sandbox is not None and (sandbox.failed or sandbox.removals):
            self._refuse(request, uid, "FailedCreatePodSandBox", "the pod's last sandbox is being removed; try again")
            self._go_on_removing(sandbox)
        elif sandbox is not None and sandbox.made:
            self.port.send(request.reply_to, SandboxRunning(request.id, uid, sandbox.ip, self.addresses.host))
        elif sandbox is not None:
            sandbox.waiting.append(request)
        elif problem := refused(pod, self.place.level, self.addresses.host):
            self._refuse(request, uid, "FailedCreatePodSandBox", problem)
        else:
            try:
                ip = self.addresses.host if pod.spec is not None and pod.spec.host_network else self.addresses.take()
            except NoAddressLeft as error:
                self._refuse(request, uid, "FailedCreatePodSandBox", str(error))
                return
            sandbox = self.sandboxes[uid] = Sandbox(pod, ip)
            sandbox.waiting.append(request)
            note, configs, home, place = sandbox.note(), request.configs, self._home, self.place
            self._in_lane(uid, lambda: work.write_folder(place, home, note, configs, None))

    @handles(UpdateVolumes)
    def _update(self, request: UpdateVolumes) -> None:
        if self._too_early(request):
            return
        sandbox = self.sandboxes.get(request.pod_uid)
        if sandbox is None or not sandbox.usable():
            self._refuse(request, request.pod_uid, "NotFound", f"pod {request.pod_uid} has no sandbox here")
            return
        note, configs, home, place = sandbox.note(), request.configs, self._home, self.place
        self._in_lane(sandbox.uid, lambda: work.write_folder(place, home, note, configs, request))

    @handles(work.FolderWritten)
    def _written(self, result: work.FolderWritten) -> None:
        request = result.request
        if request is not None:
            if result.reason:
                self._refuse(request, result.uid, result.reason, result.message)
            else:
                self.port.send(request.reply_to, VolumesUpdated(request.id, result.uid))
            return
        if result.reason:
            self._sandbox_failed(result.uid, result.reason, result.message)
        else:
            self._connect_sandbox(self.sandboxes[result.uid])  # it can't be gone: it is removed only once it is made

    def _sandbox_connected(self, uid: str, problem: str) -> None:
        if problem:
            self._sandbox_failed(uid, "FailedCreatePodSandBox", f"the pod's network can't be made: {problem}")
            return
        note, home = self.sandboxes[uid].note(), self._home
        self._in_lane(uid, lambda: work.note_new(home, note))  # last: what is not complete is not found again

    @handles(work.SandboxNoted)
    def _noted(self, result: work.SandboxNoted) -> None:
        if result.problem:
            self._sandbox_failed(result.uid, "FailedCreatePodSandBox", result.problem)
            return
        sandbox = self.sandboxes[result.uid]
        waiting, sandbox.waiting = sandbox.waiting, []
        sandbox.made = True
        for run in waiting:
            self.port.send(run.reply_to, SandboxRunning(run.id, sandbox.uid, sandbox.ip, self.addresses.host))
        self._go_on_removing(sandbox)

    def _sandbox_failed(self, uid: str, reason: str, message: str) -> None:
        sandbox = self.sandboxes[uid]
        waiting, sandbox.waiting = sandbox.waiting, []
        for run in waiting:
            self._refuse(run, uid, reason, message)
        sandbox.made = sandbox.failed = True
        self._go_on_removing(sandbox)  # what was made of it

    @handles(work.NoteStored)
    def _note_stored(self, result: work.NoteStored) -> None:
        if result.problem:
            self.port.log.warning("a sandbox can't be stored; it may not be found again", pod_uid=result.uid, reason=result.problem)

    @handles(RemoveSandbox)
    def _remove(self, request: RemoveSandbox) -> None:
        if self._too_early(request):
            return
        sandbox = self.sandboxes.get(request.pod_uid)
        if sandbox is None:
            self.port.send(request.reply_to, SandboxRemoved(request.id, request.pod_uid))
            return
        sandbox.removals.append(request)
        for container in sandbox.containers.values():
            if container.state == "running":
                self._signal(container.id, signal.SIGKILL)
        self._go_on_removing(sandbox)

    # -- containers -----------------------------------------------------------------------------------------------------------------

    @handles(StartContainer)
    def _start(self, request: StartContainer) -> None:
        if self._too_early(request):
            return
        uid, name = request.pod_uid, request.name
        sandbox = self.sandboxes.get(uid)
        if sandbox is None or not sandbox.usable():
            self._refuse(request, uid, "NotFound", f"pod {uid} has no sandbox here; run one first")
            return
        known = sandbox.containers.get(name)
        if known is not None and known.attempt == request.attempt:
            self._start_again(known, request)
        elif known is not None and (known.state != "exited" or known.attempt > request.attempt):
            message = f"attempt {known.attempt} of container {name} is here ({known.state}), so attempt {request.attempt} can't start"
            self._refuse(request, uid, "CreateContainerError", message)
        else:
            if known is not None:
                self._forget(known.id)
            container = sandbox.containers[name] = Container(uid, name, request.attempt, request.container)
            container.waiting.append(request)
            home, place, pod, ip = self._home, self.place, sandbox.pod, sandbox.ip
            spec, attempt, variables = request.container, request.attempt, request.env
            self._in_lane(uid, lambda: prepare(place, home, pod, ip, spec, attempt, variables))

    def _start_again(self, container: Container, request: StartContainer) -> None:
        """Somebody asks for what has been done, perhaps since the answer was lost."""
        if container.state in ("preparing", "starting"):
            container.waiting.append(request)
            return
        self.port.send(request.reply_to, container.started(request.id))
        if container.exited is not None:
            self.port.send(self.kubelet, container.exited)

    @handles(ContainerPrepared)
    def _prepared(self, result: ContainerPrepared) -> None:
        sandbox = self.sandboxes[result.uid]
        container = sandbox.by_id(result.container_id)
        assert container is not None
        if result.launch is None or sandbox.removals:
            self._not_started(sandbox, container, result.reason, result.problem or "the pod's sandbox is being removed")
            return
        container.launch = result.launch
        self._connect_container(sandbox, container)

    def _container_connected(self, uid: str, container_id: str, netns: str, problem: str) -> None:
        sandbox = self.sandboxes[uid]
        container = sandbox.by_id(container_id)
        assert container is not None
        assert container.launch is not None
        if problem or sandbox.removals:
            words = f"the pod has no network: {problem}" if problem else "the pod's sandbox is being removed"
            self._not_started(sandbox, container, "CreateContainerError", words)
            return
        container.state = "starting"
        launch, tell = container.launch, self._tell
        confinement = msgspec.structs.replace(launch.confinement, netns=netns) if launch.confinement is not None else None

        def answered(answer: ProcessAnswer) -> None:
            tell(StartAnswered(uid, container_id, answer))

        try:
            self._daemon.start_container(
                container_id,
                self.node,
                launch.argv,
                launch.env,
                launch.cwd,
                launch.log_path,
                answered,
                launch.user,
                confinement=confinement,
                limits=launch.limits,
            )
        except BrokenFrame as error:
            self._not_started(sandbox, container, "CreateContainerError", f"its command and environment are too large: {error}")

    @handles(StartAnswered)
    def _start_answered(self, message: StartAnswered) -> None:
        sandbox = self.sandboxes[message.uid]
        container = sandbox.by_id(message.container_id)
        assert container is not None
        answer = message.answer
        if not isinstance(answer, Started):
            reason = answer.reason if isinstance(answer, StartFailed) else "RunContainerError"
            self._not_started(sandbox, container, reason, getattr(answer, "message", repr(answer)))
            return
        container.state = "running"
        container.started_at_s = answer.started_at_s
        waiting, container.waiting = container.waiting, []
        for request in waiting:
            self.port.send(request.reply_to, container.started(request.id))
        if sandbox.removals:
            self._signal(container.id, signal.SIGKILL)
        else:
            self._store(sandbox)

    def _not_started(self, sandbox: Sandbox, container: Container, reason: str, message: str) -> None:
        del sandbox.containers[container.name]
        for request in container.waiting:
            self._refuse(request, sandbox.uid, reason, message)
        self._go_on_removing(sandbox)

    @handles(StopContainer)
    def _stop_container(self, request: StopContainer) -> None:
        if self._too_early(request):
            return
        sandbox = self.sandboxes.get(request.pod_uid)
        container = sandbox.by_id(request.container_id) if sandbox is not None else None
        if sandbox is None or container is None or container.state in ("preparing", "starting"):
            self._refuse(request, request.pod_uid, "NotFound", f"container {request.container_id} does not run here")
            return
        if container.exited is not None:
            self.port.send(self.kubelet, container.exited)
        elif request.grace_s <= 0:
            self._signal(container.id, signal.SIGKILL)
        else:
            self._signal(container.id, signal.SIGTERM)
            container.kill_at_s = self.port.now() + request.grace_s
            self._kill_later(container, request.grace_s)
            self._store(sandbox)
        self.port.send(request.reply_to, ContainerStopping(request.id, request.container_id))
