"""The sandboxes and containers of one node as `SimulatedRuntime` holds them."""

from __future__ import annotations

import traceback
from typing import Any, Literal

from callboard.actors.component import Timer
from callboard.models.api.core import Pod
from callboard.models.behaviour import USER_FAILURES, Behaviour, ContainerRequest, ContainerResponse, Usage
from callboard.models.messages.runtime import ContainerExited, ContainerStarted, ContainerState, SandboxState, ServeRequest, StartContainer
from callboard.runtime.containers.simulated_log import SimulatedLog

SIGTERM = 15
SIGKILL = 9


class Container:
    """The newest life of one container."""

    __slots__ = (
        "attempt",
        "behaviour",
        "env",
        "exited",
        "id",
        "log",
        "name",
        "own_end",
        "pod_uid",
        "ports",
        "previous_id",
        "previous_log",
        "ready",
        "ready_timer",
        "request",
        "started_at_s",
        "state",
        "stop",
    )

    def __init__(self, request: StartContainer, behaviour: Behaviour, previous: Container | None, boot: str) -> None:
        container = request.container
        self.pod_uid = request.pod_uid
        self.name = request.name
        self.attempt = request.attempt
        self.behaviour = behaviour
        self.id = f"simulated://{boot}/{request.pod_uid}/{request.name}/{request.attempt}"
        self.ports: tuple[int, ...] = tuple(port.container_port or 0 for port in container.ports)
        self.state: Literal["starting", "running", "exited"] = "starting"
        self.request: StartContainer | None = request
        """The request that waits for the start."""
        self.started_at_s = 0.0
        self.ready = False
        self.exited: ContainerExited | None = None
        self.own_end: Timer | None = None
        self.ready_timer: Timer | None = None
        self.stop: tuple[float, Timer] | None = None
        """When it will have ended since somebody asked it to, in seconds since the epoch."""
        self.env = request.env
        self.log: SimulatedLog | None = None
        """Made when something is written: most write nothing."""
        self.previous_id = previous.id if previous is not None else ""
        self.previous_log = previous.log if previous is not None else None

    def cancel_timers(self) -> None:
        """Nothing of this life is to come any more."""
        for timer in (self.own_end, self.ready_timer, self.stop[1] if self.stop is not None else None):
            if timer is not None:
                timer.cancel()

    def write(self, text: str, now_s: float) -> None:
        """It writes to its log."""
        if self.log is None:
            self.log = SimulatedLog()
        self.log.write(text, now_s)

    def started(self, number: int) -> ContainerStarted:
        """The answer to a request for its start."""
        return ContainerStarted(number, self.pod_uid, self.name, self.id, self.started_at_s, self.ready)

    def ended(self, code: int, signal: int, now_s: float, message: str = "", reason: str = "") -> ContainerExited:
        """It ends now."""
        self.cancel_timers()
        self.state, self.ready = "exited", False
        self.exited = ContainerExited(
            self.pod_uid,
            self.name,
            self.id,
            code,
            signal,
            self.started_at_s,
            now_s,
            reason or ("Completed" if code == 0 else "Error"),
            message,
        )
        return self.exited

    def usage(self, now_s: float) -> Usage | str:
        """What it uses; if the user's function raises, the traceback as text."""
        try:
            return self.behaviour.use_at(now_s - self.started_at_s)
        except USER_FAILURES:  # whatever a user's function raises is its container's end, never ours
            return traceback.format_exc()

    def reported(self) -> ContainerState:
        """It as a kubelet sees it."""
        return ContainerState(self.name, self.attempt, self.id, self.started_at_s, self.ready, self.exited)

    def listens_on(self, port: int) -> bool:
        """Whether a connection to this port is accepted. One that declares no ports listens on all of them."""
        return self.state == "running" and (not self.ports or port in self.ports)


class Sandbox:
    """One pod here."""

    __slots__ = ("_failed_pulls", "containers", "ip", "pod")

    def __init__(self, pod: Pod, ip: str) -> None:
        self.pod = pod
        self.ip = ip
        self.containers: dict[str, Container] = {}
        self._failed_pulls: dict[str, int] | None = None
        """By container; made with the first."""

    def pulls(self, name: str, failing: int) -> bool:
        """Try to pull a container's image, of which the first so many tries fail; returns whether it is there."""
        failed = self._failed_pulls.get(name, 0) if self._failed_pulls is not None else 0
        if failed >= failing:
            return True
        self._failed_pulls = {**(self._failed_pulls or {}), name: failed + 1}
        return False

    def by_id(self, identity: str) -> Container | None:
        """The container with this id, if it is the newest life."""
        return next((one for one in self.containers.values() if one.id == identity), None)

    def server(self, port: int) -> Container | None:
        """The container that accepts connections on a port: one that declares it before one that declares none."""
        found = [one for one in self.containers.values() if one.listens_on(port)]
        return next((one for one in found if port in one.ports), found[0] if found else None)

    def reported(self, host_ip: str) -> SandboxState:
        """It as a kubelet sees it."""
        meta = self.pod.metadata
        containers = tuple(one.reported() for one in self.containers.values() if one.state != "starting")
        return SandboxState(meta.uid, meta.namespace, meta.name, self.ip, host_ip, containers)

    def ask(self, container: Container, request: ServeRequest) -> ContainerResponse | str:
        """What a container answers; if the user's function raises, the traceback as text."""
        meta = self.pod.metadata
        asked = ContainerRequest(request.method, request.path, request.headers, request.body, meta.name, meta.namespace, container.name)
        try:
            return container.behaviour.answer(asked)
        except USER_FAILURES:  # whatever a user's function raises is its container's end, never ours
            return traceback.format_exc()


def missing_configs(pod: Pod, configs: tuple[tuple[str, Any], ...]) -> str:
    """Why a pod's volumes can't be made of these ConfigMaps and Secrets, in Kubernetes' words; "" if they can."""
    absent = {key for key, obj in configs if obj is None}
    namespace = pod.metadata.namespace
    for volume in pod.spec.volumes if pod.spec is not None else ():
        config_map, secret = volume.config_map, volume.secret
        if config_map is not None and not config_map.optional and f"configmaps/{namespace}/{config_map.name}" in absent:
            return f'MountVolume.SetUp failed for volume "{volume.name}" : configmap "{config_map.name}" not found'
        if secret is not None and not secret.optional and f"secrets/{namespace}/{secret.secret_name}" in absent:
            return f'MountVolume.SetUp failed for volume "{volume.name}" : secret "{secret.secret_name}" not found'
    return ""
