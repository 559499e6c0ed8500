"""The actor around a user's `reconcile`: informers on what it watches, a key per object of the first kind, and what becomes of failures.

An exception of the user's code concerns one key: an Event says so, the key backs off, the others go on. With a `worker` the code runs on a
thread of its own (`runtime/face/worker.py`): the actor sends what there is to decide on, and carries out the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.component import Port, handles
from callboard.actors.controller import Controller
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.usercontroller.view import Snapshot, Source, View, controller_uid
from callboard.actors.usercontroller.wishes import Wish, actions_of
from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.behaviour import USER_FAILURES
from callboard.models.errors import ApiError, UnknownKind
from callboard.models.kinds import DEFINITIONS, Resource, Scheme, api_version_of, kind_of
from callboard.models.messages.api import Written, object_key
from callboard.models.messages.base import Address, Answer, Message, Request
from callboard.models.owners import controller_of

SLOW_S = 0.25
"""A `reconcile` that takes longer than this, while all other components wait for it, is named in a warning."""
FAILED_REASON = "ReconcileError"
TURNS_LIMIT = 50
"""Decisions about one key in `TURNS_WINDOW_S`; more have to wait. A `reconcile` that changes its own object each time never rests."""
TURNS_WINDOW_S = 1.0
TURNS_KEPT = 256
"""Windows that are over aren't looked for among so few."""

Reconcile = Callable[[View, float], Iterable[Wish] | None]
KeysOf = Callable[[Any], Iterable[str]]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What a user has written. `make` gives `reconcile` for one life of the controller; `keys_of` says as `namespace/name` which objects of
    the first watched kind an object of another one concerns (None: its owner, or all in its namespace)."""

    make: Callable[[], Reconcile]
    watches: tuple[str, ...]
    keys_of: KeysOf | None = None


class Decide(Request, frozen=True):
    """To the worker: what does the user's code want?"""

    key: str
    view: View
    now_s: float


class Decided(Answer, frozen=True):
    """From the worker: what it wants, or what it raised; and how long it took, in seconds."""

    key: str
    wishes: tuple[Wish, ...]
    problem: BaseException | None
    took_s: float


class WorkerStarted(Message, frozen=True):
    """From the worker: it has just been made, and knows nothing of what it was asked before."""


class Cached:
    """An informer as a source."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self.objects = informer.objects

    def owned(self, uid: str) -> tuple[Any, ...]:
        """Those that the object with this UID controls."""
        return tuple(self.informer.by("controller", uid).values())


def words_of(problem: BaseException) -> str:
    """An exception of a user's code in one line: what, and where in it."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    text = f"{type(problem).__name__}: {problem}"
    if trace is None:
        return text
    code = trace.tb_frame.f_code
    return f"{text} (in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})"


