"""The node lifecycle controller: finds lost nodes, taints them, takes their pods out of service and evicts them; collects stray pods.

Talks to the apiserver: informers on nodes, node leases and pods. Keys are nodes, present or absent. Before it acts on silence, on a taint
or on the absence of a node it reads the newest Lease or Node, so that its own late caches evict nobody; a deletion of a pod always
carries its UID, and pods of an unreachable node are never deleted by force.
"""

from __future__ import annotations

from typing import Any

from callboard.actors import actions as act
from callboard.actors.component import Port, handles
from callboard.actors.controller import Controller
from callboard.actors.informer import ClientSettings, Informer
from callboard.actors.nodelifecycle import leaving
from callboard.actors.nodelifecycle.conditions import (
    evicting_taints,
    heartbeat,
    lost_taint,
    readiness,
    with_taints,
    with_unknown,
)
from callboard.actors.nodelifecycle.eviction import (
    CLOCK_ERROR_S,
    EvictionBook,
    TokenBucket,
    passed_before_s,
    zone_rate,
    zone_state,
)
from callboard.actors.nodelifecycle.health import HealthBook
from callboard.actors.nodelifecycle.pods import PodBook, node_of
from callboard.actors.nodelifecycle.turns import CollectPods, LeaseRead, MonitorNodes, NodeRead, TimeIsUp
from callboard.models.api.coordination import Lease
from callboard.models.api.core import Node, Pod
from callboard.models.messages.api import GetObject, Got, Listed, Refused, Written, object_key
from callboard.models.podstatus import is_finished, is_ready, is_terminating
from callboard.models.timing import Timing

LEASE_NAMESPACE = "kube-node-lease"
LEASES = "leases.coordination.k8s.io"
HEARTBEATS_MISSED_LIMIT = 2.5
"""Blind after so many of the apiserver's heartbeats were missed on the stream of leases."""
FAR_S = 1e9
ZONE_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


def node_key(name: str) -> str:
    """The key of a node."""
    return object_key("nodes", "", name)


