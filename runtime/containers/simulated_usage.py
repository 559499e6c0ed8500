"""What the containers of a simulated node use: their curves, read when somebody asks, and who is killed for using too much memory.

Held by `SimulatedRuntime`. What a pod without a curve uses is worked out when its containers change and never again, and as long as nothing
changes the very tuple of the answer before is given, so that a node at rest costs nothing per pod.
"""

from __future__ import annotations

from callboard.models.api import core
from callboard.models.behaviour import NO_USAGE, Usage
from callboard.models.messages.runtime import ContainerUsage, PodMeasured
from callboard.models.quantity import to_bytes
from callboard.runtime.containers.simulated_pods import Container, Sandbox

LOOK_AT_MEMORY_S = 1.0
"""Containers that have a curve and a memory limit are held against it this often, whether or not anybody asks for their usage."""
SHARED_LIMIT = 256


class UsageBook:
    """The usage of one node's running containers."""

    def __init__(self) -> None:
        self._measured: dict[str, PodMeasured] = {}
        """By pod uid; pods of which nothing runs are not in it."""
        self._dirty: dict[str, None] = {}
        self._curved: dict[str, None] = {}
        """Pods with a container whose usage is a function of time."""
        self._said: tuple[PodMeasured, ...] = ()
        self._shared: dict[str, tuple[ContainerUsage, ...]] = {}
        """What pods of one container without a usage have in common, by the container's name."""
        self.limited: dict[str, tuple[Container, int]] = {}
        """Running containers that may come to use more memory than their limit in bytes, by id."""

    def began(self, container: Container, spec: core.Container) -> None:
        """A container runs."""
        self._dirty[container.pod_uid] = None
        usage = container.behaviour.usage
        if usage is None:
            return
        limit = memory_limit(spec)
        if limit:
            self.limited[container.id] = container, limit
        if callable(usage):
            self._curved[container.pod_uid] = None

    def changed(self, pod_uid: str, container_id: str = "") -> None:
        """A container has ended, or a whole pod is gone."""
        self._dirty[pod_uid] = None
        self.limited.pop(container_id, None)

    def read(self, sandboxes: dict[str, Sandbox], now_s: float) -> tuple[tuple[PodMeasured, ...], list[tuple[Container, str]]]:
        """What every pod uses now, and the containers whose curve raised, with the traceback."""
        failed: list[tuple[Container, str]] = []
        measured, news = self._measured, False
        for uid in dict.fromkeys((*self._dirty, *self._curved)):
            before = measured.get(uid)
            sandbox = sandboxes.get(uid)
            now = self._measure(uid, sandbox, now_s, failed) if sandbox is not None else None
            if now == before:
                continue
            news = True
            if now is None:
                del measured[uid]
            else:
                measured[uid] = now
        for uid in [uid for uid in self._curved if uid not in measured]:
            del self._curved[uid]
        self._dirty.clear()
        if news:
            self._said = tuple(measured.values())
        return self._said, failed

    def _measure(self, uid: str, sandbox: Sandbox, now_s: float, failed: list[tuple[Container, str]]) -> PodMeasured | None:
        running = [one for one in sandbox.containers.values() if one.state == "running"]
        if not running:
            return None
        if len(running) == 1 and running[0].behaviour.usage is None:
            return PodMeasured(uid, self._without_usage(running[0].name), 1)
        found: list[ContainerUsage] = []
        processes = 0
        volumes: dict[str, int] = {}
        for one in running:
            used: Usage | str = NO_USAGE if one.behaviour.usage is None else one.usage(now_s)
            if isinstance(used, str):
                failed.append((one, used))
                continue
            found.append(ContainerUsage(one.name, int(used.cpu_milli), int(used.memory_bytes), int(used.storage_bytes)))
            processes += int(used.processes)
            for name, amount in used.volumes.items():
                volumes[name] = max(volumes.get(name, 0), int(amount))  # a volume that two containers speak of is one volume
        return PodMeasured(uid, tuple(found), processes, tuple(volumes.items())) if found else None

    def _without_usage(self, name: str) -> tuple[ContainerUsage, ...]:
        shared = self._shared.get(name)
        if shared is None:
            shared = (ContainerUsage(name, 0, 0),)
            if len(self._shared) < SHARED_LIMIT:
                self._shared[name] = shared
        return shared

    def over_limit(self, now_s: float) -> list[tuple[Container, str]]:
        """Containers that use more memory than they may now ("" beside them), and those whose curve raised, with the traceback."""
        found: list[tuple[Container, str]] = []
        for container, limit in self.limited.values():
            used = container.usage(now_s)
            if isinstance(used, str):
                found.append((container, used))
            elif used.memory_bytes > limit:
                found.append((container, ""))
        return found

    def limit_can_be_reached(self) -> bool:
        """Whether a running container has a limit and a curve that may reach it some time."""
        return any(callable(container.behaviour.usage) for container, _ in self.limited.values())


def memory_limit(spec: core.Container) -> int:
    """How many bytes of memory a container may use; 0: no limit."""
    limits = spec.resources.limits if spec.resources is not None else {}
    return to_bytes(limits["memory"]) if "memory" in limits else 0
