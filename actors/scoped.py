"""The base of controllers whose own objects are rare: what else they look at is watched only in the namespaces that have such objects.

Used by the controllers of quotas and of disruption budgets; a cluster that has neither pays one informer for each. Views of a namespace
come with its first object and go with its last one, so a decision judges for itself whether the views that it needs are loaded.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.component import Port
from callboard.actors.controller import Controller
from callboard.actors.informer import ChangeHandler, ClientSettings, IndexFunction, Informer


class ScopedController(Controller):
    """Keys are the objects of `primary_resource`. Subclasses implement `primary_changed`, and `first_shown` besides `decide`."""

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self.primary = self.inform(self.primary_resource, self.primary_changed)
        self.primary.add_index("namespace", lambda obj: (obj.metadata.namespace,))
        self.views: dict[str, dict[str, Informer]] = {}
        """By namespace and resource."""
        self._shown: dict[int, None] = {}

    # -- to be implemented --------------------------------------------------------------------------------------------------------

    def primary_changed(self, key: str, old: Any, new: Any) -> None:
        """One of the own objects has changed, come or gone."""
        raise NotImplementedError

    def first_shown(self, informer: Informer) -> None:
        """An informer other than that of the own objects has its first list."""
        raise NotImplementedError

    # -- when decisions are taken -------------------------------------------------------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether the own objects are known; the views of a namespace are judged with each object that needs them."""
        return self.primary.synced

    @property
    def leads(self) -> bool:
        """As the base's, for the same reason by the own objects alone."""
        return self.candidate is None or (self.candidate.leads and self.primary.revision >= self.acquired)

    @property
    def acquired(self) -> int:
        """Views must show all that former leaders have written."""
        return 0 if self.candidate is None else self.candidate.leadership.acquired_revision

    def caught_up(self, informer: Informer) -> None:
        if informer is not self.primary and informer.number not in self._shown:
            self._shown[informer.number] = None
            self.first_shown(informer)
        super().caught_up(informer)

    # -- views --------------------------------------------------------------------------------------------------------------------

    def own_of(self, namespace: str) -> list[str]:
        """Keys of the own objects of a namespace."""
        return list(self.primary.by("namespace", namespace))

    def view(self, namespace: str, resource: str, changed: ChangeHandler, indexes: dict[str, IndexFunction] | None = None) -> Informer:
        """The view of a resource in a namespace, begun if it isn't there yet."""
        here = self.views.setdefault(namespace, {})
        if resource not in here:
            informer = here[resource] = self.inform(resource, changed, namespace=namespace)
            for name, function in (indexes or {}).items():
                informer.add_index(name, function)
            informer.start()
        return here[resource]

    def stop_view(self, namespace: str, resource: str) -> None:
        """Look at a resource in a namespace no longer, if it was looked at."""
        informer = self.views.get(namespace, {}).pop(resource, None)
        if informer is not None:
            self._shown.pop(informer.number, None)
            informer.stop()

    def stop_views(self, namespace: str) -> None:
        """Look at nothing in a namespace any longer."""
        for resource in list(self.views.get(namespace, ())):
            self.stop_view(namespace, resource)
        self.views.pop(namespace, None)
