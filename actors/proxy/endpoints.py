"""Which endpoints may answer a connection that arrives at a node: pure functions of a service port and its EndpointSlices.

The rules are kube-proxy's (pkg/proxy: EndpointSliceCache, and CategorizeEndpoints in topology.go): ports are matched by name and protocol;
the ready endpoints answer, and where there is none, those that still serve while they terminate; a traffic policy "Local" keeps to the
endpoints of the node itself. Not followed: topology hints, since nodes have no zones here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from callboard.models.api.core import ServicePort as ApiServicePort
from callboard.models.api.discovery import EndpointConditions, EndpointSlice

_NO_CONDITIONS = EndpointConditions()


class Backend(msgspec.Struct, frozen=True, gc=False, order=True):
    """One endpoint of a service port, and the node on which it runs."""

    address: str
    port: int
    node_name: str


class Reach(msgspec.Struct, frozen=True, gc=False):
    """Who answers the connections of one kind. `withheld`: somebody would, but not from this node; such connections are dropped."""

    backends: tuple[Backend, ...] = ()
    withheld: bool = False


class Candidates(msgspec.Struct, frozen=True, gc=False):
    """The endpoints of one service port by what they are good for, each in a fixed order."""

    ready: tuple[Backend, ...] = ()
    leaving: tuple[Backend, ...] = ()

    def everywhere(self) -> Reach:
        """Who answers where all of the cluster may."""
        return Reach(self.ready or self.leaving)

    def on(self, node: str) -> Reach:
        """Who answers where only this node's own endpoints may."""
        mine = _of(self.ready, node) or _of(self.leaving, node)
        return Reach(mine, withheld=not mine and bool(self.ready or self.leaving))

    def within(self, local: bool, node: str) -> Reach:
        """Who answers at a node under a traffic policy. No node ("") is the cluster as a whole, which no policy divides."""
        return self.on(node) if local and node else self.everywhere()


def candidates(port: ApiServicePort, slices: Sequence[EndpointSlice], wanted: Callable[[str], bool]) -> Candidates:
    """The endpoints of a service port in slices whose address type is `wanted`."""
    ready: dict[tuple[str, int], Backend] = {}
    leaving: dict[tuple[str, int], Backend] = {}
    for piece in slices:
        if not wanted(piece.address_type):
            continue
        for number in _matching(port, piece):
            for endpoint in piece.endpoints:
                if not endpoint.addresses:
                    continue
                conditions = endpoint.conditions or _NO_CONDITIONS
                place = (endpoint.addresses[0], number)
                backend = Backend(*place, endpoint.node_name)
                if conditions.ready is not False:
                    ready[place] = min(backend, ready.get(place, backend))  # two slices may list one endpoint for a moment
                elif conditions.serving is not False and conditions.terminating:
                    leaving[place] = min(backend, leaving.get(place, backend))
    return Candidates(tuple(sorted(ready.values())), tuple(sorted(leaving.values())))


def _of(backends: tuple[Backend, ...], node: str) -> tuple[Backend, ...]:
    return tuple(backend for backend in backends if backend.node_name == node)


def _matching(port: ApiServicePort, piece: EndpointSlice) -> list[int]:
    """The numbers that a slice gives to a service port."""
    return [
        candidate.port
        for candidate in piece.ports
        if candidate.port is not None and candidate.name == port.name and (candidate.protocol or "TCP") == (port.protocol or "TCP")
    ]
