"""The watch cache by itself: places, pictures, and a history that is looked through by resource."""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.cache import WatchCache
from callboard.models.api.core import Pod, PodSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.messages.store import StoreEvent


def _object(name: str, revision: int, node: str = "") -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace="default", resource_version=revision), spec=PodSpec(node_name=node))


def _event(resource: str, name: str, revision: int, old: Any = None, *, gone: bool = False, node: str = "") -> StoreEvent:
    return StoreEvent(f"{resource}/default/{name}", None if gone else _object(name, revision, node), old, revision)


def test_a_pod_is_found_by_the_node_it_is_on_now() -> None:
    cache = WatchCache(100)
    first = _event("pods", "a", 1)
    bound = _event("pods", "a", 2, first.obj, node="n1")
    cache.take((first, bound), 2)
    assert [*cache.on_node("n1")] == ["pods/default/a"]
    cache.take((_event("pods", "a", 3, bound.obj, gone=True),), 3)
    assert not cache.on_node("n1")
    assert cache.resources() == []


def test_the_missed_changes_of_a_resource_are_only_its_own() -> None:
    cache = WatchCache(100)
    cache.take(tuple(_event("pods" if number % 10 == 0 else "nodes", f"x{number}", number) for number in range(1, 31)), 30)
    missed = cache.missed("pods", 10)
    assert missed is not None
    assert [event.revision for event in missed] == [20, 30]
    assert cache.missed("secrets", 0) == []


def test_a_forgotten_history_is_forgotten_for_every_resource() -> None:
    cache = WatchCache(8)
    for number in range(1, 41):
        cache.take((_event("pods" if number % 2 else "nodes", f"x{number}", number),), number)
    oldest = cache.history.compacted
    assert oldest > 20
    assert cache.missed("pods", oldest - 1) is None
    kept = (cache.missed("pods", oldest) or []) + (cache.missed("nodes", oldest) or [])
    assert sorted(event.revision for event in kept) == [*range(oldest + 1, 41)]


def test_a_picture_is_told_as_what_it_changes() -> None:
    cache = WatchCache(100)
    cache.take((_event("pods", "kept", 1), _event("pods", "changed", 2), _event("pods", "gone", 3)), 3)
    picture = (_event("pods", "kept", 1), _event("pods", "changed", 7), _event("pods", "new", 8))
    changes = cache.replace_by(picture, 9)
    assert [(change.key.rpartition("/")[2], change.obj is None, change.old is None, change.revision) for change in changes] == [
        ("changed", False, False, 7),
        ("new", False, True, 8),
        ("gone", True, False, 9),
    ]
    assert sorted(cache.bucket("pods", "default")) == ["pods/default/changed", "pods/default/kept", "pods/default/new"]
    assert cache.missed("pods", 8) is None
    assert cache.missed("pods", 9) == []


def test_objects_that_are_the_same_are_not_told_again() -> None:
    cache = WatchCache(100)
    cache.take((_event("pods", "a", 1),), 1)
    same = replace(_object("a", 1))
    assert cache.replace_by((StoreEvent("pods/default/a", same, None, 1),), 5) == ()
