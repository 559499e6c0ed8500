"""Reading from the watch cache: which objects a list means, and which field selectors a kind supports. Pure; called by the actor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from callboard.actors.apiserver.cache import Bucket, WatchCache
from callboard.actors.apiserver.scaling import paths_of, scale_of
from callboard.actors.apiserver.view import View
from callboard.models.errors import not_found
from callboard.models.fieldlabels import selection
from callboard.models.kinds import Scheme
from callboard.models.messages.api import GetObject, Got, Listed, ListObjects, object_key
from callboard.models.selectors import FieldSelector, Selector

EVERYTHING = "*"
"""The resource that stands for every kind but those in `ASIDE`."""
ASIDE = ("events", "events.events.k8s.io", "leases.coordination.k8s.io")
NODE_PORTS = "nodeports.callboard"
"""Where allocated node ports are kept; no kind of the API."""


def find(cache: WatchCache, resource: str, namespace: str, labels: Selector, fields: FieldSelector) -> Bucket:
    """The objects that a list means, in key order."""
    found: Bucket = {}
    for bucket in _candidates(cache, resource, namespace, fields):
        found.update(bucket)
    prefix = f"{resource}/{namespace}/" if namespace and resource != EVERYTHING else ""
    all_of_it = labels.empty and not fields.terms
    return {
        key: obj
        for key, obj in sorted(found.items(), key=_key)
        if all_of_it or ((not prefix or key.startswith(prefix)) and labels.matches(obj.metadata.labels) and fields.matches(obj))
    }


def got(request: GetObject, cache: WatchCache, scheme: Scheme) -> Got:
    """The answer to a read.

    Raises:
        NotFound: there is no such kind, or no such object.
    """
    resource = scheme.stored(request.resource)
    obj = cache.get(object_key(request.resource, request.namespace, request.name))
    if obj is None:
        raise not_found(request.resource, request.name)
    if request.subresource == "scale":
        obj = scale_of(obj, paths_of(resource, request.name, View(cache.get, cache.bucket)))
    elif request.subresource not in ("", "status"):
        raise not_found(f"{request.resource}/{request.subresource}", request.name)
    return Got(request.id, obj, cache.revision)


def listed(request: ListObjects, cache: WatchCache, scheme: Scheme) -> Listed:
    """The answer to a list.

    Raises:
        NotFound: there is no such kind.
        BadRequest: see `selection`.
    """
    everything = request.resource == EVERYTHING
    if not everything:
        scheme.stored(request.resource)
    found = find(cache, request.resource, request.namespace, *selection(request.resource, request.labels, request.fields))
    return Listed(request.id, tuple(found.values()), cache.revision, tuple(found) if everything else ())


def _key(item: tuple[str, Any]) -> str:
    return item[0]


def _candidates(cache: WatchCache, resource: str, namespace: str, fields: FieldSelector) -> Iterable[Bucket]:
    """The smallest set of buckets in which all that is meant lies."""
    if resource == EVERYTHING:
        return _of_everything(cache, namespace)
    node = fields.required("spec", "node_name")
    if resource == "pods" and node:
        return (cache.on_node(node),)
    namespace = namespace or fields.required("metadata", "namespace") or ""
    buckets = (cache.bucket(resource, namespace),) if namespace else cache.buckets(resource)
    name = fields.required("metadata", "name")
    return buckets if name is None else _named(buckets, resource, name)


def _named(buckets: Iterable[Bucket], resource: str, name: str) -> Iterator[Bucket]:
    for bucket in buckets:
        for key in bucket:
            wanted = object_key(resource, key.split("/", 2)[1], name)
            if wanted in bucket:
                yield {wanted: bucket[wanted]}
            break


def _of_everything(cache: WatchCache, namespace: str) -> Iterator[Bucket]:
    for resource in cache.resources():
        if is_aside(resource):
            continue
        if namespace:
            yield cache.bucket(resource, namespace)
        else:
            yield from cache.buckets(resource)


def is_aside(resource: str) -> bool:
    """Whether a resource is left out of `*`."""
    return resource in ASIDE or resource == NODE_PORTS
