"""Services, slices and what pods contribute, as decisions see them; and what becomes of slices when actions are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callboard.actors import actions as act
from callboard.actors.endpointslice.decision import View, decide, index_of
from callboard.actors.endpointslice.endpoints import Placed, placed
from callboard.models.api.core import Service
from callboard.models.api.discovery import EndpointSlice
from callboard.models.base import replace
from tests.actors.controller.playground import bare_pod, running, service


def stored(**changes: Any) -> Any:
    """A Service as the store holds it."""
    made = service(**changes)
    return replace(made, metadata=replace(made.metadata, uid="uid-web"))


def pod(number: int, **changes: Any) -> Any:
    """A running pod with an address of its own."""
    made = bare_pod(f"p{number}", app="web")
    made = replace(made, metadata=replace(made.metadata, uid=f"uid-p{number}"), spec=replace(made.spec, node_name="node-1"))
    return running(made, address=f"10.128.{number // 250}.{number % 250 + 1}", **changes)


def contributions(owner: Service, numbers: Iterable[int], **changes: Any) -> dict[str, Placed]:
    """What these pods contribute, by key."""
    found: dict[str, Placed] = {}
    for number in numbers:
        entry = placed(owner, pod(number, **changes))
        assert entry is not None
        found[f"pods/default/p{number}"] = entry
    return found


def carried_out(slices: Iterable[EndpointSlice], actions: Iterable[act.Action]) -> list[EndpointSlice]:
    """The slices after all writes."""
    by_name = {one.metadata.name: one for one in slices}
    for action in actions:
        if isinstance(action, act.Create):
            name = action.obj.metadata.name
            assert name not in by_name, "the name of a slice was given again"
            by_name[name] = replace(action.obj, metadata=replace(action.obj.metadata, uid=f"uid-{name}", resource_version=1))
        elif isinstance(action, act.Update):
            assert action.obj.metadata.uid == by_name[action.obj.metadata.name].metadata.uid
            by_name[action.obj.metadata.name] = action.obj
        elif isinstance(action, act.Delete):
            del by_name[action.name]
    return list(by_name.values())


def settle(owner: Service, slices: Iterable[EndpointSlice], wanted: Mapping[str, Placed]) -> tuple[list[EndpointSlice], int]:
    """The slices after one decision was carried out, and how many writes it took."""
    before = list(slices)
    highest = max((index_of(one.metadata.name, "web", "uid-web") for one in before), default=-1)
    actions = decide(View(service=owner, slices=tuple(before), wanted=wanted, highest_index=highest))
    return carried_out(before, actions), len(actions)


def names(piece: EndpointSlice) -> list[str]:
    """The pods of a slice, in order."""
    return [one.target_ref.name for one in piece.endpoints if one.target_ref is not None]
