"""What an apiserver does without being asked: the first namespaces, and the objects of user-defined kinds that are being removed.

Its requests go the way of everybody's, with itself as the client. Every apiserver does the same; what is done already counts as success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from callboard.actors.apiserver.cache import WatchCache
from callboard.actors.apiserver.priorities import CLASSES, SYSTEM_CLASSES, system_class
from callboard.actors.apiserver.settings import LookAfterOwn
from callboard.actors.apiserver.userkinds import CLEANUP, is_terminating
from callboard.actors.component import Port
from callboard.models.api.core import Namespace
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.kinds import DEFINITIONS
from callboard.models.messages.api import CreateObject, DeleteObject, Refused, UpdateObject, Written, object_key
from callboard.models.messages.base import Address, Request

FIRST_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
OWN_REQUESTS_LIMIT = 100
RETRY_S = 0.5


class OwnWork:
    """Own requests, one round at a time. `start` begins a request; its answer comes to `answered`."""

    def __init__(self, port: Port, cache: WatchCache, start: Callable[[Request], None]) -> None:
        self._port = port
        self._cache = cache
        self._start = start
        self._in_flight = 0
        self._failed = False
        self._timer_due = False

    def look(self) -> bool:
        """Begin a round, if there is something to do. Returns whether there was nothing."""
        if self._in_flight:
            return False
        self._failed = False
        me = self._port.me
        for request in (*missing_firsts(self._cache, me), *steps_out(leaving(self._cache), self._cache, me)):
            self._in_flight += 1
            self._start(request)
        return not self._in_flight

    def answered(self, answer: Written | Refused) -> bool:
        """An own request was answered. Returns whether a round has ended with all of it done."""
        self._in_flight -= 1
        if isinstance(answer, Refused) and answer.reason not in ("AlreadyExists", "NotFound"):
            self._port.log.info("own request refused", code=answer.code, problem=answer.message)
            self._failed = True
        if self._in_flight:
            return False
        if (self._failed or leaving(self._cache)) and not self._timer_due:
            self._timer_due = True
            self._port.after(RETRY_S, LookAfterOwn())
        return not self._failed

    def timer_rang(self) -> None:
        """The pause before another round is over."""
        self._timer_due = False


def missing_firsts(cache: WatchCache, me: Address) -> list[Request]:
    """Creations of the namespaces and priority classes that every cluster has."""
    missing = [name for name in FIRST_NAMESPACES if cache.get(object_key("namespaces", "", name)) is None]
    wanted: list[Request] = [CreateObject(0, me, "namespaces", Namespace(metadata=ObjectMeta(name=name))) for name in missing]
    classes = [name for name in SYSTEM_CLASSES if cache.get(object_key(CLASSES, "", name)) is None]
    return wanted + [CreateObject(0, me, CLASSES, system_class(name)) for name in classes]


def leaving(cache: WatchCache) -> list[Any]:
    """The definitions whose objects have to go."""
    return [one for _, one in sorted(cache.bucket(DEFINITIONS, "").items()) if is_terminating(one)]


def steps_out(definitions: list[Any], cache: WatchCache, me: Address) -> list[Request]:
    """What removes the objects of leaving definitions, and then what keeps the definitions.

    The cache is as new as the definitions are, and no object has been created since they began to go: none here means that there is none.
    """
    return list(islice(_steps_out(definitions, cache, me), OWN_REQUESTS_LIMIT))


def _steps_out(definitions: list[Any], cache: WatchCache, me: Address) -> Iterator[Request]:
    for definition in definitions:
        resource, left = definition.metadata.name, 0
        for bucket in cache.buckets(resource):
            for _, obj in sorted(bucket.items()):
                left += 1
                if not obj.metadata.deletion_timestamp:
                    meta = obj.metadata
                    yield DeleteObject(0, me, resource, meta.namespace, meta.name, uid=meta.uid)
        if left == 0:
            meta = definition.metadata
            kept = tuple(one for one in meta.finalizers if one != CLEANUP)
            yield UpdateObject(0, me, DEFINITIONS, replace(definition, metadata=replace(meta, finalizers=kept)))
