"""The user of a schedule: an actor that carries operations out in their time, over a link like everybody else's.

What concerns one object is done in order: the next thing waits until the one before is over. A request whose outcome is unknown is asked
again: all operations may be carried out twice. One that is refused because of what else goes
on (conflict, a full apiserver) is tried again a while; any other refusal ends it, as a person would let it be, and so does a budget's of an
eviction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callboard.actors.client import ApiComponent
from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings
from callboard.models import rollouts
from callboard.models.base import freeze, plain
from callboard.models.kinds import Scheme
from callboard.models.messages import api
from callboard.models.messages.base import Message
from callboard.runtime.faults import plan as p

TRY_AGAIN_S = 0.5
TRIES_LIMIT = 40
"""Tries of one operation before the user lets it be."""
TRANSIENT = frozenset({409, 429, 503, 504})
BUDGET_CODE = 429
NAME = "user"


class Do(Message, frozen=True, gc=False):
    """Timer: it is time for the operation of this number; `tries` have failed."""

    number: int
    tries: int = 0

    def subject(self) -> str:
        return str(self.number)


class Next(Message, frozen=True, gc=False):
    """To itself: the operation of this number may begin now."""

    number: int

    def subject(self) -> str:
        return str(self.number)


class _Step(Message, frozen=True, gc=False):
    """What an answer belongs to: the operation, and whether a read that it needs is what was asked."""

    number: int
    tries: int
    reading: bool = False


class User(ApiComponent):
    """Carries out the operations of a plan. `done` counts those that are over; `refusals` holds what was refused for good, in words,
    `missed` the numbers of those that found nothing to act upon, or that a budget did not allow."""

    def __init__(self, port: Port, settings: ClientSettings, operations: tuple[p.AnyOperation, ...]) -> None:
        super().__init__(port, settings)
        self.operations = operations
        self.done = 0
        self.refusals: list[str] = []
        self.missed: list[int] = []
        self._before: dict[str, list[int]] = {}
        """By what they concern: the operations whose time has come and that are not over, in order."""
        self._scheme = Scheme.builtin()

    def on_start(self) -> None:
        """Set the clock for every operation."""
        for number, operation in enumerate(self.operations):
            self.port.after(operation.at_s, Do(number))

    @handles(Do)
    def _do(self, timer: Do) -> None:
        operation = self.operations[timer.number]
        if not timer.tries:
            waiting = self._before.setdefault(_concerns(operation), [])
            waiting.append(timer.number)
            if waiting[0] != timer.number:
                return
        self._begin(operation, _Step(timer.number, timer.tries))

    def _begin(self, operation: p.AnyOperation, step: _Step) -> None:
        if not step.tries:  # several users, who each have their apiserver; who has got no answer stays with the one that he went on to
            servers = self.settings.apiservers
            self.server = servers[step.number % len(servers)]
        match operation:
            case p.Apply(tree=tree):
                self._apply(step, tree)
            case p.Change(resource=resource, namespace=namespace, name=name, patch=patch):
                self.call(api.PatchObject, step, resource=resource, namespace=namespace, name=name, type="merge", patch=patch)
            case p.Remove(resource=resource, namespace=namespace, name=name, propagation=propagation, grace_s=grace_s):
                fields = {"resource": resource, "namespace": namespace, "name": name}
                self.call(api.DeleteObject, step, **fields, propagation=propagation, grace_period_s=grace_s)
            case p.Undo(namespace=namespace):
                self._read(step, "replicasets.apps", namespace)
            case p.Evict(namespace=namespace, labels=labels) | p.Orphan(namespace=namespace, labels=labels):
                self._read(step, "pods", namespace, labels)

    def _over(self, number: int) -> None:
        """An operation is over: what concerns the same object may begin."""
        self.done += 1
        waiting = self._before[_concerns(self.operations[number])]
        waiting.remove(number)
        if waiting:
            self.port.send(self.port.me, Next(waiting[0]))

    @handles(Next)
    def _next(self, message: Next) -> None:
        self._begin(self.operations[message.number], _Step(message.number, 0))

    def _apply(self, step: _Step, tree: Any) -> None:
        resource = self._scheme.resource(tree["apiVersion"], tree["kind"])
        meta = tree["metadata"]
        namespace = meta.get("namespace", "default") if resource.namespaced else ""
        self.call(api.ApplyObject, step, resource=resource.name, namespace=namespace, name=meta["name"], tree=tree)

    def _read(self, step: _Step, resource: str, namespace: str, labels: str = "") -> None:
        reading = _Step(step.number, step.tries, reading=True)
        self.call(api.ListObjects, reading, resource=resource, namespace=namespace, labels=labels)

    def answered(self, context: _Step, answer: api.Got | api.Listed | api.Written | api.Refused) -> None:
        if isinstance(answer, api.Refused):
            self._refused(context, answer)
        elif context.reading:
            self._have_read(context, answer)
        else:
            self._over(context.number)

    def _refused(self, step: _Step, answer: api.Refused) -> None:
        for_good = answer.code == BUDGET_CODE and isinstance(self.operations[step.number], p.Evict)
        if answer.code in TRANSIENT and not for_good and step.tries < TRIES_LIMIT:
            self.port.after(TRY_AGAIN_S, Do(step.number, step.tries + 1))
            return
        self._over(step.number)
        if answer.code != 404 and not for_good:  # it was gone already, or is not there yet: as it happens to people
            self.refusals.append(f"{self.operations[step.number]}: {answer.code} {answer.message}")
        else:
            self.missed.append(step.number)

    def _have_read(self, context: _Step, answer: api.Got | api.Listed | api.Written) -> None:
        operation, step = self.operations[context.number], _Step(context.number, context.tries)
        objects: tuple[Any, ...] = answer.objects if isinstance(answer, api.Listed) else (getattr(answer, "obj", None),)
        match operation:
            case p.Undo(namespace=namespace, name=name):
                self._undo(step, objects, namespace, name)
            case p.Evict(count=count):
                self._evict(step, objects, count)
            case p.Orphan(patch=patch):
                self._orphan(step, objects, patch)

    def _undo(self, step: _Step, replica_sets: Iterable[Any], namespace: str, name: str) -> None:
        """Give the Deployment the template of the revision before; its own ReplicaSets say which that is."""
        owned = [one for one in replica_sets if any(ref.kind == "Deployment" and ref.name == name for ref in one.metadata.owner_references)]
        owned.sort(key=rollouts.revision_of)
        if len(owned) < 2:
            self._over(step.number)
            return
        template = rollouts.without_hash(rollouts.template_of(owned[-2]))
        patch = freeze(({"op": "replace", "path": "/spec/template", "value": plain(template)},))
        self.call(api.PatchObject, step, resource="deployments.apps", namespace=namespace, name=name, type="json", patch=patch)

    def _evict(self, step: _Step, pods: Iterable[Any], count: int) -> None:
        chosen = [pod for pod in pods if not pod.metadata.deletion_timestamp][:count]
        if not chosen:
            self._over(step.number)
            return
        first, servers = self.server, self.settings.apiservers
        for number, pod in enumerate(chosen):
            meta = pod.metadata
            context = step if number == len(chosen) - 1 else None  # the last one speaks for all
            if not step.tries:  # as several would who don't know of each other
                self.server = servers[(servers.index(first) + number) % len(servers)]
            self.call(api.EvictPod, context, resource="pods", namespace=meta.namespace, name=meta.name, uid=meta.uid)

    def _orphan(self, step: _Step, pods: Iterable[Any], patch: Any) -> None:
        pod = next((pod for pod in pods if not pod.metadata.deletion_timestamp), None)
        if pod is None:
            self._over(step.number)
            return
        body = freeze({"metadata": {"labels": patch}})
        meta = pod.metadata
        self.call(api.PatchObject, step, resource="pods", namespace=meta.namespace, name=meta.name, type="merge", patch=body, uid=meta.uid)


def _concerns(operation: p.AnyOperation) -> str:
    """Which object an operation is about; those about pods that are found by labels are about these labels."""
    match operation:
        case p.Apply(tree=tree):
            return f"{tree['kind'].lower()}/{tree['metadata']['name']}"
        case p.Change(resource=resource, name=name) | p.Remove(resource=resource, name=name):
            return f"{resource.partition('.')[0].removesuffix('s')}/{name}"
        case p.Undo(name=name):
            return f"deployment/{name}"
        case p.Evict(labels=labels) | p.Orphan(labels=labels):
            return labels
