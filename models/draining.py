"""Which pods of a node a drain evicts, which it leaves, and what forbids it. Pure; used by `drain` of the face and the command line.

Source: kubectl's drain helpers, staging/src/k8s.io/kubectl/pkg/drain/filters.go; each group's words are kubectl's.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard.models.api.core import Pod
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_finished, is_terminating

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


class DrainOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user allows, with kubectl's meaning: `force` pods without a controller, `ignore_daemonsets` leave a DaemonSet's pods where
    they are, `delete_emptydir_data` pods whose emptyDir is lost with them."""

    force: bool = False
    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False


class DrainPlan(msgspec.Struct, frozen=True):
    """What a drain is going to do: the pods to evict; warnings; and what forbids it ("" if nothing does)."""

    evict: tuple[Pod, ...]
    warnings: tuple[str, ...]
    forbidden: str


def plan_drain(pods: Iterable[Pod], options: DrainOptions) -> DrainPlan:
    """Judge every pod of a node. If one forbids the drain, none is to be evicted."""
    evict: list[Pod] = []
    warnings: dict[str, list[str]] = {}
    forbidden: dict[str, list[str]] = {}
    for pod in pods:
        verdict = _judge(pod, options)
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        if verdict.forbidden:
            forbidden.setdefault(verdict.forbidden, []).append(name)
        for warning in verdict.warnings:
            warnings.setdefault(warning, []).append(name)
        if verdict.evict:
            evict.append(pod)
    told = tuple(f"{words}: {', '.join(names)}" for words, names in warnings.items())
    problems = ", ".join(f"cannot delete {words}: {', '.join(names)}" for words, names in forbidden.items())
    return DrainPlan(() if problems else tuple(evict), told, problems)


class _Verdict(msgspec.Struct, frozen=True):
    evict: bool
    warnings: tuple[str, ...] = ()
    forbidden: str = ""


def _judge(pod: Pod, options: DrainOptions) -> _Verdict:
    owner = controller_of(pod)
    finished = is_finished(pod)
    if owner is not None and owner.kind == "DaemonSet" and not finished:
        if options.ignore_daemonsets:
            return _Verdict(False, ("ignoring DaemonSet-managed Pods",))
        return _Verdict(False, forbidden="DaemonSet-managed Pods (use --ignore-daemonsets to ignore)")
    if MIRROR_ANNOTATION in pod.metadata.annotations:
        return _Verdict(False)
    warnings: tuple[str, ...] = ()
    if not finished and pod.spec is not None and any(volume.empty_dir is not None for volume in pod.spec.volumes):
        if not options.delete_emptydir_data:
            return _Verdict(False, forbidden="Pods with local storage (use --delete-emptydir-data to override)")
        warnings = ("deleting Pods with local storage",)
    if owner is None and not finished:
        if not options.force:
            return _Verdict(False, forbidden="Pods that declare no controller (use --force to override)")
        warnings = (*warnings, "deleting Pods that declare no controller")
    return _Verdict(not is_terminating(pod), warnings)
