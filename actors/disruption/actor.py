"""The disruption controller: keeps the status of every PodDisruptionBudget true, so that evictions know what they may do.

Talks to the apiserver: an informer on budgets and, for each namespace that has some, informers on its pods and on what controls them (of
a user-defined kind too, if it has the subresource scale); a cluster without budgets costs nothing. Which pods a budget selects is kept
from change to change. A status is written on condition that the budget is still the one that was looked at: an eviction counts it down in
the transaction that deletes the pod, so a count that has missed one is never accepted.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.disruption.decision import WORKLOADS, Telling, decide, needs_scale, replicas_of
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.matching import SelectorIndex
from callboard.actors.scoped import ScopedController
from callboard.models.api.apiextensions import CustomResourceDefinition
from callboard.models.api.core import Pod
from callboard.models.budgets import BUDGETS, selector_of_budget, spec_of, status_of
from callboard.models.generic import GenericObject
from callboard.models.kinds import DEFINITIONS, resources_of
from callboard.models.messages.api import object_key
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_ready, is_terminating
from callboard.models.selectors import NOTHING, Selector

PODS = "pods"
BATCH_S = 0.02
"""Changes of pods gather for so long before a budget is decided again; longer, the more pods it has."""
BATCH_PER_PODS = 200
"""The pause doubles with so many pods, trebles with twice as many..."""
LAG_S = 0.1
"""A view that is older than it must be has so long to catch up."""


class Memory(msgspec.Struct, gc=False):
    """What is remembered of one budget: the pods that it selects, the workloads it was decided by, what was told last."""

    selector: Selector
    pods: dict[str, Pod] = {}
    asked: dict[str, None] = {}
    told: tuple[Telling, ...] = ()


class DisruptionController(ScopedController):
    """The actor around `decision`. Keys are budgets."""

    primary_resource = BUDGETS

    def __init__(self, port: Port, client: ClientSettings) -> None:
        super().__init__(port, client)
        self._selectors = SelectorIndex()
        self._of_all: dict[str, dict[str, None]] = {}
        self._memories: dict[str, Memory] = {}
        self._asked_by: dict[str, dict[str, None]] = {}
        self._definitions: Informer | None = None
        self._too_early = False

    # -- what is watched ----------------------------------------------------------------------------------------------------------------

    def _watch(self, namespace: str, budget: GenericObject) -> None:
        """See to it that what this budget is decided by is watched."""
        self.view(namespace, PODS, partial(self._pod_changed, namespace), {"labels": _label_pairs})
        for resource in WORKLOADS if needs_scale(budget) else ():
            self.view(namespace, resource, self._workload_changed)

    def first_shown(self, informer: Informer) -> None:
        """See `ScopedController`."""
        if informer is self._definitions:
            self._mark_askers(DEFINITIONS)
            return
        for key in self.own_of(informer.selection["namespace"]):
            self.mark(key)

    # -- what concerns whom -------------------------------------------------------------------------------------------------------------

    def primary_changed(self, key: str, old: GenericObject | None, new: GenericObject | None) -> None:
        """See `ScopedController`."""
        one = new or old
        assert one is not None
        namespace = one.metadata.namespace
        if new is None:
            self._forget(key, namespace)
            if not self.own_of(namespace):
                self.stop_views(namespace)
            return
        self._watch(namespace, new)
        if old is None or spec_of(old).get("selector") != spec_of(new).get("selector"):
            self._forget(key, namespace)
            self._remember(key, namespace, new)
        self.mark(key)

    def _forget(self, key: str, namespace: str) -> None:
        self._selectors.drop(key)
        self._of_all.get(namespace, {}).pop(key, None)
        if not self._of_all.get(namespace, True):
            del self._of_all[namespace]
        memory = self._memories.pop(key, None)
        if memory is not None:
            self._ask_no_more(key, memory)

    def _remember(self, key: str, namespace: str, budget: GenericObject) -> None:
        """File the selector of a budget that is new or has another, and find its pods."""
        try:
            selector = selector_of_budget(budget)
        except (msgspec.ValidationError, ValueError) as problem:  # that budget's fault: it selects nothing
            self.port.log.error("budget can't be read", key=key, problem=str(problem))
            selector = NOTHING
        memory = self._memories[key] = Memory(selector)
        if selector.empty:
            self._of_all.setdefault(namespace, {})[key] = None
        else:
            self._selectors.put(key, namespace, selector)
        pods = self.views[namespace][PODS]
        if selector.pairs:
            candidates = min((pods.by("labels", f"{name}={value}") for name, value in selector.pairs), key=len)
        else:
            candidates = pods.objects
        memory.pods.update((name, pod) for name, pod in candidates.items() if selector.matches(pod.metadata.labels))

    def _matching(self, namespace: str, pod: Pod) -> dict[str, None]:
        """Keys of the budgets that select a pod."""
        found = dict.fromkeys(self._selectors.matching(namespace, pod.metadata.labels))
        found.update(self._of_all.get(namespace, {}))
        return found

    def _pod_changed(self, namespace: str, key: str, old: Pod | None, new: Pod | None) -> None:
        after = self._matching(namespace, new) if new is not None else {}
        if old is not None and (new is None or old.metadata.labels != new.metadata.labels):
            for budget in self._matching(namespace, old):
                if budget not in after and self._memories[budget].pods.pop(key, None) is not None:
                    self._look_soon(budget)
        if new is None or not after:
            return
        same = old is not None and _standing(old) == _standing(new)
        for budget in after:
            pods = self._memories[budget].pods
            if key not in pods or not same:
                self._look_soon(budget)
            pods[key] = new
        if len(after) > 1 and not same and self.leads:
            meta, chosen = new.metadata, next(iter(after)).rpartition("/")[2]
            words = f'Pod "{meta.namespace}"/"{meta.name}" matches multiple PodDisruptionBudgets.  Chose "{chosen}" arbitrarily.'
            self.tell_user(new, PODS, "Warning", "MultiplePodDisruptionBudgets", words)

    def _look_soon(self, key: str) -> None:
        self.mark_after(key, BATCH_S * (1 + len(self._memories[key].pods) / BATCH_PER_PODS))

    def _workload_changed(self, key: str, old: Any, new: Any) -> None:
        if old is None or new is None or isinstance(new, GenericObject) or _scaling(old) != _scaling(new):
            self._mark_askers(key)

    def _definition_changed(self, _key: str, old: CustomResourceDefinition | None, new: CustomResourceDefinition | None) -> None:
        if new is None and old is not None:  # nothing of this kind can be listed any more
            for namespace in self.views:
                self.stop_view(namespace, old.metadata.name)
        self._mark_askers(DEFINITIONS)

    def _mark_askers(self, place: str) -> None:
        for budget in self._asked_by.get(place, {}):
            self.mark(budget)

    # -- decisions ------------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        budget, memory = self.primary.objects.get(key), self._memories.get(key)
        if budget is None or memory is None:
            return ()
        meta = budget.metadata
        views = self.views[meta.namespace]
        if not all(view.synced for view in views.values()):
            return ()  # the first list of the last of them calls again
        late = [view for view in views.values() if view.revision < self.acquired]
        for view in late:
            view.catch_up(self.acquired)
        if late:
            return (act.LookAgain(after_s=LAG_S),)
        self._ask_no_more(key, memory)
        pods = views[PODS]
        current = pods.revision >= int(meta.resource_version)
        self._too_early = False
        find, define = partial(self._find, key, memory, meta.namespace), partial(self._define, key, memory)
        verdict = decide(budget, memory.pods, find, define, self.port.now(), current)
        if self._too_early:
            return ()  # the first list of what was asked for calls again
        wanted: list[act.Action] = [_tell(budget, one) for one in verdict.tellings if one not in memory.told]
        memory.told = verdict.tellings
        if verdict.again_s is not None:
            wanted.append(act.LookAgain(after_s=verdict.again_s))
        if verdict.doubtful:
            pods.catch_up(int(meta.resource_version))
            wanted.append(act.LookAgain(after_s=LAG_S))
        if verdict.status != status_of(budget):
            named = {"resource": BUDGETS, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
            wanted.append(act.SetStatus(**named, status=verdict.status, resource_version=int(meta.resource_version)))
        return tuple(wanted)

    def _find(self, key: str, memory: Memory, namespace: str, resource: str, name: str) -> Any:
        """A workload; a budget that asked for it is decided again when it changes, comes or goes."""
        place = object_key(resource, namespace, name)
        self._ask(key, memory, place)
        view = self.view(namespace, resource, self._workload_changed)
        self._too_early |= not view.synced
        return view.objects.get(place)

    def _define(self, key: str, memory: Memory, api_version: str, kind: str) -> CustomResourceDefinition | None:
        """Who declares a kind. Definitions are watched from the first time that a budget has pods of a kind which isn't built in."""
        self._ask(key, memory, DEFINITIONS)
        if self._definitions is None:
            self._definitions = self.inform(DEFINITIONS, self._definition_changed)
            self._definitions.add_index("kind", lambda one: tuple(f"{each.api_version}/{each.kind}" for each in resources_of(one)))
            self._definitions.start()
        self._too_early |= not self._definitions.synced
        return next(iter(self._definitions.by("kind", f"{api_version}/{kind}").values()), None)

    def _ask(self, key: str, memory: Memory, place: str) -> None:
        memory.asked[place] = None
        self._asked_by.setdefault(place, {})[key] = None

    def _ask_no_more(self, key: str, memory: Memory) -> None:
        for place in memory.asked:
            askers = self._asked_by[place]
            askers.pop(key, None)
            if not askers:
                del self._asked_by[place]
        memory.asked.clear()


def _label_pairs(pod: Pod) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in pod.metadata.labels.items())


def _standing(pod: Pod) -> tuple[bool, bool, str]:
    """What of a pod matters to its budgets."""
    owner = controller_of(pod)
    return is_ready(pod), is_terminating(pod), owner.uid if owner is not None else ""


def _scaling(workload: Any) -> tuple[int, str]:
    """What of a built-in workload matters to budgets."""
    owner = controller_of(workload)
    return replicas_of(workload), owner.uid if owner is not None else ""


def _tell(budget: GenericObject, one: Telling) -> act.TellUser:
    resource, obj = (PODS, one.pod) if one.pod is not None else (BUDGETS, budget)
    return act.TellUser(resource=resource, obj=obj, type=one.type, reason=one.reason, message=one.message)
