"""The note that `kubectl apply` leaves on an object: the configuration that was applied last. Source: kubectl pkg/util/apply.go."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.base import thaw

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def last_applied(obj: Any) -> dict[str, Any] | None:
    """The configuration that was applied last to a stored object; None if there is none that can be read."""
    text = obj.metadata.annotations.get(LAST_APPLIED)
    if not text:
        return None
    try:
        tree = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None  # somebody wrote it by hand, so nothing is known to have been applied
    return tree if isinstance(tree, dict) else None


def with_last_applied(tree: Any) -> dict[str, Any]:
    """A configuration, as a plain tree, that carries itself as its annotation."""
    out: dict[str, Any] = thaw(tree)
    meta = out.get("metadata") or {}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    bare = {**out, "metadata": {**meta, "annotations": annotations}}
    text = msgspec.json.encode(bare, order="sorted").decode() + "\n"
    return {**out, "metadata": {**meta, "annotations": {**annotations, LAST_APPLIED: text}}}
