"""Who owns an object: `metadata.ownerReferences` read and written. Used by controllers and the garbage collector.

Source: apimachinery pkg/apis/meta/v1/controller_ref.go.
"""

from __future__ import annotations

from typing import Any

from callboard.models.api.meta import OwnerReference
from callboard.models.kinds import api_version_of, kind_of


def controller_of(obj: Any) -> OwnerReference | None:
    """The reference to the one owner that manages an object, if it has one."""
    for reference in obj.metadata.owner_references:
        if reference.controller:
            found: OwnerReference = reference
            return found
    return None


def is_controlled_by(obj: Any, owner: Any) -> bool:
    """Whether this owner, by its UID, manages the object."""
    found = controller_of(obj)
    return found is not None and found.uid == owner.metadata.uid


def owner_reference(owner: Any) -> OwnerReference:
    """The reference that an object managed by `owner` carries: controller, and it blocks the owner's foreground deletion."""
    return OwnerReference(
        api_version=api_version_of(owner),
        kind=kind_of(owner),
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
