"""Store, apiserver and who works with them: an informer that begins among changes, a ReplicaSet controller with its own writes."""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.actor import ApiServer, ApiServerSettings
from callboard.actors.client import ApiComponent, SweepRequests
from callboard.actors.component import Port, handles
from callboard.actors.informer import ClientSettings
from callboard.actors.replicaset.actor import ReplicaSetController
from callboard.actors.store.actor import Store
from callboard.models.api import apps, core, meta
from callboard.models.base import FrozenMap, replace
from callboard.models.messages import api
from callboard.models.messages.base import Message, Request
from callboard.runtime.chaos.exhaustive.chosen import Scarce, Wish, World

CLIENT = ClientSettings(request_timeout_s=2.0, watch_silence_s=3.0, gap_wait_s=0.1, retry_s=0.05, retry_limit_s=1.0)
CONFIG_MAPS, PODS, REPLICA_SETS = "configmaps", "pods", "replicasets.apps"
OWNER = "web"
EVENTS = api.RecordEvent.__name__
NOBODY = "nobody#1"
"""Who does not care for an answer."""


class Start(Message, frozen=True, gc=False):
    """Begin."""


class ListAgain(Message, frozen=True, gc=False):
    """Throw the stream away and list again."""


class Watcher(ApiComponent):
    """Has one informer, and keeps what that tells of changes."""

    def __init__(self, port: Port, settings: ClientSettings) -> None:
        super().__init__(port, settings)
        self.view = self.inform(CONFIG_MAPS, self._changed)
        self.trouble = ""
        self._told: dict[str, int] = {}

    @handles(Start)
    def _start(self, _: Start) -> None:
        self.start_informers()

    @handles(ListAgain)
    def _list_again(self, _: ListAgain) -> None:
        self.view.relist()

    def _changed(self, key: str, old: Any, new: Any) -> None:
        before, after = (0 if one is None else one.metadata.resource_version for one in (old, new))
        if before != self._told.get(key, 0):
            self.trouble = f"{key} was at {self._told.get(key, 0)}, and is told to have been at {before}"
        elif new is not None and after <= before:
            self.trouble = f"{key} goes from {before} back to {after}"
        self._told[key] = after

    def answered(self, context: Any, answer: Any) -> None:
        """It asks for nothing but lists, which go to the informer."""


def config_map(name: str, value: str) -> core.ConfigMap:
    """A small object."""
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name, namespace="default"), data=FrozenMap({"v": value}))


class ApiWorld(World):
    """A store and an apiserver at rest."""

    def build(self) -> None:
        system = self.system
        machine = system.add_machine("control-plane")
        system.start("store", Store, machine.disk, "")
        system.start("apiserver-0", ApiServer, ApiServerSettings(watch_heartbeat_s=1.0, store_timeout_s=2.0))
        system.run_for(0.5)
        self.settle()

    def settle(self) -> None:
        """Start what is in this world besides."""

    def ask(self, request: type[Request], **fields: Any) -> Any:
        """The answer of the apiserver, before anything is chosen."""
        return self.system.ask("apiserver-0", lambda number, me: request(number, me, **fields), 10.0)

    def stored(self, resource: str) -> dict[str, Any]:
        """What the store holds of a resource, by key."""
        items = self.system.look("store")._keyspace.items
        return {key: obj for key, obj in items.items() if key.startswith(f"{resource}/default/")}


class ListAndWatch(ApiWorld):
    """An informer begins while users make an object and delete another one."""

    claim = "the informer ends with what is stored, and tells each object's changes one after the other and none twice"
    wish = Wish(links=True)
    rest_s = 0.05
    begins: Message = Start()
    changes: tuple[tuple[Any, dict[str, Any]], ...] = (
        (api.CreateObject, {"obj": config_map("a", "1")}),
        (api.DeleteObject, {"namespace": "default", "name": "b"}),
    )

    def settle(self) -> None:
        for name in ("b", "c"):
            self.ask(api.CreateObject, resource=CONFIG_MAPS, obj=config_map(name, "1"))
        self.system.start("watcher", Watcher, CLIENT)
        self.system.run_for(0.1)

    def stir(self) -> None:
        self.system.post("watcher", self.begins)
        for number, (request, fields) in enumerate(self.changes):
            self.system.bring(f"user-{number}", "apiserver-0", request(number, NOBODY, resource=CONFIG_MAPS, **fields))

    def wrong(self) -> str | None:
        return self.system.look("watcher").trouble or None

    def wrong_at_the_end(self) -> str | None:
        watcher, stored = self.system.look("watcher"), self.stored(CONFIG_MAPS)
        if not watcher.view.synced:
            return "the informer has no list"
        shown = {
            key: obj.metadata.resource_version for key, obj in watcher.view.objects.items() if key.startswith(f"{CONFIG_MAPS}/default/")
        }
        kept = {key: obj.metadata.resource_version for key, obj in stored.items()}
        return f"the informer shows {shown}, and stored is {kept}" if shown != kept else None


class LostStream(ListAndWatch):
    """An informer begins while users make an object and delete another one, and a piece of its stream, or its list, gets lost or not."""

    wish = Wish(links=True, losses=Scarce(target="watcher", types=("WatchBatch", "Listed")))
    rest_s = 12.0


class Relist(ListAndWatch):
    """An informer that is up to date lists again while users make an object and delete another one."""

    begins = ListAgain()

    def settle(self) -> None:
        super().settle()
        self.system.post("watcher", Start())
        self.system.run_for(0.1)


class ListAndWatchInLanes(ListAndWatch):
    """An informer begins while users make an object and delete another one."""

    wish = Wish()


class OwnWrites(ApiWorld):
    """Somebody makes a ReplicaSet of two pods, and its controller goes about it."""

    claim = "there are never more pods than the ReplicaSet asks for, and in the end just as many"
    wish = Wish(links=True, unheard=(EVENTS,))
    replicas = 2
    client = CLIENT
    rest_s = 3.0

    def settle(self) -> None:
        self.system.start("controller/replicaset", ReplicaSetController, self.client)
        self.system.run_for(0.2)

    def _owner(self) -> apps.ReplicaSet:
        labels = FrozenMap(app=OWNER)
        template = core.PodTemplateSpec(
            metadata=meta.ObjectMeta(labels=labels), spec=core.PodSpec(containers=(core.Container(name="web", image="web:1"),))
        )
        spec = apps.ReplicaSetSpec(replicas=self.replicas, selector=meta.LabelSelector(match_labels=labels), template=template)
        return apps.ReplicaSet(metadata=meta.ObjectMeta(name=OWNER, namespace="default"), spec=spec)

    def stir(self) -> None:
        self.system.post("apiserver-0", api.CreateObject(1, NOBODY, resource=REPLICA_SETS, obj=self._owner()))

    def wrong(self) -> str | None:
        count = len(self.stored(PODS))
        return f"there are {count} pods, {self.replicas} are asked for" if count > self.replicas else None

    def wrong_at_the_end(self) -> str | None:
        count = len(self.stored(PODS))
        return f"there are {count} pods, {self.replicas} are asked for" if count != self.replicas else None


class LateAnswers(OwnWrites):
    """Somebody makes a ReplicaSet of one pod, and its controller may once give up what it waits for, though that would be answered."""

    replicas = 1
    client = replace(CLIENT, request_timeout_s=0.01)
    """So short that nothing else is due when it is over."""

    wish = Wish(links=True, unheard=(EVENTS,), hasty=Scarce(target="controller/replicaset", types=(SweepRequests.__name__,)))
