"""The namespace controller: empties a terminating namespace, then lets it go.

Talks to the apiserver: an informer on namespaces, and consistent lists of everything in one that is terminating (no create gets in any
more), again and again until nothing is left. Only such a fresh and empty list, never a cache, lets the finalizer go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.controller import Controller
from callboard.actors.informer import ClientSettings
from callboard.actors.namespace.decision import deletions, is_ending, pause_s, status_of, without_finalizer
from callboard.models.api.core import Namespace
from callboard.models.messages.api import Got, Listed, ListObjects, Refused, Written, object_key

EVERYTHING = "*"
ASIDE = ("leases.coordination.k8s.io", "events")
"""What is not part of everything, and has to be asked for by name."""
DELETIONS_PER_SWEEP = 1000
"""Objects deleted before the namespace is listed again."""


class _Sweep(msgspec.Struct, frozen=True, gc=False):
    """Context of a list: for which namespace, and what an earlier list of the same sweep has found."""

    key: str
    uid: str
    resource: str
    found: tuple[tuple[str, Any], ...] = ()


class NamespaceController(Controller):
    """The actor around `decision`."""

    primary_resource = "namespaces"

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self.namespaces = self.inform("namespaces", self._changed)
        self._sweeping: dict[str, None] = {}
        self._content: dict[str, dict[str, Any]] = {}
        self._sweeps: dict[str, int] = {}

    def _changed(self, key: str, _old: Namespace | None, new: Namespace | None) -> None:
        if new is None:
            for book in (self._sweeping, self._content, self._sweeps):
                book.pop(key, None)
        elif is_ending(new):
            self.mark(key)

    # -- decisions --------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        namespace = self.namespaces.objects.get(key)
        if namespace is None or not is_ending(namespace):
            return ()
        content = self._content.pop(key, None)
        if content is None:
            self._list_content(_Sweep(key, namespace.metadata.uid, EVERYTHING))
            return ()
        if not content:
            return (act.Update(resource="namespaces", obj=without_finalizer(namespace), subresource="finalize"),)
        sweeps = self._sweeps.get(key, 0)
        self._sweeps[key] = sweeps + 1
        wanted = deletions(content)[:DELETIONS_PER_SWEEP]
        status = status_of(namespace, content, self.port.now())
        told: tuple[act.Action, ...] = ()
        if status != namespace.status and not wanted:  # only what isn't going by itself is worth telling
            name, uid = namespace.metadata.name, namespace.metadata.uid
            told = (act.SetStatus(resource="namespaces", namespace="", name=name, uid=uid, status=status),)
        return (*wanted, *told, act.LookAgain(after_s=pause_s(sweeps)))

    def _list_content(self, sweep: _Sweep) -> None:
        if sweep.key in self._sweeping and sweep.resource == EVERYTHING:
            return  # its answer will come, or be given up
        self._sweeping[sweep.key] = None
        name = sweep.key.split("/", 2)[2]
        self.call(ListObjects, sweep, resource=sweep.resource, namespace=name, min_revision=-1)

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(context, _Sweep):
            self._swept(context, answer)
        else:
            super().answered(context, answer)

    def _swept(self, sweep: _Sweep, answer: Got | Listed | Written | Refused) -> None:
        namespace = self.namespaces.objects.get(sweep.key)
        if namespace is None or namespace.metadata.uid != sweep.uid:
            self._sweeping.pop(sweep.key, None)
            return
        if not isinstance(answer, Listed):
            self._sweeping.pop(sweep.key, None)
            self.mark_after(sweep.key, pause_s(5))
            return
        if sweep.resource == EVERYTHING:
            found = tuple(zip(answer.keys, answer.objects, strict=True))
            self._list_content(_Sweep(sweep.key, sweep.uid, ASIDE[0], found))
            return
        listed = tuple((object_key(sweep.resource, one.metadata.namespace, one.metadata.name), one) for one in answer.objects)
        following = ASIDE[ASIDE.index(sweep.resource) + 1 :]
        if following:
            self._list_content(_Sweep(sweep.key, sweep.uid, following[0], sweep.found + listed))
            return
        self._sweeping.pop(sweep.key, None)
        self._content[sweep.key] = dict(sweep.found + listed)
        self.mark(sweep.key)
