"""Pods and pod templates. Source: ValidatePodCreate, ValidatePodUpdate, ValidatePodSpec in kubernetes pkg/apis/core/validation.

An object is checked after its defaults are filled in.
"""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import Container, Pod, PodSpec, PodTemplateSpec, Toleration
from callboard.models.base import plain, replace
from callboard.models.validation import formats, words
from callboard.models.validation.containers import RESTART_POLICIES, PodContext, check_container
from callboard.models.validation.meta import Errors, check_annotations, check_labels, check_not_negative
from callboard.models.validation.placement import check_placement
from callboard.models.validation.resources import check_resources
from callboard.models.validation.volumes import check_volumes

DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
INT32_MAX = 2**31 - 1
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_NO_VOLUMES: dict[str, None] = {}
_CHANGE_WORDS = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def check_pod(pod: Pod, old: Pod | None, errors: Errors) -> None:
    """A pod that is to be created or updated."""
    if pod.spec is None:
        errors.append(words.required("spec.containers"))
        return
    if DELETION_COST in pod.metadata.annotations:
        _check_deletion_cost(pod.metadata.annotations[DELETION_COST], errors)
    if old is None or old.spec is None:
        check_spec(pod.spec, "spec", errors)
        if pod.spec.ephemeral_containers:
            errors.append(words.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    elif pod.spec is not old.spec and pod.spec != old.spec:
        _check_change(pod.spec, old.spec, errors)


def check_template(template: PodTemplateSpec, path: str, errors: Errors) -> None:
    """A template. Its labels are found at `template.labels`, as Kubernetes says it."""
    meta = template.metadata
    if meta is not None:
        check_labels(meta.labels, f"{path}.labels", errors)
        check_annotations(meta.annotations, f"{path}.annotations", errors)
    check_spec(template.spec or PodSpec(), f"{path}.spec", errors)


def check_spec(spec: PodSpec, path: str, errors: Errors) -> None:
    """The spec of a pod or a template."""
    volumes = check_volumes(spec.volumes, f"{path}.volumes", errors) if spec.volumes else _NO_VOLUMES
    grace_s = spec.termination_grace_period_seconds
    pod = PodContext(volumes, grace_s or 0, spec.host_network is True, {}, {})
    if not spec.containers:
        errors.append(words.required(f"{path}.containers"))
    for index, container in enumerate(spec.containers):
        check_container(container, f"{path}.containers[{index}]", pod, errors)
    pod.host_ports = {}
    for index, container in enumerate(spec.init_containers):
        check_container(container, f"{path}.initContainers[{index}]", pod, errors, init=True)
    for index, other in enumerate(spec.ephemeral_containers):
        check_container(other, f"{path}.ephemeralContainers[{index}]", pod, errors)
    if spec.restart_policy not in RESTART_POLICIES:
        wrong = words.unsupported(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
        errors.append(wrong if spec.restart_policy else words.required(f"{path}.restartPolicy"))
    if spec.dns_policy not in DNS_POLICIES:
        wrong = words.unsupported(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES)
        errors.append(wrong if spec.dns_policy else words.required(f"{path}.dnsPolicy"))
    elif spec.dns_policy == "None" and (spec.dns_config is None or not spec.dns_config.nameservers):
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        errors.append(words.required(f"{path}.dnsConfig.nameservers", detail))
    check_not_negative(grace_s, f"{path}.terminationGracePeriodSeconds", errors)
    deadline_s = spec.active_deadline_seconds
    if deadline_s is not None and not 1 <= deadline_s <= INT32_MAX:
        errors.append(words.invalid(f"{path}.activeDeadlineSeconds", deadline_s, words.in_range(1, INT32_MAX)))
    _check_names(spec, path, errors)
    if spec.resources is not None:
        check_resources(spec.resources, f"{path}.resources", errors)
    check_placement(spec, path, errors)


def _check_names(spec: PodSpec, path: str, errors: Errors) -> None:
    for field, value, check in (
        ("serviceAccountName", spec.service_account_name, formats.subdomain),
        ("schedulerName", spec.scheduler_name, formats.qualified_name),
        ("priorityClassName", spec.priority_class_name, formats.subdomain),
        ("runtimeClassName", spec.runtime_class_name, formats.subdomain),
        ("hostname", spec.hostname, formats.label),
        ("subdomain", spec.subdomain, formats.label),
    ):
        if value:
            errors.extend(words.invalid(f"{path}.{field}", value, one) for one in check(value))
    for index, secret in enumerate(spec.image_pull_secrets):
        if not secret.name:
            errors.append(words.required(f"{path}.imagePullSecrets[{index}].name"))
    for index, alias in enumerate(spec.host_aliases):
        if formats.address(alias.ip) is None:
            errors.append(
                words.invalid(f"{path}.hostAliases[{index}].ip", alias.ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
            )


def _check_deletion_cost(text: str, errors: Errors) -> None:
    number = text.removeprefix("-")
    plain_number = number.isascii() and number.isdigit() and (number == "0" or not number.startswith("0"))
    if not plain_number or not -INT32_MAX - 1 <= int(text) <= INT32_MAX or text == "-0":
        errors.append(words.invalid(f"metadata.annotations[{DELETION_COST}]", text, "must be a 32bit integer"))


def _check_change(new: PodSpec, old: PodSpec, errors: Errors) -> None:
    _check_images(new.containers, "spec.containers", errors)
    _check_images(new.init_containers, "spec.initContainers", errors)
    for field, wire in (("containers", "containers"), ("init_containers", "initContainers")):
        if len(getattr(new, field)) != len(getattr(old, field)):
            errors.append(words.forbidden(f"spec.{wire}", "pod updates may not add or remove containers"))
            return
    _check_deadline(new.active_deadline_seconds, old.active_deadline_seconds, errors)
    if new.tolerations != old.tolerations:
        _check_added_tolerations(new.tolerations, old.tolerations, errors)
    kept = replace(
        new,
        containers=_with_images(new.containers, old.containers),
        init_containers=_with_images(new.init_containers, old.init_containers),
        active_deadline_seconds=old.active_deadline_seconds,
        tolerations=old.tolerations,
        scheduling_gates=_fewer_gates(new, old, errors),
    )
    grace_s = old.termination_grace_period_seconds
    if grace_s is not None and grace_s < 0 and new.termination_grace_period_seconds == 1:
        kept = replace(kept, termination_grace_period_seconds=grace_s)
    if kept != old:
        changed = "".join(f"\n  {path}" for path in _differences(plain(kept), plain(old), "spec"))
        errors.append(words.forbidden("spec", f"{_CHANGE_WORDS}; these differ:{changed}"))


def _check_images(containers: tuple[Container, ...], path: str, errors: Errors) -> None:
    for index, one in enumerate(containers):
        if not one.image:
            errors.append(words.required(f"{path}[{index}].image"))
        elif one.image.strip() != one.image:
            errors.append(words.invalid(f"{path}[{index}].image", one.image, "must not have leading or trailing whitespace"))


def _with_images(new: tuple[Container, ...], old: tuple[Container, ...]) -> tuple[Container, ...]:
    return tuple(one if one.image == two.image else replace(one, image=two.image) for one, two in zip(new, old, strict=True))


def _check_deadline(new: int | None, old: int | None, errors: Errors) -> None:
    path = "spec.activeDeadlineSeconds"
    if new is not None:
        if not 1 <= new <= INT32_MAX:
            errors.append(words.invalid(path, new, words.in_range(1, INT32_MAX)))
        elif old is not None and old < new:
            errors.append(words.invalid(path, new, "must be less than or equal to previous value"))
    elif old is not None:
        errors.append(words.invalid(path, None, "must not update from a positive integer to nil value"))


def _check_added_tolerations(new: tuple[Toleration, ...], old: tuple[Toleration, ...], errors: Errors) -> None:
    def bare(one: Toleration) -> Toleration:
        return replace(one, toleration_seconds=None)

    present = [bare(one) for one in new]
    if not all(bare(one) in present for one in old):
        errors.append(words.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"))
    added = PodSpec(tolerations=new)
    check_placement(added, "spec", errors)


def _fewer_gates(new: PodSpec, old: PodSpec, errors: Errors) -> Any:
    for gate in new.scheduling_gates:
        if gate not in old.scheduling_gates:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            errors.append(words.forbidden("spec.schedulingGates", detail))
    return old.scheduling_gates


def _differences(new: Any, old: Any, path: str) -> list[str]:
    """The paths at which two plain trees differ, in order."""
    if isinstance(new, dict) and isinstance(old, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [one for key in keys for one in _differences(new.get(key), old.get(key), f"{path}.{key}")]
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [one for index, pair in enumerate(zip(new, old, strict=True)) for one in _differences(*pair, f"{path}[{index}]")]
    return [] if new == old else [path]
