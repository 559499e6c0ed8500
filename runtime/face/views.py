"""Reading a simulation's store without a step, so that a look never alters history. Used by `Simulation`."""

from __future__ import annotations

from typing import Any

from callboard.models.errors import not_found
from callboard.models.messages import api
from callboard.models.selectors import parse_fields, parse_labels


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
    """The same for a list."""
    prefix = f"{resource}/{namespace}/" if namespace else f"{resource}/"
    by_labels, by_fields = parse_labels(labels), parse_fields(fields)
    found = [
        key for key, obj in items.items() if key.startswith(prefix) and by_labels.matches(obj.metadata.labels) and by_fields.matches(obj)
    ]
    return api.Listed(0, tuple(items[key] for key in sorted(found)), revision)
