"""Reading a simulation's store without a step, so that a look never alters history. Used by `Simulation`."""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.forwarding import no_answer
from callboard.actors.metrics.actor import MetricsServer, answer
from callboard.models.errors import error_of, not_found
from callboard.models.fieldlabels import selection
from callboard.models.messages import api
from callboard.models.messages.base import Answer
from callboard.models.messages.usage import METRICS_SERVER


def get(items: dict[str, Any], revision: int, resource: str, namespace: str, name: str) -> api.Got:
    """The answer that an apiserver with a perfectly fresh cache would give.

    Raises:
        NotFound: there is no such object.
    """
    obj = items.get(api.object_key(resource, namespace, name))
    if obj is None:
        raise not_found(resource, name)
    return api.Got(0, obj, revision)


def list_(items: dict[str, Any], revision: int, resource: str, namespace: str, labels: str, fields: str) -> api.Listed:
    """The same for a list.

    Raises:
        BadRequest: a selector is none, or the kind does not support the field.
    """
    prefix = f"{resource}/{namespace}/" if namespace else f"{resource}/"
    by_labels, by_fields = selection(resource, labels, fields)
    found = [
        key for key, obj in items.items() if key.startswith(prefix) and by_labels.matches(obj.metadata.labels) and by_fields.matches(obj)
    ]
    return api.Listed(0, tuple(items[key] for key in sorted(found)), revision)


def metrics(server: MetricsServer | None, request: Any, now_s: float) -> Answer:
    """The same for what metrics-server serves; `server` is None while it is down.

    Raises:
        ApiError: the refusal; Unavailable if it is down.
    """
    if server is None:
        raise no_answer(request, METRICS_SERVER, 0.0)
    found = answer(request, server.samples, now_s)
    if isinstance(found, api.Refused):
        raise error_of(found.code, found.reason, found.message, found.details)
    return found