class UserController(Controller):
    """One user's controller. `worker` is the address of its thread, "" if its code runs in this actor."""

    def __init__(self, port: Port, settings: ClientSettings, program: Program, worker: Address = "") -> None:
        super().__init__(port, settings)
        self.program = program
        self.worker = worker
        self.failures = 0
        """Decisions that the user's code has failed."""
        self.problem: BaseException | None = None
        """What it raised last."""
        self.slow_turns = 0
        """Decisions that have taken longer than `SLOW_S`."""
        self.longest_turn_s = 0.0
        self._reconcile_one = program.make() if not worker else None
        self._scheme = Scheme.builtin()
        self._kinds: tuple[Resource, ...] = ()
        self._sources: dict[str, Cached] = {}
        self._noted: dict[str, None] = {}
        self._decided_at: dict[str, int] = {}
        self._changed: dict[str, None] = {}
        self._asked: dict[str, int] = {}
        self._turns: dict[str, tuple[float, int]] = {}
        """By key: when its present window began, and how often it has been decided since."""
        self._turns_limit = TURNS_KEPT
        """So many windows may be kept before those that are over are dropped."""
        self._snapshots: dict[str, tuple[tuple[int, int], Snapshot]] = {}
        self._told: dict[str, None] = {}
        """Keys whose failure has been logged with its traceback; the same again is one line."""
        self.definitions = self.inform(DEFINITIONS, self._definition_changed)

    # -- what is watched ----------------------------------------------------------------------------------------------------------

    def _definition_changed(self, _key: str, old: CustomResourceDefinition | None, new: CustomResourceDefinition | None) -> None:
        if new is not None:
            self._scheme = self._scheme.with_definition(new)
        elif old is not None:
            self._scheme = self._scheme.without_definition(old.metadata.name)

    def caught_up(self, informer: Informer) -> None:
        if informer is self.definitions and not self._kinds:
            self._begin_to_watch()
        super().caught_up(informer)

    def _begin_to_watch(self) -> None:
        """Once every watched kind is declared. A user's own kinds may come after the controller."""
        try:
            kinds = tuple(self._scheme.lookup(name) for name in self.program.watches)
        except UnknownKind as unknown:
            self.port.log.warning("a user's controller waits until every kind that it watches is declared", problem=str(unknown))
            return
        self._kinds = kinds
        self.primary_resource = kinds[0].name
        for resource in kinds:
            if resource.name not in self._sources:
                informer = self.inform(resource.name, self._primary_changed if resource is kinds[0] else self._other_changed)
                informer.add_index("controller", controller_uid)
                self._sources[resource.name] = Cached(informer)
                informer.start()

    @property
    def synced(self) -> bool:
        """Whether all that is watched is known."""
        return bool(self._kinds) and super().synced

    def _primary_changed(self, key: str, _old: Any, _new: Any) -> None:
        self.mark(key)

    def _other_changed(self, _key: str, old: Any, new: Any) -> None:
        for obj in (old, new):
            if obj is not None:
                for key in self._concerned(obj):
                    self.mark(key)

    def _concerned(self, obj: Any) -> Iterable[str]:
        """Keys of the objects of the first kind that another object concerns."""
        primary = self._kinds[0]
        if self.program.keys_of is not None:
            return self._named_by_user(obj, self.program.keys_of)
        owner = controller_of(obj)
        namespace = obj.metadata.namespace if primary.namespaced else ""
        if owner is not None and owner.kind == primary.kind:
            return (object_key(primary.name, namespace, owner.name),)
        mine = self._sources[primary.name].objects
        return [key for key, one in mine.items() if not namespace or one.metadata.namespace == namespace]

    def _named_by_user(self, obj: Any, keys_of: KeysOf) -> list[str]:
        try:
            named = [name.rpartition("/") for name in keys_of(obj)]
        except USER_FAILURES as problem:  # the user's code: it costs what it was asked about, and nobody else
            self.failures, self.problem = self.failures + 1, problem
            text = f"{self.port.name}'s keys_of failed: {words_of(problem)}"
            self.port.log.error("a user's keys_of failed", object=obj.metadata.name, problem=text)
            resource = self._scheme.resource(api_version_of(obj), kind_of(obj)).name
            self.tell_user(obj, resource, "Warning", FAILED_REASON, text)
            return []
        return [object_key(self._kinds[0].name, namespace, name) for namespace, _, name in named]

    # -- decisions ----------------------------------------------------------------------------------------------------------------

    def mark(self, key: str) -> None:
        self._noted[key] = None
        super().mark(key)

    def is_worth_another(self, key: str) -> bool:
        """If its writes have changed something, or something else has happened meanwhile: else it would want the same for ever."""
        return self._changed.pop(key, "") is None or key in self._noted

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        if answer.removed or answer.revision > self._decided_at.get(key, 0):
            self._changed[key] = None

    def settled(self, key: str, refused: bool) -> None:
        self._decided_at.pop(key, None)

    def _decide(self, key: str) -> None:
        if key in self._asked:
            return  # it stays noted, and is decided again when the answer has come
        now_s = self.port.now()
        pause_s = self._pause_s(key, now_s)
        if pause_s > 0:
            self.mark_after(key, pause_s)
            return
        self._noted.pop(key, None)
        self._changed.pop(key, None)
        self._decided_at[key] = self.newest_revision
        if self.worker:
            self._asked[key] = number = self.next_id()
            view = self._view(key, {name: self._snapshot(name) for name in self._sources})
            self.port.send(self.worker, Decide(number, self.port.me, key, view, now_s))
            return
        assert self._reconcile_one is not None
        try:
            wishes = tuple(self._reconcile_one(self._view(key, self._sources), now_s) or ())
        except USER_FAILURES as problem:  # the user's code: what it raises concerns this key only
            self._conclude(key, (), problem, self.port.now() - now_s)
        else:
            self._conclude(key, wishes, None, self.port.now() - now_s)

    def _pause_s(self, key: str, now_s: float) -> float:
        """How long a key has to wait before it may be decided again."""
        began_s, turns = self._turns.get(key, (now_s, 0))
        if not 0 <= now_s - began_s < TURNS_WINDOW_S:
            began_s, turns = now_s, 0
        if turns >= TURNS_LIMIT:
            return began_s + TURNS_WINDOW_S - now_s
        if len(self._turns) >= self._turns_limit:
            self._turns = {one: turn for one, turn in self._turns.items() if 0 <= now_s - turn[0] < TURNS_WINDOW_S}
            self._turns_limit = max(TURNS_KEPT, 2 * len(self._turns))
        self._turns[key] = (began_s, turns + 1)
        return 0.0

    def _snapshot(self, name: str) -> Snapshot:
        """What an informer holds now, for another thread; copied only when it has moved."""
        informer = self._sources[name].informer
        moment = informer.revision, informer.relists
        kept = self._snapshots.get(name)
        if kept is None or kept[0] != moment:
            kept = self._snapshots[name] = moment, Snapshot(informer.objects)
        return kept[1]

    def _view(self, key: str, sources: Any) -> View:
        typed: dict[str, Source] = sources
        return View(key, self._kinds[0], self._scheme, typed)

    @handles(Decided)
    def _decided(self, answer: Decided) -> None:
        if self._asked.get(answer.key) != answer.id:
            return
        del self._asked[answer.key]
        again = answer.key in self._noted
        self._conclude(answer.key, answer.wishes, answer.problem, answer.took_s)
        if again:
            self.mark(answer.key)

    @handles(WorkerStarted)
    def _worker_started(self, _message: WorkerStarted) -> None:
        lost = list(self._asked)
        self._asked.clear()
        for key in lost:
            self.mark(key)

    def _conclude(self, key: str, wishes: tuple[Wish, ...], problem: BaseException | None, took_s: float) -> None:
        self._measure(key, took_s)
        if problem is None:
            try:
                wanted = actions_of(wishes, self._scheme)
            except (ApiError, ValueError, TypeError, AttributeError) as wrong:  # what it wants makes no sense
                problem = wrong
            else:
                self._told.pop(key, None)
                self.carry_out(key, wanted)
                if not self.own_writes.in_flight(key):
                    self._decided_at.pop(key, None)
                return
        self.failures, self.problem = self.failures + 1, problem
        obj = self._sources[self.primary_resource].objects.get(key)
        if obj is not None:
            text = f"{self.port.name} failed and tries again later: {words_of(problem)}"
            self.tell_user(obj, self.primary_resource, "Warning", FAILED_REASON, text)
        trace = {} if key in self._told else {"exc_info": problem}
        self._told[key] = None
        self._decided_at.pop(key, None)
        self.port.log.error("a user's controller failed", key=key, problem=words_of(problem), **trace)
        self.back_off(key)

    def _measure(self, key: str, took_s: float) -> None:
        self.longest_turn_s = max(self.longest_turn_s, took_s)
        if took_s < SLOW_S:
            return
        self.slow_turns += 1
        if not self.worker:
            advice = "every other component waited meanwhile; add it with blocking=True to give it a thread of its own"
            self.port.log.warning("a user's controller is slow", key=key, seconds=round(took_s, 3), advice=advice)
