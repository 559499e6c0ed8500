"""Revisions of a pod template, kept as ControllerRevisions: StatefulSets and DaemonSets have them in place of ReplicaSets. Pure.

Sources: kubernetes pkg/controller/history/controller_history.go, pkg/controller/statefulset/stateful_set_utils.go (getPatch, newRevision,
ApplyRevision, nextRevision), stateful_set_control.go (getStatefulSetRevisions, truncateHistory), pkg/controller/daemon/update.go (snapshot,
cleanupHistory).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from callboard.models.api.apps import ControllerRevision
from callboard.models.api.core import PodTemplateSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import EMPTY_MAP, FrozenMap, decode_hook, freeze, plain, thaw
from callboard.models.kinds import kind_of
from callboard.models.names import ALPHABET
from callboard.models.owners import controller_of, is_controlled_by, owner_reference

RESOURCE = "controllerrevisions.apps"
HASH_LABEL = "controller-revision-hash"
"""The label of a pod that says of which revision it is: a StatefulSet's has the revision's name, a DaemonSet's the hash in that name
(ControllerRevisionHashLabelKey, DefaultDaemonSetUniqueLabelKey)."""
STATEFUL_SET_REVISION_LABEL = "controller.kubernetes.io/hash"
"""The label of a StatefulSet's revision that has its hash; a DaemonSet's revision has it under `HASH_LABEL`."""
PREFIX_LIMIT = 223
"""Characters of the owner's name in a revision's name at most (ControllerRevisionName)."""
_FNV_OFFSET, _FNV_PRIME = 2166136261, 16777619


# -- what a revision holds and is called ------------------------------------------------------------------------------------------------


def template_patch(template: PodTemplateSpec | None) -> FrozenMap:
    """What a revision holds: a strategic merge patch that replaces `spec.template` by this one (getPatch)."""
    return FrozenMap({"spec": FrozenMap({"template": FrozenMap({**freeze(plain(template or PodTemplateSpec())), "$patch": "replace"})})})


def template_in(revision: ControllerRevision) -> PodTemplateSpec:
    """The template that a revision restores (ApplyRevision).

    Raises:
        ValueError: somebody else has written the revision, and it holds no patch of a template.
    """
    content = ((revision.data or EMPTY_MAP).get("spec") or EMPTY_MAP).get("template")
    if not isinstance(content, Mapping):
        raise ValueError(f'ControllerRevision "{revision.metadata.name}" holds no patch of spec.template; delete it')
    tree = thaw({key: value for key, value in content.items() if key != "$patch"})
    try:
        found: PodTemplateSpec = msgspec.convert(tree, PodTemplateSpec, dec_hook=decode_hook)
    except msgspec.ValidationError as problem:
        raise ValueError(f'ControllerRevision "{revision.metadata.name}" holds no pod template ({problem}); delete it') from None
    return found


def _hashed(content: bytes) -> str:
    """FNV-1 of 32 bits, its decimal digits in the alphabet of generated names (fnv.New32, rand.SafeEncodeString)."""
    value = _FNV_OFFSET
    for byte in content:
        value = (value * _FNV_PRIME & 0xFFFFFFFF) ^ byte
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(value))


@lru_cache(maxsize=1024)
def _hash_of(content: bytes) -> str:
    return _hashed(content)


def revision_hash(data: FrozenMap, collisions: int) -> str:
    """At most ten characters that stand for a revision's content and the owner's collision count (HashControllerRevision)."""
    return _hash_of(msgspec.json.encode(data, order="deterministic") + str(collisions).encode())


def revision_name(owner_name: str, hashed: str) -> str:
    """`<owner>-<hash>` (ControllerRevisionName)."""
    return f"{owner_name[:PREFIX_LIMIT]}-{hashed}"


def new_revision(
    owner: Any, template: PodTemplateSpec | None, number: int, collisions: int, hash_label: str = STATEFUL_SET_REVISION_LABEL
) -> ControllerRevision:
    """The revision of `template` as it is created for this owner: labels of the template and `hash_label`, annotations of the owner."""
    data = template_patch(template)
    hashed = revision_hash(data, collisions)
    of_template = template.metadata.labels if template is not None and template.metadata is not None else EMPTY_MAP
    return ControllerRevision(
        metadata=ObjectMeta(
            name=revision_name(owner.metadata.name, hashed),
            namespace=owner.metadata.namespace,
            labels=FrozenMap({**of_template, hash_label: hashed}),
            annotations=owner.metadata.annotations,
            owner_references=(owner_reference(owner),),
        ),
        data=data,
        revision=number,
    )


# -- the history --------------------------------------------------------------------------------------------------------------------------


def number_of(revision: ControllerRevision) -> int:
    """The number of a revision."""
    return revision.revision or 0


def in_order(revisions: Iterable[ControllerRevision]) -> list[ControllerRevision]:
    """Oldest first: by number, then creation, then name (SortControllerRevisions)."""
    return sorted(revisions, key=lambda one: (number_of(one), one.metadata.creation_timestamp, one.metadata.name))


def next_number(revisions: Iterable[ControllerRevision]) -> int:
    """The number that a new revision beside these gets (nextRevision)."""
    return max((number_of(one) for one in revisions), default=0) + 1


def same_data(one: ControllerRevision, other: ControllerRevision) -> bool:
    """Whether two revisions restore the same template (EqualRevision)."""
    return one.data == other.data


class Current(msgspec.Struct, frozen=True, gc=False):
    """The revision of an owner's present template, and what must be written for it to be there.

    `revision` is the one that is wanted, with its final name and number. `create`: it doesn't exist yet. `renumber`: it exists with another
    number (a rollback). `blocked_by`: the name of a former namesake's revision, which the garbage collector will take away; until then
    nothing can be written. `collisions` is the owner's new collision count."""

    revision: ControllerRevision
    collisions: int
    create: bool = False
    renumber: bool = False
    blocked_by: str = ""


