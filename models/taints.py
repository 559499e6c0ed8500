"""Taints of nodes and tolerations of pods. Used by the scheduler, the node lifecycle controller and kubelets.

Source: component-helpers scheduling/corev1/helpers.go and api/core/v1/toleration.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from callboard.models.api.core import Taint, Toleration

KEEPS_OUT = ("NoSchedule", "NoExecute")
"""Effects that keep a pod from being bound to a node."""

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint. An empty effect or key of the toleration stands for all."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and toleration.key != "" and toleration.value == taint.value


def is_tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """Whether any of the tolerations covers the taint."""
    return any(tolerates(one, taint) for one in tolerations)


def untolerated(taints: Iterable[Taint], tolerations: tuple[Toleration, ...], effects: tuple[str, ...]) -> Taint | None:
    """The first taint with one of these effects that nothing covers, or None."""
    for taint in taints:
        if taint.effect in effects and not is_tolerated(taint, tolerations):
            return taint
    return None
