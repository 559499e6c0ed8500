"""Writes under way: a request is planned from what is known, the store is asked, and a lost race is planned anew. A base of `ApiServer`.

Planners (`planners`) decide; here is what becomes of their plans and refusals. A planner that fails with anything but a refusal is a
mistake in the program that concerns one request: its client hears 500, as from Kubernetes, and the others go on.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.forwarding import Forwarding
from callboard.actors.apiserver.planners import PLANNERS
from callboard.actors.apiserver.planning import Context, Job
from callboard.actors.apiserver.settings import TakeTurn
from callboard.actors.apiserver.turns import Turns
from callboard.actors.apiserver.view import View
from callboard.actors.component import Port, handles
from callboard.models.errors import ApiError, Conflict, InternalError, Timeout, UnknownKind, conflict
from callboard.models.kinds import DEFINITIONS
from callboard.models.messages.api import ApplyObject, CreateObject, Written
from callboard.models.messages.base import Request
from callboard.models.messages.store import Committed, Compare, Transact, TransactionFailed
from callboard.models.quotas import QUOTAS

ATTEMPTS_LIMIT = 5
"""So often a write is decided anew after a lost race; then it is refused with Conflict."""
READS_LIMIT = 5
"""So often a refusal decided from the cache is checked against the store."""
NEVER = -1
"""A revision that no key has: a compare with it fails, and so brings the object as the store has it."""
_QUOTA_PREFIX = f"{QUOTAS}/"


class JobRunner(Forwarding):
    """What it needs of the rest is declared here and in its base."""

    _context: Context

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self._jobs: dict[int, Job] = {}
        self._turns = Turns()

    def _serve(self, key: str, definition: Any) -> None:
        raise NotImplementedError

    def _deadline_s(self) -> float:
        raise NotImplementedError

    # -- beginning and end ------------------------------------------------------------------------------------------------------------

    def _start(self, request: Request) -> None:
        job = Job(request, PLANNERS[request.__class__], View(self.cache.get, self.cache.bucket, self.cache.rules), self._deadline_s())
        try:
            place = self._place_of(request)
        except Exception as problem:  # an object that is none, which a planner would stumble over as well
            self._refuse(request, self._mishap(problem))
            return
        if not place or self._turns.enter(place, job):
            self._try(job)

    def _place_of(self, request: Request) -> str:
        """The namespace with quotas that a request creates something in; "" if there is no such thing, which costs one look."""
        if isinstance(request, CreateObject):
            namespace = request.obj.metadata.namespace
        elif isinstance(request, ApplyObject):
            namespace = request.namespace
        else:
            return ""
        return namespace if namespace and self.cache.bucket(QUOTAS, namespace) else ""

    def _left(self, job: Job, known: tuple[tuple[str, Any], ...] = ()) -> None:
        """A job is over. Another one that waited for its place has its turn after what is in the mailbox now."""
        if job.place and self._turns.leave(job.place, known):
            self.port.send(self.port.me, TakeTurn(job.place))

    @handles(TakeTurn)
    def _take_turn(self, turn: TakeTurn) -> None:
        job = self._turns.next(turn.place)
        if job is not None:
            self._try(job)

    def _refuse_job(self, job: Job, refusal: ApiError) -> None:
        self._refuse(job.request, refusal)
        self._left(job)

    def _sweep_jobs(self, now_s: float) -> None:
        """Answer those whom the store has not answered in time. What became of a write is not known."""
        for number in [number for number, job in self._jobs.items() if job.deadline_s <= now_s]:
            job = self._jobs.pop(number)
            reading = job.plan is None or not job.plan.ops
            self._refuse_job(job, timed_out("" if reading else "; whether it was carried out is unknown"))
        for job in self._turns.expired(now_s):
            self._refuse(job.request, timed_out(""))

    # -- deciding -----------------------------------------------------------------------------------------------------------------------

    def _try(self, job: Job) -> None:
        """Decide a write from what is known, and ask the store to carry it out."""
        context, view = self._context, job.view
        context.now_s = self.port.now()
        try:
            plan = job.planner(job.request, view, context)
        except UnknownKind as refusal:
            if job.caught_up:
                self._refuse_job(job, refusal)
            else:
                job.caught_up = True
                self._wait_for_newest(job)
            return
        except ApiError as refusal:
            if view.guessed and job.reads < READS_LIMIT:
                self._look(job)
            else:
                self._refuse_job(job, refusal)
            return
        except Exception as problem:
            self._refuse_job(job, self._mishap(problem))
            return
        job.plan = plan
        ops = () if getattr(job.request, "dry_run", False) else plan.ops
        self._transact(job, plan.compares, ops)

    def _mishap(self, problem: Exception) -> InternalError:
        """What the client of a request hears that a mistake in the program has spoilt. Pure functions of the request and the cache raised
        it, so nothing is left half done; an exception anywhere else ends the process."""
        self.port.mishap(problem)
        return InternalError(f"Internal error occurred: {type(problem).__name__}: {problem}")

    def _look(self, job: Job) -> None:
        """Ask the store for what a refusal was decided from: the cache may be behind."""
        job.reads += 1
        job.plan = None
        self._transact(job, tuple(Compare(key, NEVER) for key in job.view.guessed), ())

    def _transact(self, job: Job, compares: tuple[Compare, ...], ops: tuple[Any, ...]) -> None:
        number = self._next_id()
        self._jobs[number] = job
        self.port.send(self.settings.store, Transact(number, self.port.me, compares, ops, getattr(job.request, "fence", None)))

    # -- answers of the store -----------------------------------------------------------------------------------------------------------

    @handles(Committed)
    def _committed(self, answer: Committed) -> None:
        job = self._jobs.pop(answer.id, None)
        if job is None or job.plan is None:
            return
        request, plan = job.request, job.plan
        known: tuple[tuple[str, Any], ...] = ()
        if not plan.ops or getattr(request, "dry_run", False):
            written = Written(request.id, plan.show(plan.obj), plan.obj.metadata.resource_version, plan.removed)
        else:
            obj = answer.objects[0]
            written = Written(request.id, None if plan.quiet else plan.show(obj), answer.revision, plan.removed)
            if plan.ops[0].key.startswith(DEFINITIONS):
                self._serve(plan.ops[0].key, None if plan.removed else obj)
            if job.place:
                stored = zip(plan.ops[1:], answer.objects[1:], strict=True)
                known = tuple((op.key, one) for op, one in stored if op.key.startswith(_QUOTA_PREFIX))
        self.port.send(request.reply_to, written)
        self._left(job, known)

    @handles(TransactionFailed)
    def _transaction_failed(self, answer: TransactionFailed) -> None:
        job = self._jobs.pop(answer.id, None)
        if job is None:
            return
        if answer.fenced:
            self._refuse_job(job, lost_race(job.request, "the writer is no longer the leader"))
            return
        job.view.learn(answer.current)
        if job.plan is not None:
            job.attempts += 1
            if job.attempts > ATTEMPTS_LIMIT:
                self._refuse_job(job, lost_race(job.request))
                return
        self._try(job)


def lost_race(request: Request, why: str = "") -> Conflict:
    """The refusal of a write that others were always faster than."""
    resource, _, name = request.subject().split("/", 2)
    return conflict(resource, name, why)


def timed_out(why: str) -> Timeout:
    """The refusal of a request that was not answered in time."""
    return Timeout(f"Timeout: request did not complete within requested timeout{why}")
