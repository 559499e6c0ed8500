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
from callboard.actors.controller import Controller
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.resourcequota.decision import counts_otherwise, resources_counted, status_for, status_now
from callboard.models.generic import GenericObject
from callboard.models.quotas import QUOTAS

BATCH_S = 0.02
"""Changes gather for so long before what they concern is counted again."""
LAG_S = 0.1
"""A view that is older than the quota has so long to catch up by itself before it is listed anew."""


class ResourceQuotaController(Controller):
    """The actor around `decision`."""

    primary_resource = QUOTAS

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self.quotas = self.inform(QUOTAS, self._quota_changed)
        self.quotas.add_index("namespace", lambda quota: (quota.metadata.namespace,))
        self._counted: dict[str, dict[str, Informer]] = {}
        self._seen: dict[int, None] = {}
        self._behind: dict[str, int] = {}

    # -- what is watched ----------------------------------------------------------------------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether the quotas are known; what they count is judged for each of them, since one may count what isn't served."""
        return self.quotas.synced

    @property
    def leads(self) -> bool:
        """As the base's, for the same reason by the quotas alone."""
        return self.candidate is None or (self.candidate.leads and self.quotas.revision >= self._acquired)

    @property
    def _acquired(self) -> int:
        """Views must show all that former leaders have written."""
        return 0 if self.candidate is None else self.candidate.leadership.acquired_revision

    def _quota_changed(self, key: str, old: GenericObject | None, new: GenericObject | None) -> None:
        quota = new or old
        assert quota is not None
        namespace = quota.metadata.namespace
        here = self._counted.setdefault(namespace, {})
        if new is not None:
            for resource in resources_counted(new):
                if resource != QUOTAS and resource not in here:
                    here[resource] = self.inform(resource, partial(self._counted_changed, namespace), namespace=namespace)
                    here[resource].start()
            self.mark(key)
        else:
            self._behind.pop(key, None)
        if new is None and not self.quotas.by("namespace", namespace):
            for informer in self._counted.pop(namespace).values():
                self._seen.pop(informer.number, None)
                informer.stop()
        elif (old is None) != (new is None):
            self._look_soon(namespace)  # quotas may count quotas

    def _counted_changed(self, namespace: str, _key: str, old: Any, new: Any) -> None:
        if counts_otherwise(old, new):
            self._look_soon(namespace)

    def _look_soon(self, namespace: str) -> None:
        for key in self.quotas.by("namespace", namespace):
            self.mark_after(key, BATCH_S)

    def caught_up(self, informer: Informer) -> None:
        namespace = informer.selection["namespace"]
        if namespace and informer.number not in self._seen:
            self._seen[informer.number] = None
            self._look_soon(namespace)
        super().caught_up(informer)

    # -- decisions ------------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        quota: GenericObject | None = self.quotas.objects.get(key)
        if quota is None:
            return ()
        meta = quota.metadata
        here = self._counted.get(meta.namespace, {})
        if any(not here[name].synced and not here[name].unserved for name in resources_counted(quota) if name in here):
            return (act.LookAgain(after_s=LAG_S),)  # a count without what isn't known yet would lift limits that are in force
        views = {name: one for name, one in here.items() if one.synced}
        objects: dict[str, Any] = {name: one.objects for name, one in views.items()}
        objects[QUOTAS] = self.quotas.by("namespace", meta.namespace)
        wanted = status_for(quota, objects)
        if wanted == status_now(quota):
            return ()
        needed = max(int(meta.resource_version), self._acquired)
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
