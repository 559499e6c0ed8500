"""Counts of the pods of each ReplicaSet, kept up to date with every change, so that a decision need not look at every pod.

Owned by the ReplicaSet controller. Most decisions of a big ReplicaSet only write its status; with these counts they cost the same for
3 pods and for 3,000. What can't be answered from counts (minReadySeconds, whom to delete) is answered from the pods.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.api.core import Pod
from callboard.models.names import SUFFIX_LENGTH, child_index
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active, is_finished, is_ready, is_terminating

PREFIX_LIMIT = 63 - SUFFIX_LENGTH
Labels = tuple[tuple[str, str], ...]


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a ReplicaSet's decision depends on in one pod. `since` is the text of its Ready condition's last transition."""

    owner_uid: str
    owner_name: str
    active: bool
    ready: bool
    terminating: bool
    labels: Labels
    since: str


class Tally(msgspec.Struct, gc=False):
    """Counts of one ReplicaSet's pods. `ready` counts active pods only; `labels` the active pods by their labels."""

    pods: int = 0
    active: int = 0
    ready: int = 0
    terminating: int = 0
    labels: dict[Labels, int] = {}


def facts_of(pod: Pod) -> Facts | None:
    """The facts of a pod that some ReplicaSet owns; None for any other pod."""
    owner = controller_of(pod)
    if owner is None or owner.kind != "ReplicaSet":
        return None
    active = is_active(pod)
    ready = active and is_ready(pod)
    since = ""
    if ready and pod.status is not None:
        since = next(one.last_transition_time for one in pod.status.conditions if one.type == "Ready")
    terminating = is_terminating(pod) and not is_finished(pod)
    return Facts(owner.uid, owner.name, active, ready, terminating, tuple(sorted(pod.metadata.labels.items())), since)


def index_of(name: str, owner_name: str, owner_uid: str) -> int:
    """The index that a pod's name was made of; -1 if its name is not of this controller's making."""
    prefix = name_prefix(owner_name)
    return child_index(owner_uid, name[len(prefix) :]) if name.startswith(prefix) else -1


def name_prefix(owner_name: str) -> str:
    """What the names of a ReplicaSet's pods begin with. Source: apiserver pkg/storage/names/generate.go."""
    return f"{owner_name}-"[:PREFIX_LIMIT]


class Census:
    """The tallies of all ReplicaSets, by UID."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._facts: dict[str, Facts] = {}

    def of(self, owner_uid: str) -> Tally:
        """The counts of this ReplicaSet's pods. Not to be changed."""
        return self._tallies.get(owner_uid) or Tally()

    def change(self, key: str, new: Pod | None) -> tuple[Facts | None, Facts | None]:
        """A pod has changed: the facts before and after. The same object twice means that no decision depends on the change."""
        before = self._facts.get(key)
        after = facts_of(new) if new is not None else None
        if before == after:
            return before, before
        if before is not None:
            self._count(before, -1)
        if after is None:
            self._facts.pop(key, None)
        else:
            self._facts[key] = after
            self._count(after, 1)
        return before, after

    def _count(self, facts: Facts, step: int) -> None:
        tally = self._tallies.get(facts.owner_uid)
        if tally is None:
            tally = self._tallies[facts.owner_uid] = Tally()
        tally.pods += step
        tally.terminating += step * facts.terminating
        if facts.active:
            tally.active += step
            tally.ready += step * facts.ready
            left = tally.labels.get(facts.labels, 0) + step
            if left:
                tally.labels[facts.labels] = left
            else:
                del tally.labels[facts.labels]
        if not tally.pods:
            del self._tallies[facts.owner_uid]


def tally_of(pods: Any) -> Tally:
    """The counts of these pods, which all have one owner: what `Census.of` would say."""
    census = Census()
    owner = ""
    for pod in pods:
        _, facts = census.change(f"{pod.metadata.namespace}/{pod.metadata.name}", pod)
        owner = facts.owner_uid if facts is not None else owner
    return census.of(owner)
