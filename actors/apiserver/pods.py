"""What every new pod gets at admission, in Kubernetes' order: requests and limits of the namespace's LimitRanges, a service account, its
priority, tolerations for lost nodes, its quality of service, its first status.

Called by `admission` and `writes`. Sources: kubernetes plugin/pkg/admission/{limitranger,serviceaccount,priority,defaulttolerationseconds},
pkg/apis/core/v1/helper/qos.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from callboard.actors.apiserver.limits import ANNOTATION, RANGES, pod_problem, with_range_defaults
from callboard.actors.apiserver.priorities import Priority, priority_for, with_priority
from callboard.actors.apiserver.view import View
from callboard.models.api.core import Pod, PodSpec, PodStatus, Toleration
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.defaults import for_pod
from callboard.models.errors import forbidden
from callboard.models.generic import GenericObject
from callboard.models.quantity import parse_quantity

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
DEFAULT_ACCOUNT = "default"
TEMPLATES_KEPT = 16
_RESOURCES = ("cpu", "memory")


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What besides its template decides how a pod is admitted: its namespace's LimitRanges, and its priority."""

    ranges: tuple[GenericObject, ...]
    priority: Priority


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A template's spec, what it becomes in a pod among these surroundings, with which annotation, and the first status of such a pod.

    `problem` tells why a LimitRange forbids such a pod; "" if none does. In `namespace`, nothing of it changes while `WatchCache.rules`
    is `rules`.
    """

    template: PodSpec
    surroundings: Surroundings
    spec: PodSpec
    annotation: str
    status: PodStatus
    problem: str
    rules: int = -1
    namespace: str = ""


class Templates:
    """The specs that were lately admitted: pods of one template share their spec, which is admitted once."""

    def __init__(self, toleration_s: int) -> None:
        self._toleration_s = toleration_s
        self._kept: list[Admitted] = []

    def admitted(self, pod: Pod, spec: PodSpec, view: View) -> Pod:
        """A trusted pod with this very spec, its metadata complete, as it is stored.

        Raises:
            Forbidden: its priority or a LimitRange is against it.
        """
        meta, rules = pod.metadata, view.rules
        for entry in self._kept:
            if entry.template is spec and entry.rules == rules and entry.namespace == meta.namespace:
                return _as_admitted(pod, entry)
        surroundings = surroundings_of(spec, meta, view)
        for entry in self._kept:
            if entry.template is spec and entry.surroundings == surroundings:
                break
        else:
            entry = _admit(for_pod(spec), surroundings, self._toleration_s, meta.name)
        if entry.problem:
            raise forbidden("pods", meta.name, entry.problem)
        if rules >= 0:
            self._kept = [one for one in self._kept if one.template is not spec or one.namespace != meta.namespace]
            self._kept.insert(0, replace(entry, template=spec, rules=rules, namespace=meta.namespace))
            del self._kept[TEMPLATES_KEPT:]
        return _as_admitted(pod, entry)


def surroundings_of(spec: PodSpec, meta: ObjectMeta, view: View) -> Surroundings:
    """What else decides about a new pod.

    Raises:
        Forbidden: it names a PriorityClass that is not there.
    """
    return Surroundings(view.objects(RANGES, meta.namespace), priority_for(spec, meta.name, view))


def admit_pod(pod: Pod, view: View, toleration_s: int) -> Pod:
    """A new pod, defaults given, as it is validated and stored. Whether LimitRanges forbid it is asked after that, by `check_ranges`.

    Raises:
        Forbidden: its priority is not that of its class, or its class is not there.
    """
    if pod.spec is None:
        return replace(pod, status=PodStatus(phase="Pending"))
    return _as_admitted(pod, _admit(pod.spec, surroundings_of(pod.spec, pod.metadata, view), toleration_s, pod.metadata.name))


def check_ranges(pod: Pod, view: View) -> None:
    """Raises `Forbidden` if a LimitRange of its namespace is against a new, valid pod."""
    ranges = view.objects(RANGES, pod.metadata.namespace)
    if ranges and pod.spec is not None and (problem := pod_problem(pod.spec, ranges)):
        raise forbidden("pods", pod.metadata.name, problem)


def as_before(new: Pod, old: Pod, toleration_s: int) -> Pod:
    """An updated pod with what admission gave it, where the update does not mention that."""
    if new.spec is None or old.spec is None:
        return new
    names = ("priority", "preemption_policy", "priority_class_name", "service_account", "service_account_name")
    lost = {name: getattr(old.spec, name) for name in names if getattr(new.spec, name) in (None, "")}
    changes = {name: value for name, value in lost.items() if value not in (None, "")}
    spec = _tolerant(replace(new.spec, **changes) if changes else new.spec, toleration_s)
    return new if spec is new.spec else replace(new, spec=spec)


def _as_admitted(pod: Pod, entry: Admitted) -> Pod:
    if not entry.annotation:
        return replace(pod, spec=entry.spec, status=entry.status)
    meta = pod.metadata
    meta = replace(meta, annotations=FrozenMap({**meta.annotations, ANNOTATION: entry.annotation}))
    return replace(pod, metadata=meta, spec=entry.spec, status=entry.status)


def _admit(spec: PodSpec, surroundings: Surroundings, toleration_s: int, name: str) -> Admitted:
    template, annotation, ranges = spec, "", surroundings.ranges
    if ranges:
        spec, annotation = with_range_defaults(spec, ranges)
    if not spec.service_account_name:
        spec = replace(spec, service_account_name=DEFAULT_ACCOUNT, service_account=DEFAULT_ACCOUNT)
    spec = with_priority(spec, surroundings.priority, name)
    spec = _tolerant(spec, toleration_s)
    status = PodStatus(phase="Pending", qos_class=qos_class(spec))
    return Admitted(template, surroundings, spec, annotation, status, pod_problem(spec, ranges) if ranges else "")


def _tolerant(spec: PodSpec, toleration_s: int) -> PodSpec:
    missing = tuple(one for one in _default_tolerations(toleration_s) if not _tolerates(spec.tolerations, one.key))
    return replace(spec, tolerations=(*spec.tolerations, *missing)) if missing else spec


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
