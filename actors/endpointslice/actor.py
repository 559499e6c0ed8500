"""The EndpointSlice controller: which Services an event concerns, and what each pod contributes to them.

What a pod contributes is worked out once per change of the pod. A decision then compares a whole Service, whose cost grows with its
endpoints; so a Service that was written rests for a moment, longer the bigger it is, and all changes of that moment make one decision.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.component import Port
from callboard.actors.controller import Controller
from callboard.actors.endpointslice.decision import MANAGED_BY, MANAGER, RESOURCE, SERVICE_NAME, View, decide, index_of
from callboard.actors.endpointslice.endpoints import Placed, Ports, address_of, placed, selects
from callboard.actors.informer import ClientSettings
from callboard.actors.matching import SelectorIndex
from callboard.models.api.core import Pod, Service
from callboard.models.api.discovery import EndpointSlice
from callboard.models.messages.api import Refused, Written, object_key
from callboard.models.owners import controller_of
from callboard.models.selectors import Selector, selector_of_map

SERVICES = "services"
REST_PER_ENDPOINTS = 200
"""The rest of a Service doubles with so many endpoints, trebles with twice as many..."""
_NOT_INDEXED = ("pod-template-hash", "controller-revision-hash")


class Memory(msgspec.Struct, gc=False):
    """What is remembered of one Service, by its key: its UID, what its pods contribute, the names of its slices, its rest."""

    uid: str
    selector: Selector
    wanted: dict[str, Placed] = {}
    ports: dict[Ports, Ports] = {}
    highest_index: int = -1
    lost_indices: dict[int, None] = {}
    rests_until_s: float = 0.0
    rest_s: float = 0.0


class EndpointSliceController(Controller):
    """Keys are Services."""

    primary_resource = SERVICES

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self._selectors = SelectorIndex()
        self._memories: dict[str, Memory] = {}
        self.services = self.inform(SERVICES, self._service_changed)
        self.slices = self.inform(RESOURCE, self._slice_changed)
        self.slices.add_index("service", _service_of)
        self.pods = self.inform("pods", self._pod_changed)
        self.pods.add_index("labels", _label_pairs)

    # -- what concerns whom ---------------------------------------------------------------------------------------------------------

    def _service_changed(self, key: str, old: Service | None, new: Service | None) -> None:
        if new is None or not selects(new):
            self._selectors.drop(key)
            self._memories.pop(key, None)
            return
        memory = self._memories.get(key)
        if memory is None or memory.uid != new.metadata.uid:
            memory = self._memories[key] = self._first_memory(key, new)
            old = None
        if old is None or old.spec != new.spec:
            memory.selector = selector_of_map(new.spec.selector) if new.spec is not None else Selector()
            self._selectors.put(key, new.metadata.namespace, memory.selector)
            self._place_all(new, memory)
        self.mark(key)

    def _first_memory(self, key: str, service: Service) -> Memory:
        memory = Memory(service.metadata.uid, Selector())
        for piece in self.slices.by("service", key).values():
            memory.highest_index = max(memory.highest_index, index_of(piece.metadata.name, service.metadata.name, memory.uid))
        return memory

    def _place_all(self, service: Service, memory: Memory) -> None:
        """What every pod contributes to a Service that is new or has changed."""
        memory.wanted.clear()
        memory.ports.clear()
        namespace = service.metadata.namespace
        pairs = [pair for pair in memory.selector.pairs if pair[0] not in _NOT_INDEXED]
        if pairs:
            candidates = min((self.pods.by("labels", f"{namespace}/{key}={value}") for key, value in pairs), key=len)
        else:
            candidates = {key: pod for key, pod in self.pods.objects.items() if pod.metadata.namespace == namespace}
        for key, pod in candidates.items():
            if memory.selector.matches(pod.metadata.labels):
                self._place(service, memory, key, pod)

    def _place(self, service: Service, memory: Memory, key: str, pod: Pod | None) -> bool:
        """Take in what a pod contributes (None: nothing); tells whether that is a change."""
        new = placed(service, pod) if pod is not None else None
        if new is None:
            return memory.wanted.pop(key, None) is not None
        if memory.wanted.get(key) == new:
            return False
        memory.wanted[key] = Placed(memory.ports.setdefault(new.ports, new.ports), new.endpoint)
        return True

    def _pod_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        before = old if old is not None and address_of(old) else None
        after = new if new is not None and address_of(new) else None
        if before is None and after is None:
            return  # it contributes to nothing, whatever it is
        owners: dict[str, bool] = {}
        if before is not None:
            owners.update(dict.fromkeys(self._selectors.matching(before.metadata.namespace, before.metadata.labels), False))
        if after is not None:
            owners.update(dict.fromkeys(self._selectors.matching(after.metadata.namespace, after.metadata.labels), True))
        for service_key, matches in owners.items():
            service, memory = self.services.objects.get(service_key), self._memories.get(service_key)
            if service is not None and memory is not None and self._place(service, memory, key, after if matches else None):
                self.mark(service_key)

    def _slice_changed(self, _key: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for piece in (old, new):
            for service_key in _service_of(piece) if piece is not None else ():
                memory = self._memories.get(service_key)
                if memory is None or piece is None:
                    continue
                if new is None:
                    self.taken(service_key, self.slices)
                index = index_of(piece.metadata.name, piece.metadata.labels[SERVICE_NAME], memory.uid)
                self._seen(memory, index)
                self.mark(service_key)

    @staticmethod
    def _seen(memory: Memory, index: int) -> None:
        memory.highest_index = max(memory.highest_index, index)
        memory.lost_indices.pop(index, None)

    # -- decisions ------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        service, memory = self.services.objects.get(key), self._memories.get(key)
        if service is None or memory is None:
            return ()
        now = self.port.now()
        left_s = memory.rests_until_s - now
        if 0 < left_s <= memory.rest_s:  # a longer rest means that the clock was set back
            return (act.LookAgain(after_s=left_s),)
        view = View(
            service=service,
            slices=tuple(self.slices.by("service", key).values()),
            wanted=memory.wanted,
            highest_index=memory.highest_index,
            lost_indices=tuple(memory.lost_indices),
        )
        wanted = decide(view)
        if wanted:
            memory.rest_s = self.settings.endpoint_batch_s * (1 + len(memory.wanted) / REST_PER_ENDPOINTS)
            memory.rests_until_s = now + memory.rest_s
        return wanted

    # -- what came of them ------------------------------------------------------------------------------------------------------------

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        index, memory = self._of_created(key, action)
        if memory is not None:
            self._seen(memory, index)

    def lost(self, key: str, action: act.Action) -> None:
        index, memory = self._of_created(key, action)
        if memory is not None:
            memory.lost_indices[index] = None

    def refused(self, key: str, action: act.Action, answer: Refused) -> None:
        index, memory = self._of_created(key, action)
        if memory is not None and answer.reason == "AlreadyExists":
            self._seen(memory, index)  # somebody else's slice has this name: the next try takes another

    def _of_created(self, key: str, action: act.Action) -> tuple[int, Memory | None]:
        """Index and memory of a slice that was to be created for a Service that is still the same."""
        memory = self._memories.get(key)
        owner = controller_of(action.obj) if isinstance(action, act.Create) else None
        if memory is None or owner is None or owner.uid != memory.uid or not isinstance(action, act.Create):
            return -1, None
        return index_of(action.obj.metadata.name, owner.name, owner.uid), memory


def _service_of(piece: EndpointSlice) -> tuple[str, ...]:
    """Key of the Service whose slice this is, if this controller manages it."""
    meta = piece.metadata
    name = meta.labels.get(SERVICE_NAME, "")
    return (object_key(SERVICES, meta.namespace, name),) if name and meta.labels.get(MANAGED_BY) == MANAGER else ()


def _label_pairs(pod: Any) -> tuple[str, ...]:
    """What a Service may look for among the labels of a pod: `namespace/key=value`."""
    meta = pod.metadata
    return tuple(f"{meta.namespace}/{key}={value}" for key, value in meta.labels.items() if key not in _NOT_INDEXED)
