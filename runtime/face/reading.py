"""The verbs that read: `get`, `list`, `watch`, `wait`. The base of all verbs of `Cluster` and `Simulation`, and of their groups.

A verb speaks to an apiserver through its host, as a client process with a link and time-outs of its own; it holds no reference to any
component. Every verb that waits takes `timeout` in seconds or as "30s".
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from callboard.models.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, UnknownKind, WaitTimeout
from callboard.models.fieldlabels import selection
from callboard.models.kinds import Resource
from callboard.models.messages import api
from callboard.runtime.face.conditions import DELETED, Condition, default_condition, judge
from callboard.runtime.face.contract import Host, Seconds, check_texts, seconds
from callboard.runtime.face.references import Reference, refer

DEFAULT_TIMEOUT_S = 30.0


class Reading:
    """See `Cluster` for the contract of each verb."""

    def __init__(self, host: Host, namespace: str) -> None:
        self._host = host
        self._namespace = namespace

    # -- reading ----------------------------------------------------------------------------------------------------------------

    def get(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """The object `kind/name`.

        Raises:
            NotFound: there is none.
            UnknownKind: its kind is not served, or no longer.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     c.get("node/node-1").status.conditions[-1].type
        'Ready'
        """
        reference = self._refer(what)
        resource, namespace, name = reference.resource_name, reference.namespace, reference.name
        try:
            answer = self._host.ask(api.GetObject, seconds(timeout), resource=resource, namespace=namespace, name=name)
        except NotFound:
            self._host.scheme().confirm(reference.resource)
            raise
        assert isinstance(answer, api.Got)
        return answer.obj

    def list(
        self,
        kind: str,
        *,
        selector: str = "",
        fields: str = "",
        namespace: str | None = None,
        timeout: Seconds = DEFAULT_TIMEOUT_S,
    ) -> builtins.list[Any]:
        """All objects of a kind that match a label and a field selector; `namespace=""` means all namespaces.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=2) as c:
        ...     [node.metadata.name for node in c.list("nodes")]
        ['node-1', 'node-2']
        """
        resource = self._lookup(kind)
        check_texts(selector=selector, fields=fields)
        where = self._where(resource, namespace)
        try:
            answer = self._host.ask(
                api.ListObjects, seconds(timeout), resource=resource.name, namespace=where, labels=selector, fields=fields
            )
        except NotFound:
            self._host.scheme().confirm(resource)
            raise
        assert isinstance(answer, api.Listed)
        if not answer.objects:
            self._host.scheme().confirm(resource)
        return [*answer.objects]

    def watch(
        self, kind: str, *, selector: str = "", fields: str = "", namespace: str | None = None, timeout: Seconds | None = None
    ) -> Iterator[api.WatchEvent]:
        """Changes of a kind, beginning with what is there (as ADDED): `type`, `key` and `obj` each; only of objects
        that match a label and a field selector. Ends when nothing has happened for `timeout`; without one it goes on until the caller stops
        or the cluster does.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     next(iter(c.watch("nodes"))).obj.metadata.name
        'node-1'
        """
        resource = self._lookup(kind)
        if resource.aggregated:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        check_texts(selector=selector, fields=fields)
        self._host.scheme().confirm(resource)
        selection(resource.name, selector, fields)  # one that is none is refused here, not in a stream that never says anything
        quiet_s = None if timeout is None else seconds(timeout)
        return self._host.stream(resource.name, self._where(resource, namespace), selector, quiet_s, fields)

    def wait(self, what: Any, condition: Condition | None = None, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """Wait until an object meets a condition: the type of a status condition (`"Available"`), `"RolledOut"` (the default for
        workloads; for Jobs it is `"Complete"`), `"Exists"`, `"Deleted"`, or a function of the object. Returns the object (None for
        `"Deleted"`, which means the object that is given or seen first, not another that comes after it under its name).

        Raises:
            WaitTimeout: it did not within `timeout`; says what was last seen, and what pods suffer from.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=7) as s:
        ...     s.wait("node/node-1", "Ready").metadata.name
        'node-1'
        """
        reference = self._refer(what)
        wanted = condition if condition is not None else default_condition(reference.resource.kind)
        if not isinstance(wanted, str) and not callable(wanted):
            raise BadRequest(f"a condition is the type of a status condition, Exists, Deleted, RolledOut, or a function, not {wanted!r}")
        uid = getattr(getattr(what, "metadata", None), "uid", "")
        return self._await(reference, wanted, uid, seconds(timeout))

    def _await(self, reference: Reference, wanted: Condition, uid: str, timeout_s: float) -> Any:
        """See `wait`; `uid` is that of the object whose end is waited for, "" for the one that is seen first."""
        seen: builtins.list[Any] = [None, ""]

        def met() -> bool:
            nonlocal uid
            obj = self._look(reference)
            if wanted == DELETED and obj is not None:  # what comes after it under its name is another one
                uid = uid or obj.metadata.uid
                obj = obj if obj.metadata.uid == uid else None
            verdict = judge(obj, wanted)
            seen[:] = [obj, verdict.seen]
            return verdict.met

        if not self._host.await_change(reference, met, timeout_s):
            function = getattr(wanted, "__name__", "<lambda>").replace("<lambda>", "the given function")
            reached = f"reach {wanted}" if isinstance(wanted, str) else f"make {function} true"
            from callboard.runtime.face.causes import causes  # loads all that shows objects: for who wants to know why

            why = causes(self._host, seen[0]) if wanted != DELETED else ""
            last = f"{seen[1]}; {why}" if why else seen[1]
            raise WaitTimeout(f"{reference} did not {reached} within {timeout_s:g} s; last seen: {last}")
        return None if wanted == DELETED else seen[0]

    def still_there(self, objects: Iterable[Any], *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> builtins.list[Any]:
        """Wait until these very objects, by their UIDs, are gone; returns those that are still there after `timeout`.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=7) as s:
        ...     s.still_there(s.list("pods"))
        []
        """
        left = [*objects]

        def met() -> bool:
            left[:] = [obj for obj in left if self._is_there(obj)]
            return not left

        if not met():
            self._host.await_change(self._refer(left[0]), met, seconds(timeout))
        return left

    def _is_there(self, obj: Any) -> bool:
        try:
            found = self._look(self._refer(obj))
        except UnknownKind:  # its kind went with it
            return False
        return found is not None and found.metadata.uid == obj.metadata.uid

    def _look(self, reference: Reference) -> Any:
        try:
            return self.get(f"{reference.resource_name}/{reference.name}" if not reference.namespace else Located(reference))
        except ApiError as refusal:
            if refusal.code == NotFound.code:  # of a kind that is no longer served there is no object either
                return None
            raise

    def _patch(self, reference: Reference, patch: Any, type_: api.PatchType, timeout: Seconds, subresource: str = "") -> Any:
        """Have an object patched with a frozen tree; here, because groups of verbs beside those that write do so too."""
        answer = self._host.ask(
            api.PatchObject,
            seconds(timeout),
            resource=reference.resource_name,
            namespace=reference.namespace,
            name=reference.name,
            type=type_,
            patch=patch,
            subresource=subresource,
        )
        assert isinstance(answer, api.Written)
        return answer.obj

    # -- names ------------------------------------------------------------------------------------------------------------------

    def _lookup(self, kind: str) -> Resource:
        if not isinstance(kind, str):
            raise BadRequest(f'{kind!r} does not name a kind; write its name, for example "pods"')
        return self._host.scheme().lookup(kind)

    def _where(self, resource: Resource, namespace: str | None) -> str:
        if not resource.namespaced:
            return ""
        if namespace is None:
            return self._namespace
        check_texts(namespace=namespace)
        return namespace

    def _refer(self, what: Any) -> Reference:
        return what.reference if isinstance(what, Located) else refer(what, self._host.scheme(), self._namespace)


class Located(msgspec.Struct, frozen=True):
    """A reference that is resolved already."""

    reference: Reference