class NodeLifecycleController(Controller):
    """The actor around `health`, `conditions`, `eviction`, `leaving` and `pods`."""

    primary_resource = "nodes"

    def __init__(self, port: Port, client: ClientSettings, timing: Timing) -> None:
        super().__init__(port, client)
        self.timing = timing
        self.nodes = self.inform("nodes", self._node_changed)
        self.leases = self.inform(LEASES, self._lease_changed, namespace=LEASE_NAMESPACE)
        self.pods = self.inform("pods", self._pod_changed)
        self.health = HealthBook(timing.node_monitor_s, timing.node_grace_s)
        self.book = PodBook()
        self.evictions = EvictionBook()
        self.all_lost = False
        self._leases_heard_s = port.now()
        self._granted: dict[str, None] = {}
        self._buckets: dict[str, TokenBucket] = {}
        self._reading: dict[str, None] = {}
        self._fresh: dict[str, tuple[int, Node | None]] = {}
        self._wakes: dict[str, None] = {}
        """Nodes whose next eviction has a timer."""
        self._marked: dict[str, dict[str, None]] = {}
        self._absent_since: dict[str, float] = {}
        self._ticks = 0

    def on_start(self) -> None:
        super().on_start()
        self.port.after(self.timing.node_monitor_s, MonitorNodes(), periodic=True)
        self.port.after(self.timing.pod_gc_period_s, CollectPods(), periodic=True)

    # -- what the informers say -------------------------------------------------------------------------------------------------------

    def _node_changed(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self.health.gone(old.metadata.name)
            self._granted.pop(old.metadata.uid, None)
            self._marked.pop(old.metadata.uid, None)
            return
        name = new.metadata.name
        self.health.node_seen(name, new.metadata.uid)
        if old is not None and heartbeat(old) != heartbeat(new):
            self.health.heard(name)
        if readiness(new) == "True":
            self._granted.pop(new.metadata.uid, None)
            self._marked.pop(new.metadata.uid, None)
        self._absent_since.pop(name, None)
        self.mark(key)
        if evicting_taints(new):
            if self._ticks:
                self._look_for_evictions(new)
        elif old is not None and evicting_taints(old):
            self._forget_evictions(name)

    def _lease_changed(self, _key: str, old: Lease | None, new: Lease | None) -> None:
        if new is not None and _renew_time(old) != _renew_time(new):
            self.health.heard(new.metadata.name)

    def _pod_changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        self.book.changed(key, old, new)
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self.evictions.forget(old.metadata.uid)
        if new is None or new.spec is None or not new.spec.node_name:
            return
        node = self.nodes.objects.get(node_key(new.spec.node_name))
        if node is None:
            return
        if readiness(node) != "True":
            self.mark(node_key(new.spec.node_name))
        if self._ticks and evicting_taints(node) and (old is None or node_of(old) != node_of(new)):
            self._look_for_evictions(node)

    def caught_up(self, informer: Informer) -> None:
        if informer is self.leases:
            self._leases_heard_s = self.port.now()
        super().caught_up(informer)

    # -- ticks ------------------------------------------------------------------------------------------------------------------------

    @handles(MonitorNodes)
    def _monitor(self, _: MonitorNodes) -> None:
        self.port.after(self.timing.node_monitor_s, MonitorNodes(), periodic=True)
        now = self.port.now()
        if not self.synced:
            return
        blind = self._is_blind()
        self.health.advance(now, blind=blind)
        self._ticks += 1
        self._fresh.clear()
        if blind:
            return
        self._judge_zones()
        for key, node in self.nodes.objects.items():
            name = node.metadata.name
            if self.health.silent(name) and readiness(node) != "Unknown":
                self._confirm_silence(node)
            if self.health.lost(name) or readiness(node) != "True":
                self.mark(key)
            if evicting_taints(node):
                self._look_for_evictions(node)

    def _forget_evictions(self, name: str) -> None:
        for pod in self.book.on(name).values():
            self.evictions.forget(pod.metadata.uid)

    def _judge_zones(self) -> None:
        zones: dict[str, list[Node]] = {}
        for node in self.nodes.objects.values():
            zones.setdefault("/".join(node.metadata.labels.get(label, "") for label in ZONE_LABELS), []).append(node)
        states = {}
        for zone, nodes in zones.items():
            ready = sum(1 for node in nodes if readiness(node) == "True")
            states[zone] = zone_state(ready, len(nodes) - ready)
        were_lost = self.all_lost
        self.all_lost = bool(states) and all(state == "full" for state in states.values())
        if self.all_lost != were_lost:
            self.port.log.warning("all nodes are lost: nobody is evicted" if self.all_lost else "some nodes are back: evictions go on")
            for key in self.nodes.objects:
                self.mark(key)
        if self.all_lost:
            self._granted.clear()
            return
        if were_lost:
            self.health.reset()
        for zone, nodes in zones.items():
            rate = zone_rate(states[zone], len(nodes), self.timing.eviction_rate_per_s, self.timing.eviction_rate_reduced_per_s)
            bucket = self._buckets.setdefault(zone, TokenBucket(self.health.clock_s, self.timing.node_monitor_s))
            for node in nodes:
                self._grant(node, bucket, rate)

    def _grant(self, node: Node, bucket: TokenBucket, rate: float) -> None:
        """Let a lost node be tainted for eviction if its zone's rate allows; one that is tainted already stays so."""
        uid = node.metadata.uid
        key = lost_taint(node)
        if not key or uid in self._granted:
            return
        tainted = any(taint.key == key for taint in evicting_taints(node))
        if tainted or bucket.take(self.health.clock_s, rate):
            self._granted[uid] = None
            self.mark(node_key(node.metadata.name))

    def _confirm_silence(self, node: Node) -> None:
        name = node.metadata.name
        if self.health.lost(name) or f"lease {name}" in self._reading:
            return
        self._reading[f"lease {name}"] = None
        lease = self.leases.get(LEASE_NAMESPACE, name)
        context = LeaseRead(name, node.metadata.uid, _renew_time(lease))
        self.call(GetObject, context, resource=LEASES, namespace=LEASE_NAMESPACE, name=name)

    def _look_for_evictions(self, node: Node) -> None:
        """Read the node anew if a pod's time on it is over, and look again when the next one's will be, if that is before the next tick.
        Nobody is evicted for our own taints while all nodes are lost."""
        key = node_key(node.metadata.name)
        left = [left_s for _, left_s in self._staying(node, start=True)]
        if any(left_s <= CLOCK_ERROR_S for left_s in left):
            if key in self._fresh:
                self.mark(key)
            else:
                self._read_node(key)
        next_s = min((left_s for left_s in left if left_s > CLOCK_ERROR_S), default=FAR_S)
        if next_s < self.timing.node_monitor_s and key not in self._wakes:
            self._wakes[key] = None
            self.port.after(next_s, TimeIsUp(key))

    @handles(TimeIsUp)
    def _time_is_up(self, timer: TimeIsUp) -> None:
        self._wakes.pop(timer.key, None)
        node = self.nodes.objects.get(timer.key)
        if node is not None and self.synced and not self._is_blind():
            self._fresh.pop(timer.key, None)
            self._look_for_evictions(node)

    def _is_blind(self) -> bool:
        return self.port.now() - self._leases_heard_s > HEARTBEATS_MISSED_LIMIT * self.timing.watch_heartbeat_s

    def _staying(self, node: Node, *, start: bool = False) -> list[tuple[Pod, float]]:
        """The pods that must leave a node some time, and how long they may still stay. Only what the view shows may `start` a pod's time:
        taints that were read may be gone again, and nobody would forget the time."""
        taints = evicting_taints(node)
        key = lost_taint(node)
        taints = tuple(one for one in taints if not _is_ours(one.key) or (one.key == key and not self.all_lost))
        if not taints:
            return []
        first = start and self._ticks <= 1
        now = self.port.now()
        clock_s = self.health.reading_s(now)
        found = []
        for pod in self.book.on(node.metadata.name).values():
            if start:
                self.evictions.start(pod, clock_s - (passed_before_s(pod, taints, now) if first else 0.0))
            left_s = self.evictions.left_s(pod, taints, clock_s)
            if left_s is not None and not is_finished(pod):
                found.append((pod, left_s))
        return found

    def _due(self, node: Node) -> list[Pod]:
        return [pod for pod, left_s in self._staying(node) if left_s <= CLOCK_ERROR_S]

    def _read_node(self, key: str) -> None:
        if key not in self._reading:
            self._reading[key] = None
            self.call(GetObject, NodeRead(key), resource="nodes", namespace="", name=key.split("/", 2)[2])

    @handles(CollectPods)
    def _collect_pods(self, _: CollectPods) -> None:
        self.port.after(self.timing.pod_gc_period_s, CollectPods(), periodic=True)
        if not self.synced or not self._ticks:
            return
        clock_s = self.health.clock_s
        leased = [lease.metadata.name for lease in self.leases.objects.values()]
        names = [name for name in dict.fromkeys((*self.book.nodes(), *leased)) if node_key(name) not in self.nodes.objects]
        self._absent_since = {name: self._absent_since.get(name, clock_s) for name in names}
        for name, since_s in self._absent_since.items():
            if clock_s - since_s >= self.timing.pod_gc_quarantine_s:
                self._read_node(node_key(name))
        abandoned = [node.metadata.name for node in self.nodes.objects.values() if leaving.is_out_of_service(node)]
        terminating = [pod for name in abandoned for pod in self.book.on(name).values() if is_terminating(pod)]
        for pod in (*self.book.surplus(), *self.book.stuck(), *terminating):
            self.mark(object_key("pods", pod.metadata.namespace, pod.metadata.name))

    # -- answers to reads -------------------------------------------------------------------------------------------------------------

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        if isinstance(context, LeaseRead):
            self._lease_read(context, answer)
        elif isinstance(context, NodeRead):
            self._node_read(context, answer)
        else:
            super().answered(context, answer)

    def _lease_read(self, read: LeaseRead, answer: Got | Listed | Written | Refused) -> None:
        self._reading.pop(f"lease {read.name}", None)
        if isinstance(answer, Got) and _renew_time(answer.obj) != read.renew_time:
            self.health.heard(read.name)  # our cache is late, the node is not
        elif isinstance(answer, Got) or (isinstance(answer, Refused) and answer.reason == "NotFound"):
            self.health.confirm_lost(read.name, read.uid)
            self.mark(node_key(read.name))

    def _node_read(self, read: NodeRead, answer: Got | Listed | Written | Refused) -> None:
        self._reading.pop(read.key, None)
        if isinstance(answer, Got):
            self._fresh[read.key] = (self._ticks, answer.obj)
        elif isinstance(answer, Refused) and answer.reason == "NotFound":
            self._fresh[read.key] = (self._ticks, None)
        else:
            return  # the next tick asks again
        self.mark(read.key)

    # -- decisions --------------------------------------------------------------------------------------------------------------------

    def decide(self, key: str) -> tuple[act.Action, ...]:
        resource, _, name = key.split("/", 2)
        if resource == "pods":
            return self._decide_pod(key)
        node = self.nodes.objects.get(key)
        if node is None:
            return self._decide_absent(key, name)
        now = self.port.now()
        meta = node.metadata
        if self.health.lost(name) and readiness(node) != "Unknown":
            status = with_unknown(node, now)
            self.port.log.warning("node lost", node=name)
            return (
                act.SetStatus(
                    resource="nodes", namespace="", name=name, uid=meta.uid, status=status, resource_version=meta.resource_version
                ),
                act.TellUser(
                    resource="nodes",
                    obj=node,
                    type="Normal",
                    reason="NodeNotReady",
                    message=f"Node {name} status is now: NodeNotReady",
                ),
            )
        wanted: list[act.Action] = []
        tainted = with_taints(node, now, may_evict=meta.uid in self._granted)
        if tainted is not node:
            wanted.append(act.Update(resource="nodes", obj=tainted))
        ticks, fresh = self._fresh.get(key, (0, None))
        is_fresh = ticks == self._ticks and fresh is not None and fresh.metadata.uid == meta.uid
        wanted.extend(self._of_pods(node, fresh if is_fresh else None, now))
        return tuple(wanted)

    def _of_pods(self, node: Node, fresh: Node | None, now: float) -> list[act.Action]:
        """Pods leave service, each once while the node is not ready (a kubelet that lives says itself what is so after that), and those
        whose time on a tainted node is over leave it; `fresh` is the node as it was read in this tick."""
        done = self._marked.get(node.metadata.uid, {})
        lost = readiness(node) in ("False", "Unknown")
        here = self.book.on(node.metadata.name).values() if lost else ()
        out = {pod.metadata.uid: pod for pod in here if is_ready(pod) and pod.metadata.uid not in done}
        due = self._due(fresh) if fresh is not None else []
        wanted: list[act.Action] = []
        for pod in due:
            wanted.extend(leaving.evict(pod, now, not_ready=out.pop(pod.metadata.uid, None) is not None))
        return [*(action for pod in out.values() for action in leaving.take_out_of_service(pod, now)), *wanted]

    def _decide_absent(self, key: str, name: str) -> tuple[act.Action, ...]:
        fresh = self._fresh.get(key)
        if fresh is None or fresh[0] != self._ticks or fresh[1] is not None or name not in self._absent_since:
            return ()
        now = self.port.now()
        wanted = [action for pod in self.book.on(name).values() for action in leaving.collect(pod, now, node_gone=True)]
        lease = self.leases.get(LEASE_NAMESPACE, name)
        if lease is not None:
            wanted.append(act.Delete(resource=LEASES, namespace=LEASE_NAMESPACE, name=name, uid=lease.metadata.uid))
        return tuple(wanted)

    def _decide_pod(self, key: str) -> tuple[act.Action, ...]:
        pod = self.pods.objects.get(key)
        if pod is None:
            return ()
        node = self.nodes.objects.get(node_key(node_of(pod)))
        abandoned = node is not None and leaving.is_out_of_service(node)
        stuck = is_terminating(pod) and (not node_of(pod) or abandoned)
        return leaving.collect(pod, self.port.now(), node_gone=False) if stuck or is_finished(pod) else ()

    def wrote(self, key: str, action: act.Action, answer: Written) -> None:
        if isinstance(action, act.SetStatus) and action.resource == "pods":
            self.mark(key)  # the status says why: now it may be deleted
            node = self.nodes.objects.get(key)
            if node is not None and readiness(node) != "True":
                self._marked.setdefault(node.metadata.uid, {})[action.uid] = None


def _renew_time(lease: Lease | None) -> str:
    return lease.spec.renew_time if lease is not None and lease.spec is not None else ""


def _is_ours(key: str) -> bool:
    return key.startswith("node.kubernetes.io/") and key.rsplit("/", 1)[1] in ("not-ready", "unreachable")
