"""What an apiserver does without being asked: the first namespaces, and the objects of user-defined kinds that are being removed.

Pure; the actor sends these requests to itself. Every apiserver does the same, and finding something done already counts as success.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from callboard.actors.apiserver.cache import WatchCache
from callboard.actors.apiserver.userkinds import CLEANUP, DEFINITIONS, is_terminating
from callboard.models.api.core import Namespace
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.messages.api import CreateObject, DeleteObject, UpdateObject, object_key
from callboard.models.messages.base import Address, Request

FIRST_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
OWN_REQUESTS_LIMIT = 100
RETRY_S = 0.5


def missing_namespaces(cache: WatchCache, me: Address) -> list[Request]:
    """Creations of the namespaces that every cluster has."""
    missing = [name for name in FIRST_NAMESPACES if cache.get(object_key("namespaces", "", name)) is None]
    return [CreateObject(0, me, "namespaces", Namespace(metadata=ObjectMeta(name=name))) for name in missing]


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
