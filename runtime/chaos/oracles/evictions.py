"""What oracles hold of pods that must leave their node, and of nodes that are given up: the node lifecycle controller's promises."""

from __future__ import annotations

from typing import Any

from callboard.models.messages.api import DeleteObject, Listed, WatchBatch, object_key
from callboard.models.messages.store import StoreEvent
from callboard.models.podstatus import condition_is
from callboard.models.taints import NOT_READY, UNREACHABLE, tolerates
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong

NEWS_IS_OLD_S = 20.0
"""What happened so long ago is known to everybody: the longest silence of a stream, a restart and a back-off."""
SILENCE = (NOT_READY, UNREACHABLE)
CONTROLLER = "controller/nodelifecycle"


def _leaving(message: Any, sender: str, world: World) -> Any:
    """The pod that the node lifecycle controller wants to be rid of by this message, as it is stored; None if that is nobody."""
    if message.resource != "pods" or not sender.startswith(CONTROLLER):
        return None
    pod = world.objects.get(object_key("pods", message.namespace, message.name))
    if pod is None or pod.metadata.uid != message.uid or pod.metadata.deletion_timestamp or not pod.spec.node_name:
        return None
    return pod


def _evicting(node: Any) -> tuple[Any, ...]:
    return tuple(one for one in node.spec.taints if one.effect == "NoExecute") if node is not None and node.spec is not None else ()


class NobodyIsEvictedInTheDark(Oracle):
    """While all nodes are said to be silent nobody is evicted for it: it is likelier that those who listen are cut off (k8s#28832,
    k8s#24200). What was under way a moment before is not judged, and other taints go on to count."""

    name = "nobody is evicted in the dark"
    hears = (DeleteObject,)

    def __init__(self) -> None:
        self._dark_since_s: float | None = None
        self._other_s: dict[str, float] = {}
        """When a node was last seen with a taint that has nothing to do with silence."""

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith("nodes//"):
            for node in filter(None, (event.obj, event.old)):
                if _is_tainted(node):
                    self._other_s[node.metadata.name] = world.now
            nodes = [obj for key, obj in world.objects.items() if key.startswith("nodes//")]
            dark = bool(nodes) and all(condition_is(one, "Ready", "Unknown") for one in nodes)
            if not dark:
                self._dark_since_s = None
            elif self._dark_since_s is None:
                self._dark_since_s = world.now
        return None

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        pod = _leaving(message, sender, world)
        if pod is None or self._dark_since_s is None:
            return None
        node = world.objects.get(object_key("nodes", "", pod.spec.node_name))
        if node is None or _is_tainted(node) or world.now - self._other_s.get(pod.spec.node_name, -1e9) < NEWS_IS_OLD_S:
            return None
        if world.now - self._dark_since_s <= 2 * world.timing.node_monitor_s + 1.0:
            return None
        return Wrong(
            f"pods/{message.namespace}/{message.name}",
            f"it is evicted, and all nodes have been silent for {world.now - self._dark_since_s:.1f} s",
        )


def _is_tainted(node: Any) -> bool:
    """Whether pods have to leave a node for another reason than its silence."""
    return any(one.effect == "NoExecute" and one.key not in SILENCE for one in node.spec.taints or ())


class EvictionsAreDue(Oracle):
    """The node lifecycle controller deletes a pod only if its node has, or had a moment ago, a taint that the pod does not tolerate any
    more, or is gone (k8s#119862, k8s#28832)."""

    name = "evictions are due"
    hears = (DeleteObject,)

    def __init__(self) -> None:
        self._tainted: dict[str, float] = {}
        self._asked: dict[str, float] = {}

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if event.key.startswith("nodes//"):
            old, name = event.old, event.key.removeprefix("nodes//")
            if event.obj is None or (
                old is not None and old.spec is not None and any(one.effect == "NoExecute" for one in old.spec.taints)
            ):
                self._tainted[name] = world.now
        return None

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        pod = _leaving(message, sender, world)
        if pod is None:
            return None
        node = world.objects.get(object_key("nodes", "", pod.spec.node_name))
        if node is None or world.now - self._tainted.get(pod.spec.node_name, -1e9) < NEWS_IS_OLD_S:
            return None
        taints = _evicting(node)
        if not taints or all(
            any(tolerates(one, taint) and one.toleration_seconds is None for one in pod.spec.tolerations) for taint in taints
        ):
            key = object_key("pods", message.namespace, message.name)
            return Wrong(key, f"it is evicted from {pod.spec.node_name}, which has no taint that it does not tolerate")
        return None


