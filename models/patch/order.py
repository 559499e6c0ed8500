"""In which order the items of a merged list come out. Source: normalizeElementOrder in apimachinery pkg/util/strategicpatch/patch.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def normalized(merged: list[Any], wanted: list[Any], former: list[Any], identity: Callable[[Any], Any]) -> list[Any]:
    """Items that `wanted` names come in its order; the others in their former order, in between where that order says so.

    `wanted` and `former` are lists of identities. An item new to the list comes before those that only the server knows, as in Kubernetes.
    """
    place = {key: index for index, key in reversed(list(enumerate(wanted)))}
    before = {key: index for index, key in reversed(list(enumerate(former)))}
    last = len(former)
    named = sorted((one for one in merged if identity(one) in place), key=lambda one: place[identity(one)])
    others = sorted((one for one in merged if identity(one) not in place), key=lambda one: before.get(identity(one), last))
    out: list[Any] = []
    left = right = 0
    while left < len(others) and right < len(named):
        own, new = before.get(identity(others[left])), before.get(identity(named[right]))
        if own is not None and new is not None and own < new:
            out.append(others[left])
            left += 1
        else:
            out.append(named[right])
            right += 1
    return [*out, *others[left:], *named[right:]]
