"""What every new pod gets at admission: tolerations for lost nodes, its quality of service, its first status.

Called by `admission`. Sources: kubernetes plugin/pkg/admission/defaulttolerationseconds, pkg/apis/core/v1/helper/qos.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from callboard.models.api.core import Pod, PodSpec, PodStatus, Toleration
from callboard.models.base import replace
from callboard.models.defaults import for_pod
from callboard.models.quantity import parse_quantity

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
TEMPLATES_KEPT = 16
_RESOURCES = ("cpu", "memory")


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A template's spec, what it becomes in a pod, and the first status of such a pod."""

    template: PodSpec
    spec: PodSpec
    status: PodStatus


class Templates:
    """The specs that were lately admitted: pods of one template share their spec, which is admitted once."""

    def __init__(self, toleration_s: int) -> None:
        self._toleration_s = toleration_s
        self._kept: list[Admitted] = []

    def admitted(self, spec: PodSpec) -> Admitted:
        """What a trusted pod with this very spec becomes."""
        for entry in self._kept:
            if entry.template is spec:
                return entry
        entry = Admitted(spec, *_admit(for_pod(spec), self._toleration_s))
        self._kept.insert(0, entry)
        del self._kept[TEMPLATES_KEPT:]
        return entry


def admit_pod(pod: Pod, toleration_s: int) -> Pod:
    """A new pod, defaults given, as it is validated and stored."""
    if pod.spec is None:
        return replace(pod, status=PodStatus(phase="Pending"))
    spec, status = _admit(pod.spec, toleration_s)
    return replace(pod, spec=spec, status=status)


def _admit(spec: PodSpec, toleration_s: int) -> tuple[PodSpec, PodStatus]:
    missing = tuple(one for one in _default_tolerations(toleration_s) if not _tolerates(spec.tolerations, one.key))
    if missing:
        spec = replace(spec, tolerations=(*spec.tolerations, *missing))
    return spec, PodStatus(phase="Pending", qos_class=qos_class(spec))


@lru_cache(maxsize=64)
def _default_tolerations(toleration_s: int) -> tuple[Toleration, Toleration]:
    not_ready = Toleration(key=NOT_READY, operator="Exists", effect="NoExecute", toleration_seconds=toleration_s)
    return not_ready, replace(not_ready, key=UNREACHABLE)


def _tolerates(tolerations: tuple[Toleration, ...], key: str) -> bool:
    return any(one.key in (key, "") and one.effect in ("NoExecute", "") for one in tolerations)


def qos_class(spec: PodSpec) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`."""
    guaranteed, any_given = True, False
    for container in (*spec.init_containers, *spec.containers):
        resources = container.resources
        requests = {} if resources is None else {name: resources.requests[name] for name in _RESOURCES if name in resources.requests}
        limits = {} if resources is None else {name: resources.limits[name] for name in _RESOURCES if name in resources.limits}
        any_given = any_given or _any_amount(requests) or _any_amount(limits)
        guaranteed = guaranteed and _is_guaranteed(requests, limits)
    if not any_given:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _any_amount(amounts: dict[str, str]) -> bool:
    return any(parse_quantity(amount) > 0 for amount in amounts.values())


def _is_guaranteed(requests: dict[str, str], limits: dict[str, str]) -> bool:
    """Limits for both, and requests that are the same or left to be the same."""
    if len(limits) < len(_RESOURCES) or not all(parse_quantity(amount) > 0 for amount in limits.values()):
        return False
    return all(parse_quantity(amount) == parse_quantity(limits[name]) for name, amount in requests.items())
