"""What a schedule is made of: topology, operations of users, faults, held messages. Plain data; nothing here acts.

Written by scenarios and strategies, carried out and made smaller in `runtime/chaos/`, kept in files by `replayfile.py`. Trees are frozen
(`models.base.freeze`).
"""

from __future__ import annotations

import msgspec

from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.messages.api import Propagation
from callboard.runtime.faults.vocabulary import AnyFault

Identity = tuple[str, str, int, str, str, int]
"""Source, target, incarnation of the source, type, subject, occurrence: which message, in this run and in every smaller one."""


class Hold(msgspec.Struct, frozen=True):
    """One message that comes `for_s` seconds later than it would. All others come oldest first."""

    source: str
    target: str
    incarnation: int
    type: str
    subject: str
    occurrence: int
    for_s: float

    @property
    def identity(self) -> Identity:
        """Which message is meant."""
        return (self.source, self.target, self.incarnation, self.type, self.subject, self.occurrence)


class Operation(msgspec.Struct, frozen=True, kw_only=True, tag_field="do"):
    """Something that a user does `at_s` seconds after the cluster is up."""

    at_s: float


class Apply(Operation, frozen=True, kw_only=True, tag="apply"):
    """`kubectl apply` of one document."""

    tree: FrozenMap


class Change(Operation, frozen=True, kw_only=True, tag="change"):
    """Patch an object (RFC 7386), if it is there."""

    resource: str
    name: str
    patch: FrozenMap
    namespace: str = "default"


class Remove(Operation, frozen=True, kw_only=True, tag="remove", omit_defaults=True):
    """Delete an object, if it is there. `grace_s` 0 is by force: nobody waits for the kubelet of a pod; -1: the object's own grace."""

    resource: str
    name: str
    namespace: str = "default"
    propagation: Propagation = "Background"
    grace_s: int = -1


class Undo(Operation, frozen=True, kw_only=True, tag="undo"):
    """Roll a Deployment back to the revision before its present one, if there is one."""

    name: str
    namespace: str = "default"


class Evict(Operation, frozen=True, kw_only=True, tag="evict"):
    """Evict some of the pods that match `labels` (kubectl's string form), the first `count` of them by name; budgets may refuse."""

    labels: str
    count: int = 1
    namespace: str = "default"


class Orphan(Operation, frozen=True, kw_only=True, tag="orphan"):
    """Change labels of the first pod that matches `labels`, so that its owner lets it go (or another takes it)."""

    labels: str
    patch: FrozenMap = EMPTY_MAP
    namespace: str = "default"


AnyOperation = Apply | Change | Remove | Undo | Evict | Orphan


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule. `strategy` names what generates holds while it runs (see `strategies`); `holds` are those that are known already."""

    scenario: str
    seed: int
    nodes: int = 2
    node_cpu: str = "4"
    apiservers: int = 1
    controllers: int = 1
    operations: tuple[AnyOperation, ...] = ()
    faults: tuple[AnyFault, ...] = ()
    strategy: str = "oldest-first"
    holds: tuple[Hold, ...] = ()

    @property
    def lasts_s(self) -> float:
        """When the last operation has begun and the last fault is over, in seconds after the cluster is up."""
        ends = [operation.at_s for operation in self.operations] + [fault.at_s + fault.for_s for fault in self.faults]
        return max(ends, default=0.0)
