"""What belongs to objects of user-defined kinds, whose definitions come and go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard import Simulation
from callboard.models.messages.api import object_key

GROUP = "inn.example.com"
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
GUESTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"guests.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Guest", "plural": "guests"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": SCHEMA}],
    },
}


def guest(name: str, **meta: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Guest", "metadata": {"name": name, **meta}}


def bill(name: str, owner: str, uid: str) -> dict[str, Any]:
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Guest", "name": owner, "uid": uid, "controller": True, "blockOwnerDeletion": True}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": [reference]}}


def move_in(s: Simulation, name: str, **meta: Any) -> None:
    """A guest, and a ConfigMap that belongs to it."""
    (made,) = s.apply(guest(name, **meta))
    s.apply(bill(f"bill-{name}", name, made.metadata.uid))


def bills(s: Simulation) -> list[str]:
    return [one.metadata.name for one in s.list("configmaps")]


@pytest.mark.parametrize("seed", range(8))
def test_what_instances_own_goes_with_their_definition(seed: int) -> None:
    with Simulation(nodes=1, seed=seed) as s:
        s.apply(GUESTS)
        move_in(s, "ann")
        s.settle()
        s.delete(f"crd/guests.{GROUP}")
        s.advance("1m")
        assert bills(s) == []


@pytest.mark.parametrize("seed", range(8))
def test_so_it_does_when_an_instance_waited_for_a_finalizer(seed: int) -> None:
    with Simulation(nodes=1, seed=seed) as s:
        s.apply(GUESTS)
        move_in(s, "ann", finalizers=[f"{GROUP}/bill"])
        s.settle()
        s.delete(f"crd/guests.{GROUP}")
        s.advance("5s")
        assert bills(s) == ["bill-ann"]
        s.patch("guest/ann", {"metadata": {"finalizers": None}})
        s.advance("1m")
        assert bills(s) == []


def test_a_dependent_made_after_the_definition_had_gone_is_collected() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply(GUESTS)
        (ann,) = s.apply(guest("ann"))
        s.settle()
        s.delete(f"crd/guests.{GROUP}")
        s.settle()
        s.apply(bill("late", "ann", ann.metadata.uid))
        s.settle()
        assert bills(s) == []


def test_a_dependent_of_an_undeclared_kind_is_judged_once_the_kind_is_declared() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply(bill("bill", "nobody", "0-1-2"))
        s.advance("5m")
        assert bills(s) == ["bill"]
        s.apply(GUESTS)
        s.advance("10s")
        assert bills(s) == []


def test_what_other_instances_own_stays_and_a_definition_that_comes_again_finds_nothing_of_the_old_ones() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply(GUESTS)
        move_in(s, "ann")
        move_in(s, "bob")
        s.settle()
        s.delete("guest/ann")
        s.settle()
        assert bills(s) == ["bill-bob"]
        s.delete(f"crd/guests.{GROUP}")
        s.settle()
        s.apply(GUESTS)
        move_in(s, "bob")
        s.settle()
        assert bills(s) == ["bill-bob"]


FAULTS = st.sampled_from(["restart", "deaf", "reads lost", "none"])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 12), fault=FAULTS, pause_s=st.floats(0, 0.05), copies=st.integers(1, 2))
def test_nothing_stays_of_a_definition_whatever_goes_wrong_meanwhile(
    seed: int, count: int, fault: str, pause_s: float, copies: int
) -> None:
    with Simulation(nodes=1, seed=seed, timing="chaos", controllers=copies, apiservers=2, jitter_s=0.01) as s:
        s.apply(GUESTS)
        for number in range(count):
            move_in(s, f"guest-{number}", finalizers=[f"{GROUP}/bill"] if number % 3 == 0 else [])
        s.settle()
        collector = "controller/garbagecollector"
        if fault == "deaf":
            s.links.drop("apiserver-*", collector, lambda passage, _: passage.type == "WatchBatch")
        elif fault == "reads lost":
            s.links.drop(collector, "apiserver-*", lambda passage, _: passage.type in ("GetObject", "DeleteObject"))
        s.delete(f"crd/guests.{GROUP}")
        s.advance(pause_s)
        if fault == "restart":  # while some instances, and so the definition, are still there
            s.components[collector].restart()
        s.advance("20s")
        for number in range(0, count, 3):
            s.patch(f"guest/guest-{number}", {"metadata": {"finalizers": None}})
        s.advance(pause_s)
        s.links.clear()
        s.advance("2m")
        assert bills(s) == []
        assert object_key("customresourcedefinitions.apiextensions.k8s.io", "", f"guests.{GROUP}") not in s._own._keyspace.items
