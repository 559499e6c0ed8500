"""What the controllers share: judgements on pods, conditions, owners."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.core import Node, NodeCondition, NodeStatus, Pod, PodCondition, PodStatus
from callboard.models.api.meta import ObjectMeta, OwnerReference
from callboard.models.base import replace
from callboard.models.generic import GenericObject
from callboard.models.owners import controller_of, is_controlled_by, owner_reference
from callboard.models.podstatus import (
    condition,
    condition_is,
    is_active,
    is_available,
    is_finished,
    is_ready,
    is_terminating,
    phase_of,
    ready_since,
    with_condition,
    without_condition,
)

SINCE = "2026-11-24T12:00:00Z"


def pod(phase: str = "Running", ready: str = "", deleted: str = "") -> Pod:
    conditions = (PodCondition(type="Ready", status=ready, last_transition_time=SINCE),) if ready else ()
    return Pod(metadata=ObjectMeta(name="p", deletion_timestamp=deleted), status=PodStatus(phase=phase, conditions=conditions))


@pytest.mark.parametrize(
    ("one", "active", "finished"),
    [
        (Pod(), True, False),
        (pod("Pending"), True, False),
        (pod("Running"), True, False),
        (pod("Unknown"), True, False),
        (pod("Succeeded"), False, True),
        (pod("Failed"), False, True),
        (pod("Running", deleted=SINCE), False, False),
    ],
)
def test_a_pod_counts_while_it_has_neither_ended_nor_been_told_to(one: Pod, active: bool, finished: bool) -> None:
    assert (is_active(one), is_finished(one)) == (active, finished)


def test_a_pod_without_a_status_is_pending() -> None:
    assert phase_of(Pod()) == phase_of(Pod(status=PodStatus())) == "Pending"


def test_a_pod_may_be_ready_while_it_ends() -> None:
    ending = pod(ready="True", deleted=SINCE)
    assert is_ready(ending)
    assert is_terminating(ending)
    assert not is_ready(pod(ready="False"))
    assert not is_ready(Pod())


def test_a_pod_is_available_once_it_has_been_ready_for_long_enough() -> None:
    since = ready_since(pod(ready="True"))
    assert since == 1795521600.0
    assert ready_since(pod(ready="False")) is None
    assert is_available(pod(ready="True"), 0, since - 5)
    assert is_available(pod(ready="True"), 10, since + 10)
    assert not is_available(pod(ready="True"), 10, since + 9.9)
    assert not is_available(pod(ready="False"), 0, since + 9)


def test_a_condition_is_found_on_any_object() -> None:
    node = Node(status=NodeStatus(conditions=(NodeCondition(type="Ready", status="Unknown"),)))
    assert condition(node, "Ready").status == "Unknown"
    assert condition_is(node, "Ready", "Unknown")
    assert not condition_is(node, "Ready")
    assert condition(node, "Other") is None
    assert condition(Node(), "Ready") is None


def test_the_time_of_a_condition_moves_with_its_status_only() -> None:
    old = (PodCondition(type="A", status="True", last_transition_time=SINCE), PodCondition(type="B", status="True"))
    later = PodCondition(type="A", status="True", reason="Why", last_transition_time="2027-01-01T00:00:00Z")
    assert with_condition(old, later) == (replace(later, last_transition_time=SINCE), old[1])
    turned = replace(later, status="False")
    assert with_condition(old, turned) == (turned, old[1])
    assert with_condition(old, replace(old[0], last_transition_time="2027-01-01T00:00:00Z")) is old
    assert with_condition((), later) == (later,)


def test_a_condition_can_be_taken_away() -> None:
    conditions = (PodCondition(type="A"), PodCondition(type="B"))
    assert without_condition(conditions, "A") == (conditions[1],)
    assert without_condition(conditions, "C") is conditions


@pytest.mark.parametrize(
    "owner",
    [
        Pod(metadata=ObjectMeta(name="o", uid="u")),
        GenericObject(api_version="v1", kind="Pod", metadata=ObjectMeta(name="o", uid="u")),
    ],
)
def test_an_owner_is_known_by_its_uid(owner: Any) -> None:
    reference = owner_reference(owner)
    assert (reference.api_version, reference.kind, reference.name, reference.uid) == ("v1", "Pod", "o", "u")
    child = Pod(metadata=ObjectMeta(owner_references=(OwnerReference(uid="x"), reference)))
    assert controller_of(child) == reference
    assert is_controlled_by(child, owner)
    stranger = replace(owner, metadata=replace(owner.metadata, uid="other"))
    assert not is_controlled_by(child, stranger)
    assert controller_of(Pod(metadata=ObjectMeta(owner_references=(OwnerReference(uid="x"),)))) is None
