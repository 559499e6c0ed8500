"""What oracles hold of copies of a controller that compete for a Lease: one acts, and it is the one that the store names."""

from __future__ import annotations

from typing import Any

from callboard.models.messages.api import BindPod, CreateObject, Written
from callboard.models.messages.store import StoreEvent
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

NAMESPACE = "leases.coordination.k8s.io/kube-system/"
SLACK_S = 0.001


def _holder(lease: Any) -> str:
    return (lease.spec.holder_identity or "") if lease is not None and lease.spec is not None else ""


def _election(address: str, world: World) -> Any:
    """What a process competes for; None if it does not."""
    component = world.component(address.partition("#")[0])
    candidate = getattr(component, "candidate", None)
    return candidate.election if candidate is not None else None


class LeasesRunOut(Oracle):
    """Nobody takes a Lease before its holder has left it alone for as long as it lasts, whatever times the clocks of both show
    (client-go#448). Not judged once the clock of who takes it has jumped while the Lease was seen."""

    name = "leases run out before they are taken"
    leases = True

    def __init__(self) -> None:
        self._renewed_s: dict[str, float] = {}
        self._jumping = False
        self._jumped_s = -1e9

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        jumping = "ClockJump" in world.active_faults
        if jumping != self._jumping:  # it begins or ends: a time that is measured now is none
            self._jumping, self._jumped_s = jumping, world.now
        if not event.key.startswith(NAMESPACE):
            return None
        before, after = _holder(event.old), _holder(event.obj)
        renewed_s = self._renewed_s.get(event.key)
        self._renewed_s[event.key] = world.now
        if renewed_s is None or not before or not after or before == after:
            return None
        lasts_s = _lasts_s(event.key, world)
        if lasts_s is None or world.now - renewed_s >= lasts_s - SLACK_S or world.now - self._jumped_s < 2 * lasts_s:
            return None
        return Wrong(
            event.key, f"{after} takes it from {before}, {world.now - renewed_s:.2f} s after that had renewed it for {lasts_s:g} s"
        )


def _lasts_s(key: str, world: World) -> float | None:
    """For how long the holder of a Lease has it, as those who compete for it know."""
    name = key.rpartition("/")[2]
    for process in world.components():
        election = _election(process, world)
        if election is not None and election.lease == name:
            return float(election.duration_s)
    return None


class FormerLeadersAreSilent(Oracle):
    """What was created or bound by a copy of a controller was so while the store named that copy as the holder of its Lease (k8s#89466).
    Creations and bindings only: an answer to them tells of a change, where others may tell that there was nothing to change."""

    name = "only leaders write"
    hears = (CreateObject, BindPod, Written)
    leases = True

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], None] = {}
        self._holders: dict[str, list[tuple[int, str]]] = {}
        """By name of a Lease: since which revision who has held it."""

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith(NAMESPACE):
            held = self._holders.setdefault(event.key.removeprefix(NAMESPACE), [])
            holder = _holder(event.obj)
            if not held or held[-1][1] != holder:
                held.append((event.revision, holder))
        return None

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if not isinstance(message, Written):
            if _election(sender, world) is not None and message.resource != "leases.coordination.k8s.io":
                self._asked[(sender, message.id)] = None
            return None
        if (receiver, message.id) not in self._asked:
            return None
        election = _election(receiver, world)
        holder = self._holder_at(election.lease, message.revision) if election is not None else ""
        if holder in ("", election.identity or receiver):
            return None
        meta = message.obj.metadata
        return Wrong(
            f"{meta.namespace}/{meta.name}", f"{receiver} has written it at revision {message.revision}, when {holder} was the leader"
        )

    def _holder_at(self, lease: str, revision: int) -> str:
        found = ""
        for since, holder in self._holders.get(lease, []):
            if since <= revision:
                found = holder
        return found


ORACLES: tuple[type[Oracle], ...] = (LeasesRunOut, FormerLeadersAreSilent)
