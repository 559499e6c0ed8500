"""What must hold of a world: at every step, and when all faults are over. Truth is taken from the runtimes where the store could lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from callboard import Simulation
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active, is_ready

CONVERGES_WITHIN_S = 150.0
"""Virtual seconds: the longest chain is a supervisor's pause, the grace of a node, a toleration, and a back-off or two."""


def difference(s: Simulation, services: list[Any] | None = None) -> str:
    """What is not as it should be once nothing goes wrong any more; "" if all is well. `services` are those to judge (None: all)."""
    judged = s.list("services") if services is None else services
    return _replicas(s) or _endpoints(s, judged) or _proxies(s, judged) or _containers(s)


def _pods_of(s: Simulation, app: str) -> list[Any]:
    return [pod for pod in s.list("pods", selector=f"app={app}") if is_active(pod)]


def _replicas(s: Simulation) -> str:
    for deployment in s.list("deployments"):
        name, wanted = deployment.metadata.name, deployment.spec.replicas
        pods = _pods_of(s, name)
        ready = [pod for pod in pods if is_ready(pod)]
        if len(pods) != wanted or len(ready) != wanted:
            return f"{name} wants {wanted} pods and has {len(pods)}, {len(ready)} of them ready"
        status = deployment.status
        if status is None:
            return f"nobody has looked at {name} yet"
        counts = (status.replicas or 0, status.ready_replicas or 0, status.available_replicas or 0)
        if counts != (wanted, wanted, wanted) or status.observed_generation != deployment.metadata.generation:
            return f"{name} wants {wanted} pods, its status says {counts}"
    return ""


def ready_addresses(s: Simulation, app: str) -> list[str]:
    """The addresses of an app's pods that are ready, in order."""
    return sorted(pod.status.pod_ip for pod in _pods_of(s, app) if is_ready(pod))


def _endpoints(s: Simulation, services: list[Any]) -> str:
    for service in services:
        name = service.metadata.name
        slices = s.list("endpointslices", selector=f"kubernetes.io/service-name={name}")
        listed = sorted(address for one in slices for end in one.endpoints if end.conditions.ready for address in end.addresses)
        wanted = ready_addresses(s, name)
        if listed != wanted:
            return f"the slices of {name} list {listed}, ready are {wanted}"
    return ""


def _proxies(s: Simulation, services: list[Any]) -> str:
    for node in s.nodes:
        table = s._system.look(f"proxy/{node}").current_table()
        served = {
            entry.service_key.partition("/")[2].partition(":")[0]: sorted(ip for ip, _ in entry.endpoints) for entry in table.services
        }
        for service in services:
            name = service.metadata.name
            if served.get(name, []) != ready_addresses(s, name):
                return f"the proxy of {node} sends {name} to {served.get(name)}, ready are {ready_addresses(s, name)}"
    return ""


def running(s: Simulation) -> Mapping[str, tuple[str, ...]]:
    """Which pods (by UID) each node's runtime really runs a container of; a node whose runtime is down is left out."""
    found = {}
    for node in s.nodes:
        runtime = s._system.look(f"runtime/{node}")
        if runtime is None:  # it is down
            continue
        states = (sandbox.reported("") for sandbox in runtime.sandboxes.values())
        found[node] = tuple(state.pod_uid for state in states if any(one.exited is None for one in state.containers))
    return found


def _containers(s: Simulation) -> str:
    there = {pod.metadata.uid: pod for pod in s.list("pods", namespace="")}
    counts = Counter(uid for uids in running(s).values() for uid in uids)
    for uid, count in counts.items():
        if uid not in there:
            return f"a container of a pod that is gone runs (uid {uid})"
        if count > 1:
            return f"{there[uid].metadata.name} runs on {count} nodes"
    for uid, pod in there.items():
        if is_active(pod) and not counts[uid]:
            return f"{pod.metadata.name} says {pod.status.phase} and nothing of it runs"
    return ""


class Steps:
    """What must hold after every step: a pod never moves, no ReplicaSet ever has more active pods than it was ever asked for, no
    generation goes back and no deletion is taken back."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}
        self._doomed: set[str] = set()
        self._nodes: dict[str, str] = {}
        self._most: dict[str, int] = {}

    def hold(self, s: Simulation) -> bool:
        """Look at everything stored."""
        active: Counter[str] = Counter()
        for obj in (*s.list("replicasets"), *s.list("pods"), *s.list("deployments")):
            self._only_forward(obj.metadata)
        for replicaset in s.list("replicasets"):
            uid = replicaset.metadata.uid
            self._most[uid] = max(self._most.get(uid, 0), replicaset.spec.replicas or 0)
        for pod in s.list("pods"):
            uid, node = pod.metadata.uid, pod.spec.node_name
            if node:
                assert self._nodes.setdefault(uid, node) == node, f"{pod.metadata.name} moved from {self._nodes[uid]} to {node}"
            owner = controller_of(pod)
            if owner is not None and is_active(pod):
                active[owner.uid] += 1
        for uid, count in active.items():
            assert count <= self._most.get(uid, count), f"a ReplicaSet that wanted {self._most[uid]} pods at most has {count}"
        return True

    def _only_forward(self, meta: Any) -> None:
        before = self._generations.get(meta.uid, 0)
        assert meta.generation >= before, f"{meta.name} was of generation {before} and is of generation {meta.generation}"
        self._generations[meta.uid] = meta.generation
        assert meta.deletion_timestamp or meta.uid not in self._doomed, f"the deletion of {meta.name} was taken back"
        if meta.deletion_timestamp:
            self._doomed.add(meta.uid)
