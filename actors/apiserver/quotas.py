"""Quotas at admission: what a new or changed object adds to its namespace's ResourceQuotas, or why it may not. Pure; called by `writes`.

The quota's `status.used` is changed in the transaction that stores the object, on condition that the quota is what was looked at. So
however many creations run at once, at however many apiservers, no two of them spend the same rest. What is freed is counted back by the
quota controller. Source of rules and words: apiserver pkg/admission/plugin/resourcequota/controller.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from callboard.actors.apiserver.planning import revision_of
from callboard.actors.apiserver.view import View
from callboard.models.api.core import Pod
from callboard.models.base import EMPTY_MAP, FrozenMap, replace
from callboard.models.errors import forbidden
from callboard.models.generic import GenericObject
from callboard.models.messages.api import object_key
from callboard.models.messages.store import Compare, Put
from callboard.models.podresources import Amounts, add, amounts_of, quantity_text
from callboard.models.quotas import QUOTAS, as_texts, matches, missing_of, names_for, spec_of, usage_of

_ZERO = Decimal(0)


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What a transaction has to contain besides the object itself."""

    compares: tuple[Compare, ...] = ()
    ops: tuple[Put, ...] = ()


FREE = Charge()


def charge(resource: str, obj: Any, old: Any, view: View) -> Charge:
    """What the namespace's quotas want of a new object, or of a change of `old`.

    Raises:
        Forbidden: one is exceeded, does not know its usage yet, or wants to be told more.
    """
    meta = obj.metadata
    quotas = view.objects(QUOTAS, meta.namespace)
    if not quotas:
        return FREE
    compares: list[Compare] = []
    ops: list[Put] = []
    for quota in quotas:
        if not matches(spec_of(quota), resource, obj):
            continue
        charged = _charged(quota, resource, obj, old)
        if charged is not quota:
            key = object_key(QUOTAS, meta.namespace, quota.metadata.name)
            compares.append(Compare(key, revision_of(quota)))
            ops.append(Put(key, charged))
    return Charge(tuple(compares), tuple(ops))


def _charged(quota: GenericObject, resource: str, obj: Any, old: Any) -> GenericObject:
    """The quota with what the object adds; the very same if it adds nothing.

    As in Kubernetes nothing is limited before the controller has first counted (`status.hard`). A creation in that time still touches the
    quota, so that a count which has missed it is not accepted.
    """
    name, quota_name = obj.metadata.name, quota.metadata.name
    status: Mapping[str, Any] = quota.content.get("status") or EMPTY_MAP
    hard, used = amounts_of(status.get("hard") or EMPTY_MAP), amounts_of(status.get("used") or EMPTY_MAP)
    names = names_for(resource, hard)
    if isinstance(obj, Pod) and old is None and (missing := missing_of(obj, names)):
        raise forbidden(resource, name, f"failed quota: {quota_name}: must specify {missing}")
    if any(one not in used for one in names):
        raise forbidden(resource, name, f"status unknown for quota: {quota_name}, resources: {','.join(names)}")
    added = _added(resource, obj, old, quota, names)
    if not added:
        return quota if names == names_for(resource, spec_of(quota).hard) else replace(quota)
    total = dict(used)
    add(total, added)
    exceeded = sorted(one for one in added if total[one] > hard[one])
    if exceeded:
        told = ((word, _told(amounts, exceeded)) for word, amounts in (("requested", added), ("used", used), ("limited", hard)))
        raise forbidden(resource, name, f"exceeded quota: {quota_name}, " + ", ".join(f"{word}: {text}" for word, text in told))
    changed = FrozenMap({**status, "used": as_texts(total)})
    return replace(quota, content=FrozenMap({**quota.content, "status": changed}))


def _added(resource: str, obj: Any, old: Any, quota: GenericObject, names: tuple[str, ...]) -> Amounts:
    """What of the limited amounts grows, and by how much. What shrinks is left to the controller."""
    uses = usage_of(resource, obj)
    before = usage_of(resource, old) if old is not None and matches(spec_of(quota), resource, old) else {}
    grown = {name: uses.get(name, _ZERO) - before.get(name, _ZERO) for name in names}
    return {name: amount for name, amount in grown.items() if amount > 0}


def _told(amounts: Mapping[str, Decimal], names: list[str]) -> str:
    return ",".join(f"{name}={quantity_text(name, amounts[name])}" for name in names)
