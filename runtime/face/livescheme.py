"""The kinds that are served at this moment, as a client sees them. Used by whatever implements `Host` on real time or virtual time."""

from __future__ import annotations

from collections.abc import Callable

from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.errors import UnknownKind
from callboard.models.kinds import DEFINITIONS, Resource, Scheme
from callboard.models.messages.api import Listed, ListObjects
from callboard.models.messages.base import Answer

LIST_TIMEOUT_S = 30.0


def listed_definitions(ask: Callable[..., Answer]) -> list[CustomResourceDefinition]:
    """All definitions, by way of a client's `ask`."""
    listed = ask(ListObjects, LIST_TIMEOUT_S, resource=DEFINITIONS)
    assert isinstance(listed, Listed)
    return [*listed.objects]


class LiveScheme(Scheme):
    """The kinds that are served now. What isn't known is looked up once more among the stored CustomResourceDefinitions.

    What is known is taken for granted until somebody has a reason to doubt it and asks to `confirm` it: one look at the definitions.
    """

    def __init__(self, definitions: Callable[[], list[CustomResourceDefinition]]) -> None:
        super().__init__(())
        self._definitions = definitions
        self._current = Scheme.builtin()

    def _refreshed(self) -> Scheme:
        scheme = Scheme.builtin()
        for definition in self._definitions():
            scheme = scheme.with_definition(definition)
        self._current = scheme
        return scheme

    def resource(self, api_version: str, kind: str) -> Resource:
        try:
            return self._current.resource(api_version, kind)
        except UnknownKind:
            return self._refreshed().resource(api_version, kind)

    def lookup(self, name: str) -> Resource:
        try:
            return self._current.lookup(name)
        except UnknownKind:
            return self._refreshed().lookup(name)

    def stored(self, resource: str) -> Resource:
        try:
            return self._current.stored(resource)
        except UnknownKind:
            return self._refreshed().stored(resource)

    def confirm(self, resource: Resource) -> None:
        if not Scheme.builtin().serves(resource.name):
            self._refreshed().lookup(resource.name)

    def in_category(self, name: str) -> tuple[Resource, ...]:
        return self._refreshed().in_category(name)
