"""When a container is probed, and what the answers mean. Pure; the actor carries probes out and sets the timers.

Source: kubernetes pkg/kubelet/prober/worker.go: an outcome counts when it has come often enough in a row; liveness and readiness wait for
the startup probe; after a liveness or startup failure nothing is probed until the next life.
"""

from __future__ import annotations

from typing import Literal

from callboard.actors.kubelet.containers import ContainerRecord, port_number
from callboard.models.api.core import Container, Probe

Purpose = Literal["startup", "liveness", "readiness"]
PURPOSES: tuple[Purpose, ...] = ("startup", "liveness", "readiness")
DEFAULT_PERIOD_S = 10
DEFAULT_TIMEOUT_S = 1
DEFAULT_FAILURES = 3


class ProbeRun:
    """One probe of one life of a container."""

    __slots__ = ("asked_at_s", "attempt", "in_flight", "last_ok", "name", "on_hold", "probe", "purpose", "run", "settled")

    def __init__(self, one: ContainerRecord, probe: Probe, purpose: Purpose) -> None:
        self.name = one.name
        self.attempt = one.attempt
        self.probe = probe
        self.purpose: Purpose = purpose
        self.run = 0
        """So many equal outcomes in a row."""
        self.last_ok: bool | None = None
        self.settled = False
        """The last outcome counts: another one like it changes nothing."""
        self.on_hold = False
        self.in_flight = 0
        self.asked_at_s = 0.0

    @property
    def period_s(self) -> float:
        """Seconds between two probes."""
        return float(self.probe.period_seconds or DEFAULT_PERIOD_S)

    @property
    def timeout_s(self) -> float:
        """Seconds until a probe has failed."""
        return float(self.probe.timeout_seconds or DEFAULT_TIMEOUT_S)

    def first_at_s(self, one: ContainerRecord, now_s: float) -> float:
        """When it is probed first, in seconds since the epoch."""
        return max(min(one.started_at_s, now_s) + (self.probe.initial_delay_seconds or 0), now_s)

    def port(self, container: Container) -> int:
        """The probe's port as a number; 0 if it has none."""
        probe = self.probe
        if probe.http_get is not None:
            return port_number(container, probe.http_get.port)
        if probe.tcp_socket is not None:
            return port_number(container, probe.tcp_socket.port)
        return (probe.grpc.port or 0) if probe.grpc is not None else 0

    def outcome(self, ok: bool) -> bool:
        """Count an outcome; returns whether it counts now, and did not before."""
        self.run = self.run + 1 if ok is self.last_ok else 1
        if ok is not self.last_ok:
            self.settled = False
        self.last_ok = ok
        needed = (self.probe.success_threshold or 1) if ok else (self.probe.failure_threshold or DEFAULT_FAILURES)
        if self.settled or self.run < needed:
            return False
        self.settled = True
        if not ok and self.purpose != "readiness":
            self.on_hold = True
        return True


def probes_of(one: ContainerRecord) -> list[ProbeRun]:
    """The probes of a life that has just begun, or was found."""
    spec = one.spec
    found = ((spec.startup_probe, PURPOSES[0]), (spec.liveness_probe, PURPOSES[1]), (spec.readiness_probe, PURPOSES[2]))
    return [ProbeRun(one, probe, purpose) for probe, purpose in found if probe is not None]


def waits(run: ProbeRun, one: ContainerRecord) -> bool:
    """Whether this probe is not to be carried out now."""
    if run.purpose == "startup":
        return one.started
    return not one.started


def is_over(run: ProbeRun, one: ContainerRecord, ending: bool) -> bool:
    """Whether this probe is never to be carried out again."""
    if one.state != "running" or one.attempt != run.attempt or run.on_hold:
        return True
    if run.purpose == "startup" and one.started:
        return True
    return ending and run.purpose != "readiness"  # what is to end need not be alive