def current_of(
    owner: Any,
    template: PodTemplateSpec | None,
    own: Sequence[ControllerRevision],
    named: Mapping[str, ControllerRevision],
    collisions: int,
    hash_label: str = STATEFUL_SET_REVISION_LABEL,
) -> Current:
    """Which revision the present template is (getStatefulSetRevisions, constructHistory).

    `own` are the revisions that `owner` controls, `named` all of its namespace by name. The newest revision with this content is taken,
    and gets the highest number if it isn't the newest of all. Otherwise one is created: under a name that no revision with other content
    or of another owner has, for which the collision count is raised. A revision that was left by a deleted owner of the same kind and name
    is no collision: it goes.
    """
    ordered = in_order(one for one in own if not one.metadata.deletion_timestamp)
    wanted = new_revision(owner, template, next_number(own), collisions, hash_label)
    equal = [one for one in ordered if same_data(one, wanted)]
    if equal:
        found = equal[-1]
        if found is ordered[-1]:
            return Current(found, collisions)
        return Current(msgspec.structs.replace(found, revision=wanted.revision), collisions, renumber=True)
    while (present := named.get(wanted.metadata.name)) is not None:
        if _is_going(present, owner):
            return Current(wanted, collisions, create=True, blocked_by=present.metadata.name)
        collisions += 1
        wanted = new_revision(owner, template, number_of(wanted), collisions, hash_label)
    return Current(wanted, collisions, create=True)


def _is_going(present: ControllerRevision, owner: Any) -> bool:
    """Whether a revision is being deleted, or will be since its owner, which had the name of this one, is gone."""
    if present.metadata.deletion_timestamp:
        return True
    reference = controller_of(present)
    return (
        reference is not None
        and (reference.kind, reference.name) == (kind_of(owner), owner.metadata.name)
        and reference.uid != owner.metadata.uid
    )


def beyond_limit(revisions: Iterable[ControllerRevision], live: Container[str], limit: int | None) -> list[ControllerRevision]:
    """The oldest revisions beyond `revisionHistoryLimit`, not counting those whose names are `live` (truncateHistory, cleanupHistory)."""
    if limit is None or limit < 0:
        return []
    historic = [one for one in in_order(revisions) if one.metadata.name not in live and not one.metadata.deletion_timestamp]
    return historic[: max(len(historic) - limit, 0)]


def same_child(wanted: ControllerRevision, existing: Any) -> bool:
    """Whether the revision that exists under the name of one to be created is that very one: same controller, by UID, and same content."""
    owner = controller_of(wanted)
    return (
        isinstance(existing, ControllerRevision)
        and owner is not None
        and same_data(wanted, existing)
        and any(one.controller and one.uid == owner.uid for one in existing.metadata.owner_references)
    )


def revisions_of(owner: Any, revisions: Iterable[ControllerRevision]) -> list[ControllerRevision]:
    """The revisions that this owner controls, oldest first."""
    return in_order(one for one in revisions if is_controlled_by(one, owner))
