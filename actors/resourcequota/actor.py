"""The resource quota controller: keeps the status of every ResourceQuota true.

Talks to the apiserver: an informer on quotas and, for each namespace that has some, informers on what they count there; a cluster
without quotas costs nothing. Nothing is written before all views of a quota are loaded; only what nobody serves is left out of it. A count
is written on condition that the quota is still the one that was looked at, and only from views that are at least as new: every creation
that counts changes the quota in its own transaction, so a count that has missed one is never accepted.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.resourcequota.decision import counts_otherwise, resources_counted, status_for, status_now
from callboard.actors.scoped import ScopedController
from callboard.models.generic import GenericObject
from callboard.models.quotas import QUOTAS

BATCH_S = 0.02
"""Changes gather for so long before what they concern is counted again."""
LAG_S = 0.1
"""A view that is older than the quota has so long to catch up by itself before it is listed anew."""


class ResourceQuotaController(ScopedController):
    """The actor around `decision`."""

    primary_resource = QUOTAS

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self._behind: dict[str, int] = {}

    # -- what is watched ----------------------------------------------------------------------------------------------------------------

    def primary_changed(self, key: str, old: GenericObject | None, new: GenericObject | None) -> None:
        """See `ScopedController`."""
        quota = new or old
        assert quota is not None
        namespace = quota.metadata.namespace
        if new is not None:
            for resource in resources_counted(new):
                if resource != QUOTAS:
                    self.view(namespace, resource, partial(self._counted_changed, namespace))
            self.mark(key)
        else:
            self._behind.pop(key, None)
        if new is None and not self.own_of(namespace):
            self.stop_views(namespace)
        elif (old is None) != (new is None):
            self._look_soon(namespace)  # quotas may count quotas

    def _counted_changed(self, namespace: str, _key: str, old: Any, new: Any) -> None:
        if counts_otherwise(old, new):
            self._look_soon(namespace)

    def _look_soon(self, namespace: str) -> None:
        for key in self.own_of(namespace):
            self.mark_after(key, BATCH_S)

    def first_shown(self, informer: Informer) -> None:
        """See `ScopedController`."""
        self._look_soon(informer.selection["namespace"])

    # -- decisions ------------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        quota: GenericObject | None = self.primary.objects.get(key)
        if quota is None:
            return ()
        meta = quota.metadata
        here = self.views.get(meta.namespace, {})
        if any(not here[name].synced and not here[name].unserved for name in resources_counted(quota) if name in here):
            return (act.LookAgain(after_s=LAG_S),)  # a count without what isn't known yet would lift limits that are in force
        views = {name: one for name, one in here.items() if one.synced}
        objects: dict[str, Any] = {name: one.objects for name, one in views.items()}
        objects[QUOTAS] = self.primary.by("namespace", meta.namespace)
        wanted = status_for(quota, objects)
        if wanted == status_now(quota):
            return ()
        needed = max(int(meta.resource_version), self.acquired)
        late = [views[name] for name in resources_counted(quota) if name in views and views[name].revision < needed]
        if late:
            if self._behind.get(key) == needed:
                for informer in late:
                    informer.catch_up(needed)
            self._behind[key] = needed
            return (act.LookAgain(after_s=LAG_S),)
        return (
            act.SetStatus(
                resource=QUOTAS,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                status=wanted,
                resource_version=int(meta.resource_version),
            ),
        )
