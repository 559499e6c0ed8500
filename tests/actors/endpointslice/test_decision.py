"""Decisions about the slices of a Service, against Kubernetes' endpointslice/reconciler.go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.actors import actions as act
from callboard.actors.endpointslice.decision import ENDPOINTS_LIMIT, HEADLESS, MANAGED_BY, MANAGER, SERVICE_NAME, View, decide
from callboard.actors.endpointslice.endpoints import Placed
from callboard.models.api.discovery import EndpointSlice
from callboard.models.base import FrozenMap, replace
from callboard.models.owners import controller_of
from tests.actors.endpointslice.kit import contributions, names, settle, stored

OWNER = stored()


def test_a_service_without_endpoints_has_one_empty_slice() -> None:
    slices, writes = settle(OWNER, [], {})
    assert [(one.endpoints, one.ports) for one in slices] == [((), ())]
    assert writes == 1
    assert settle(OWNER, slices, {}) == (slices, 0)


def test_a_slice_tells_whose_it_is_and_who_manages_it() -> None:
    labelled = replace(OWNER, metadata=replace(OWNER.metadata, labels=FrozenMap(tier="front")))
    (piece,), _ = settle(labelled, [], contributions(labelled, range(2)))
    assert piece.metadata.labels == {"tier": "front", SERVICE_NAME: "web", MANAGED_BY: MANAGER}
    assert piece.metadata.name.startswith("web-")
    assert (piece.address_type, len(piece.endpoints)) == ("IPv4", 2)
    assert controller_of(piece).uid == "uid-web"  # type: ignore[union-attr]


def test_the_slices_of_a_headless_service_say_so() -> None:
    (piece,), _ = settle(stored(cluster_ip="None"), [], {})
    assert piece.metadata.labels[HEADLESS] == ""


def test_the_empty_slice_becomes_the_first_one() -> None:
    empty, _ = settle(OWNER, [], {})
    full, writes = settle(OWNER, empty, contributions(OWNER, range(3)))
    assert writes == 1
    assert [one.metadata.name for one in full] == [one.metadata.name for one in empty]


def test_slices_hold_a_hundred_endpoints_and_stay_full() -> None:
    slices, _ = settle(OWNER, [], contributions(OWNER, range(250)))
    assert [len(one.endpoints) for one in slices] == [100, 100, 50]
    more, writes = settle(OWNER, slices, contributions(OWNER, range(290)))
    assert sorted(len(one.endpoints) for one in more) == [90, 100, 100]
    assert writes == 1


def test_an_endpoint_that_goes_changes_its_slice_only_and_its_hole_is_filled_by_the_next() -> None:
    slices, _ = settle(OWNER, [], contributions(OWNER, range(250)))
    kept = [number for number in range(250) if number != 120]
    fewer, writes = settle(OWNER, slices, contributions(OWNER, kept))
    assert writes == 1
    assert sum(len(one.endpoints) for one in fewer) == 249
    again, writes = settle(OWNER, slices, contributions(OWNER, [*kept, 300]))
    assert writes == 1
    assert "p300" in names(again[1])


def test_a_condition_that_changes_is_written_where_the_endpoint_is() -> None:
    slices, _ = settle(OWNER, [], contributions(OWNER, range(150)))
    wanted = {**contributions(OWNER, range(150)), **contributions(OWNER, [7], ready=False)}
    after, writes = settle(OWNER, slices, wanted)
    assert writes == 1
    assert names(after[0]) == names(slices[0])
    assert after[0].endpoints[7].conditions.ready is False  # type: ignore[union-attr]


def test_pods_with_other_port_numbers_are_in_slices_of_their_own() -> None:
    wanted = contributions(OWNER, range(4))
    other = replace(wanted["pods/default/p3"].ports[0], port=8080)
    wanted["pods/default/p3"] = Placed((other,), wanted["pods/default/p3"].endpoint)
    slices, _ = settle(OWNER, [], wanted)
    assert {one.ports[0].port: names(one) for one in slices} == {80: ["p0", "p1", "p2"], 8080: ["p3"]}


def test_a_new_port_of_the_service_changes_slices_in_place() -> None:
    slices, _ = settle(OWNER, [], contributions(OWNER, range(150)))
    changed = stored(ports=(replace(OWNER.spec.ports[0], name="main"),))
    after, writes = settle(changed, slices, contributions(changed, range(150)))
    assert writes == 2
    assert {one.metadata.name for one in after} == {one.metadata.name for one in slices}
    assert {one.ports[0].name for one in after} == {"main"}


def test_an_endpoint_that_two_slices_hold_stays_in_one() -> None:
    """kubernetes#92928."""
    slices, _ = settle(OWNER, [], contributions(OWNER, range(3)))
    twin = replace(slices[0], metadata=replace(slices[0].metadata, name="web-zzzzz", uid="uid-twin"))
    after, _ = settle(OWNER, [*slices, twin], contributions(OWNER, range(3)))
    assert sorted(name for one in after for name in names(one)) == ["p0", "p1", "p2"]