class LivingNodesKeepTheirPods(Oracle):
    """No pod is evicted from a node whose machine is up, whose kubelet runs and whom nothing cuts off, nor while most nodes are silent
    (k8s#6193, k8s#28832). Faults of clocks, links, apiservers or the store make no node lost."""

    name = "living nodes keep their pods"

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        if not event.key.startswith("nodes//") or event.obj is None or event.obj.spec is None:
            return None
        name = event.key.removeprefix("nodes//")
        new = {one.key for one in event.obj.spec.taints if one.effect == "NoExecute"}
        old = (
            {one.key for one in event.old.spec.taints if one.effect == "NoExecute"}
            if event.old is not None and event.old.spec is not None
            else set()
        )
        if UNREACHABLE in new - old and not world.troubled(name):
            return Wrong(event.key, "it is tainted as unreachable, and nothing has been wrong with it")
        return None


class EvictionsWaitTheirTime(Oracle):
    """A pod that tolerates a taint for a while is not evicted before that has passed since its controller was told of the taint, after it
    had been told of the node without any, and since the pod was made: a time that ran before it, for an earlier taint or for another pod
    of its name, is none of its own (k8s#90794, k8s#107543). Nothing is judged once a clock has jumped."""

    name = "evictions wait their time"
    hears = (DeleteObject, WatchBatch, Listed)

    def __init__(self) -> None:
        self._told_s: dict[tuple[str, str], float] = {}
        """By incarnation of the controller and node: since when its view shows evicting taints; 0 if it never showed the node without."""
        self._made_s: dict[str, float] = {}
        self._clocks = False

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        self._clocks = self._clocks or "ClockJump" in world.active_faults
        if event.key.startswith("pods/") and event.obj is not None:
            self._made_s.setdefault(event.obj.metadata.uid, world.now)
        return None

    def delivered(self, sender: str, receiver: str, message: Any, world: World) -> Wrong | None:
        if isinstance(message, DeleteObject):
            return self._judge(sender, message, world)
        if receiver.startswith(CONTROLLER):
            self._look(receiver, world)
        return None

    def _look(self, receiver: str, world: World) -> None:
        controller = world.component(receiver.partition("#")[0])
        view = next((one for one in controller.informers if one.resource == "nodes"), None) if controller is not None else None
        if view is None or not view.synced:
            return
        for key, node in view.objects.items():
            place = (receiver, key)
            if not _evicting(node):
                self._told_s[place] = -1.0
            elif self._told_s.setdefault(place, 0.0) < 0.0:
                self._told_s[place] = world.now

    def _judge(self, sender: str, message: Any, world: World) -> Wrong | None:
        pod, controller = _leaving(message, sender, world), world.component(sender.partition("#")[0])
        if pod is None or controller is None or self._clocks or message.id not in controller._pending:
            return None
        place = object_key("nodes", "", pod.spec.node_name)
        taints = _evicting(world.objects.get(place))
        limits = [limit for limit in (_patience_s(pod, taint) for taint in taints) if limit is not None]
        if not limits:
            return None  # `EvictionsAreDue` knows more about that
        sent_s = controller._pending[message.id][0] - controller.settings.request_timeout_s
        since_s = max(self._told_s.get((sender, place), 0.0), self._made_s.get(pod.metadata.uid, 0.0))
        if since_s > sent_s or sent_s >= since_s + min(limits) - 0.001:
            return None
        return Wrong(
            f"pods/{message.namespace}/{message.name}",
            f"it is evicted from {pod.spec.node_name} {sent_s - since_s:.2f} s after it had to be known, and may stay {min(limits):g} s",
        )


def _patience_s(pod: Any, taint: Any) -> float | None:
    """How long a pod may stay where this taint is; None: for ever."""
    covering = next((one for one in pod.spec.tolerations if tolerates(one, taint)), None)
    if covering is None:
        return 0.0
    return None if covering.toleration_seconds is None else max(0.0, float(covering.toleration_seconds))


ORACLES: tuple[type[Oracle], ...] = (NobodyIsEvictedInTheDark, EvictionsAreDue, LivingNodesKeepTheirPods, EvictionsWaitTheirTime)
