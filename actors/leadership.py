"""Holding a Lease, so that of several copies of a controller one acts: rule 6 of convergence.

Used by `ApiComponent` when its settings name an `Election`. As in client-go, another's lease counts as expired only by time observed
here: the record has not changed for a lease duration of this machine's clock, whatever its timestamps claim (client-go#448). Beyond
client-go, every write of a leader carries the lease's epoch (`leaseTransitions`), which the store checks in the same transaction; so a
leader that was paused and has been replaced cannot write any more, and a new leader knows that all writes of former ones are at or before
the revision of its own acquisition. It acts once its caches have come that far.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from callboard.actors.component import Port
from callboard.models.api.coordination import Lease, LeaseSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.messages.api import CreateObject, GetObject, Got, Listed, Refused, UpdateObject, Written, object_key
from callboard.models.messages.base import Message, Request
from callboard.models.messages.store import Fence
from callboard.models.times import rfc3339_micro

NAMESPACE = "kube-system"
RESOURCE = "leases.coordination.k8s.io"


class Election(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which Lease a component competes for, as whom, and how patiently (client-go's defaults: 15 s, 10 s, 2 s).

    `identity` must differ between competitors; "" means the address of the incarnation.
    """

    lease: str
    identity: str = ""
    duration_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """What to write now: the Lease, and whether it has to be created."""

    lease: Lease
    create: bool


class Leadership:
    """The state of one competitor. Pure bookkeeping: the controller sends what `attempt` says and tells what came of it."""

    def __init__(self, election: Election) -> None:
        self.election = election
        self.acquired_revision = 0
        """Revision at which this competitor became the leader: its caches must come that far before it acts."""
        self._observed: tuple[str, str, int] | None = None
        self._observed_at_s = 0.0
        self._current: Lease | None = None
        self._epoch = -1
        self._highest_epoch = -1
        self._renewed_at_s = 0.0

    @property
    def key(self) -> str:
        """Store key of the Lease."""
        return object_key(RESOURCE, NAMESPACE, self.election.lease)

    def leads(self, now_s: float) -> bool:
        """Whether this competitor may act now, by its own clock."""
        return self._epoch >= 0 and now_s < self._renewed_at_s + self.election.renew_deadline_s

    def fence(self) -> Fence:
        """What its writes carry. Whoever does not lead has a fence too, which is never in force: to have none would be to write as those
        do who compete for nothing."""
        return Fence(self.key, self._epoch)

    def observe(self, lease: Lease | None, now_s: float) -> None:
        """The Lease as it was read (None: there is none). What is older than what is known already says nothing."""
        known = self._current
        if lease is not None and known is not None and lease.metadata.resource_version < known.metadata.resource_version:
            return
        self._current = lease
        spec = lease.spec if lease is not None else None
        record = None if spec is None else (spec.holder_identity or "", spec.renew_time or "", spec.lease_transitions or 0)
        if record != self._observed or record is None:
            self._observed, self._observed_at_s = record, now_s
        self._observed_at_s = min(self._observed_at_s, now_s)  # the clock may have been set back
        if record is not None:
            self._highest_epoch = max(self._highest_epoch, record[2])
        if record is None or record[0] != self.election.identity or record[2] != self._epoch:
            self._epoch = -1

    def attempt(self, now_s: float) -> Attempt | None:
        """What to write to become or stay the leader; None while somebody else holds the Lease."""
        spec = LeaseSpec(
            holder_identity=self.election.identity,
            lease_duration_seconds=max(1, int(self.election.duration_s)),
            renew_time=rfc3339_micro(now_s),
            acquire_time=rfc3339_micro(now_s),
            lease_transitions=self._highest_epoch + 1,  # a Lease that was deleted must not give an old leader's epoch again
        )
        if self._current is None:
            meta = ObjectMeta(name=self.election.lease, namespace=NAMESPACE)
            return Attempt(Lease(metadata=meta, spec=spec), create=True)
        holder, _, transitions = self._observed or ("", "", self._highest_epoch)
        if holder == self.election.identity and self._epoch == transitions:
            old = self._current.spec
            spec = replace(spec, lease_transitions=transitions, acquire_time=old.acquire_time if old is not None else spec.acquire_time)
        elif holder and holder != self.election.identity and now_s < self._observed_at_s + self.election.duration_s:
            return None
        else:
            spec = replace(spec, lease_transitions=transitions + 1)
        return Attempt(replace(self._current, spec=spec), create=False)

    def written(self, lease: Any, revision: int, sent_at_s: float) -> None:
        """The attempt was acknowledged: this competitor leads since before `sent_at_s`, by its own clock."""
        epoch = lease.spec.lease_transitions or 0
        if epoch != self._epoch:
            self._epoch, self.acquired_revision = epoch, revision
            self._renewed_at_s = sent_at_s
        self._renewed_at_s = max(self._renewed_at_s, sent_at_s)
        self.observe(lease, sent_at_s)


class Compete(Message, frozen=True, gc=False):
    """Timer: look after the Lease."""


class CandidateOwner(Protocol):
    """What a candidate needs of the component that it belongs to; `ApiComponent` has it."""

    port: Port

    def call(self, request: type[Request], context: Any, /, **fields: Any) -> int: ...

    def elected(self) -> None: ...


class Candidate:
    """Carries out what `Leadership` wants, one request at a time: reads the Lease, writes it, tells its owner when it is elected."""

    def __init__(self, owner: CandidateOwner, election: Election) -> None:
        self.owner = owner
        self.election = election if election.identity else replace(election, identity=owner.port.me)
        self.leadership = Leadership(self.election)
        self._asked = False
        self._sent_at_s = 0.0

    @property
    def leads(self) -> bool:
        """Whether its owner may act now."""
        return self.leadership.leads(self.owner.port.now())

    @property
    def fence(self) -> Fence:
        """What its owner's writes carry."""
        return self.leadership.fence()

    def tick(self) -> None:
        """The moment to renew the Lease, or to see whether it is to be had. Comes again for ever."""
        port = self.owner.port
        port.after(self.election.retry_s * (1 + 0.2 * port.random()), Compete(), periodic=True)
        if self._asked:
            return  # the answer, or its time-out, comes first
        if not (self.leads and self._attempt()):
            self._read()

    def _read(self) -> None:
        self._asked = True
        self.owner.call(GetObject, self, resource=RESOURCE, namespace=NAMESPACE, name=self.election.lease)

    def _attempt(self) -> bool:
        now = self.owner.port.now()
        attempt = self.leadership.attempt(now)
        if attempt is None:
            return False
        self._asked = True
        self._sent_at_s = now
        self.owner.call(CreateObject if attempt.create else UpdateObject, self, resource=RESOURCE, obj=attempt.lease)
        return True

    def answered(self, answer: Got | Listed | Written | Refused) -> None:
        """The answer to its one request."""
        self._asked = False
        now = self.owner.port.now()
        if isinstance(answer, Written):
            led = self.leads
            self.leadership.written(answer.obj, answer.revision, self._sent_at_s)
            if not led:
                self.owner.elected()
        elif isinstance(answer, Got):
            self.leadership.observe(answer.obj, now)
            self._attempt()
        elif isinstance(answer, Refused) and answer.reason == "NotFound":
            self.leadership.observe(None, now)
            self._attempt()
        elif isinstance(answer, Refused) and answer.reason in ("Conflict", "AlreadyExists"):
            self._read()  # somebody else was faster: see who