def test_slices_of_an_earlier_service_of_that_name_are_deleted() -> None:
    slices, _ = settle(OWNER, [], contributions(OWNER, range(3)))
    successor = replace(OWNER, metadata=replace(OWNER.metadata, uid="uid-other"))
    actions = decide(View(service=successor, slices=tuple(slices), wanted=contributions(successor, range(3))))
    (deleted,) = [action for action in actions if isinstance(action, act.Delete)]
    assert (deleted.uid, deleted.resource_version) == (slices[0].metadata.uid, 1)
    assert len([action for action in actions if isinstance(action, act.Create)]) == 1


def test_a_service_that_is_being_deleted_gets_no_new_slice() -> None:
    """kubernetes#91311."""
    going = replace(OWNER, metadata=replace(OWNER.metadata, deletion_timestamp="2026-11-24T12:00:00Z"))
    assert decide(View(service=going, slices=(), wanted=contributions(going, range(3)))) == ()


def test_services_without_a_selector_or_with_an_external_name_are_left_alone() -> None:
    for owner in (stored(selector=FrozenMap()), stored(type="ExternalName")):
        assert decide(View(service=owner, slices=(), wanted={})) == ()


def test_an_update_has_uid_and_revision_as_preconditions() -> None:
    slices, _ = settle(OWNER, [], contributions(OWNER, range(3)))
    actions = decide(View(service=OWNER, slices=tuple(slices), wanted=contributions(OWNER, range(2))))
    (updated,) = actions
    assert isinstance(updated, act.Update)
    assert (updated.obj.metadata.uid, updated.obj.metadata.resource_version) == (slices[0].metadata.uid, 1)


def _where(slices: list[EndpointSlice]) -> dict[str, str]:
    return {name: one.metadata.name for one in slices for name in names(one)}


STEPS = st.lists(st.tuples(st.sets(st.integers(0, 259), max_size=260), st.sets(st.integers(0, 259), max_size=10)), min_size=1, max_size=5)


@given(STEPS)
def test_after_every_step_the_slices_are_the_pods_and_what_stays_does_not_move(steps: list[tuple[set[int], set[int]]]) -> None:
    slices: list[EndpointSlice] = []
    for present, unready in steps:
        wanted = {**contributions(OWNER, sorted(present)), **contributions(OWNER, sorted(present & unready), ready=False)}
        before = slices
        slices, writes = settle(OWNER, before, wanted)
        held = [endpoint for one in slices for endpoint in one.endpoints]
        assert sorted(held, key=lambda one: one.addresses) == sorted(
            (entry.endpoint for entry in wanted.values()), key=lambda one: one.addresses
        )
        assert all(len(one.endpoints) <= ENDPOINTS_LIMIT for one in slices)
        assert len(slices) >= 1
        old, new = _where(before), _where(slices)
        kept_names = {one.metadata.name for one in slices}
        assert all(
            new[name] == place for name, place in old.items() if name in new and place in kept_names and _stayed(before, place, wanted)
        )
        changed = {one.metadata.name for one in before if one not in slices} | (kept_names - {one.metadata.name for one in before})
        assert writes == len(changed), "only slices that change are written"
        assert settle(OWNER, slices, wanted)[1] == 0


def _stayed(before: list[EndpointSlice], name: str, wanted: dict[str, Placed]) -> bool:
    """Whether a slice kept any of its endpoints: one that lost all may be given others' or deleted."""
    piece = next(one for one in before if one.metadata.name == name)
    return any(f"pods/default/{pod}" in wanted for pod in names(piece))
