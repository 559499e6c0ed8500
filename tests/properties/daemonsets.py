"""Random lives of a DaemonSet: what users do to it and to the nodes, and what goes wrong meanwhile. Used by the properties of DaemonSets.

A life is plain data, so that Hypothesis can shrink it and a test can write one down. `play` lets it happen on virtual time; `hold` judges
every step of it, `unfinished` the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from callboard import Behaviour, NodeSpec, Simulation
from callboard.models.errors import ApiError
from callboard.models.owners import controller_of
from tests.properties.worlds import Fault, begin_fault

AGENT = "daemonset/agent"
ME = "controller/daemonset"
GOOD = "agent:1"
IMAGES = {
    "slow:*": Behaviour(start="0.5s", ready_after="1.5s"),
    "flaky:*": Behaviour(exits=[1, 1], runs_for="3s"),
    "broken:*": Behaviour(ready_after="24h"),
    "*": Behaviour(stops_in="0.3s"),
}
DONE_WITHIN_S = 240.0
NODES = 3


class Life(msgspec.Struct, frozen=True):
    """All that a run depends on. `surge` nodes may have two pods in an update; 0: `unavailable` ones none."""

    seed: int
    apiservers: int
    copies: int
    unavailable: int
    surge: int
    min_ready_s: int
    faults: tuple[Fault, ...]


def manifest(life: Life) -> dict[str, Any]:
    """The DaemonSet as it is applied first: for all nodes but those that say `agent: no`."""
    labels = {"app": "agent"}
    selected = {"matchExpressions": [{"key": "agent", "operator": "NotIn", "values": ["no"]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [selected]}}}
    pod = {"terminationGracePeriodSeconds": 1, "affinity": affinity, "containers": [{"name": "agent", "image": GOOD}]}
    spec = {
        "minReadySeconds": life.min_ready_s,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": labels},
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0 if life.surge else life.unavailable, "maxSurge": life.surge},
        },
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec}


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Three nodes and those that come, up to 4 acts of users within 15 s, and up to 3 faults."""
    apiservers, copies = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    at, long = st.floats(0, 15).map(lambda s: round(s, 2)), st.floats(0.1, 8).map(lambda s: round(s, 2))
    number = st.integers(1, NODES)
    act = st.one_of(
        st.builds(Fault, st.just("image"), at, st.just(0.0), st.sampled_from([GOOD, "agent:2", "slow:1", "flaky:1", "broken:1"])),
        st.builds(
            Fault,
            st.sampled_from(["delete-pod", "fail-pod", "node-comes", "node-goes", "exclude", "include", "taint", "cordon"]),
            at,
            st.just(0.0),
            st.just(""),
            number,
        ),
        st.builds(Fault, st.sampled_from(["undo", "rollout-restart", "apply"]), at),
        st.builds(Fault, st.just("delete"), at, st.just(0.0), st.sampled_from(["Background", "Foreground", "Orphan"])),
    )
    components = st.sampled_from([ME, ME, ME, "scheduler", "controller/nodelifecycle", "kubelet/node-1"])
    servers = st.sampled_from([f"apiserver-{server}" for server in range(apiservers)])
    machines = st.just("node-1")  # the others may be gone
    fault = st.one_of(
        st.builds(Fault, st.just("node-crash"), at, long, machines),
        st.builds(Fault, st.just("node-cut"), at, long.map(lambda s: s * 3), machines),
        st.builds(Fault, st.just("restart"), at, st.just(0.0), st.one_of(components, st.just("store"), servers)),
        st.builds(Fault, st.just("down"), at, long, components),
        st.builds(Fault, st.just("watch-loss"), at, long, components, st.integers(1, 4)),
        st.builds(Fault, st.just("watch-repeat"), at, long, components),
        st.builds(Fault, st.just("answers-lost"), at, long, components, st.integers(1, 4)),
        st.builds(Fault, st.just("slow"), at, long, components, st.integers(1, 1500)),
        st.builds(Fault, st.just("deaf"), at, long, components),
        st.builds(Fault, st.just("lag"), at, long, servers, st.integers(1, 450)),
        st.builds(Fault, st.just("stale-server"), at, long, servers),
        st.builds(Fault, st.just("compact"), at),
    )
    events = (*draw(st.lists(act, min_size=1, max_size=4)), *draw(st.lists(fault, max_size=3)))
    return Life(
        seed=draw(st.integers(0, 2**32 - 1)),
        apiservers=apiservers,
        copies=copies,
        unavailable=draw(st.sampled_from([1, 1, 2, 3])),
        surge=draw(st.sampled_from([0, 0, 1, 2])),
        min_ready_s=draw(st.sampled_from([0, 0, 0, 2])),
        faults=tuple(sorted(events, key=lambda one: one.at_s)),
    )


# -- what users do --------------------------------------------------------------------------------------------------------------------


def _node(act: Fault) -> str:
    return f"node/node-{act.number}"


def _pod(s: Simulation, act: Fault) -> str:
    pods = sorted(pod.metadata.name for pod in s.list("pods"))
    return f"pod/{pods[act.number % len(pods)]}" if pods else "pod/none"


def _roll(s: Simulation, image: str) -> object:
    return s.patch(AGENT, {"spec": {"template": {"spec": {"containers": [{"name": "agent", "image": image}]}}}}, type="strategic")


def _goes(s: Simulation, act: Fault) -> None:
    """A node other than the first leaves the cluster; one that isn't there can't."""
    name = f"node-{act.number + 1}"
    if name in [node.metadata.name for node in s.list("nodes")]:
        s.nodes.remove(name)


def _comes(s: Simulation, act: Fault) -> object:
    name = f"node-{act.number + NODES}"
    return s.nodes.add(name) if name not in [node.metadata.name for node in s.list("nodes")] else None


_ACTS: dict[str, Callable[[Simulation, Fault], object]] = {
    "image": lambda s, act: _roll(s, act.target),
    "delete-pod": lambda s, act: s.delete(_pod(s, act)),
    "fail-pod": lambda s, act: s.patch(_pod(s, act), {"spec": {"activeDeadlineSeconds": 1}}, type="merge"),
    "node-comes": _comes,
    "node-goes": _goes,
    "exclude": lambda s, act: s.patch(_node(act), {"metadata": {"labels": {"agent": "no"}}}, type="merge"),
    "include": lambda s, act: s.patch(_node(act), {"metadata": {"labels": {"agent": None}}}, type="merge"),
    "taint": lambda s, act: s.patch(_node(act), {"spec": {"taints": [{"key": "mine", "effect": "NoExecute"}]}}, type="merge"),
    "cordon": lambda s, act: s.patch(_node(act), {"spec": {"unschedulable": True}}, type="merge"),
    "delete": lambda s, act: s.delete(AGENT, propagation=act.target),  # type: ignore[arg-type]
    "undo": lambda s, act: s.rollout.undo(AGENT),
    "rollout-restart": lambda s, act: s.rollout.restart(AGENT),
}


def _act(s: Simulation, act: Fault, life: Life) -> None:
    try:
        if act.kind == "apply":
            s.apply(manifest(life))
        else:
            _ACTS[act.kind](s, act)
    except ApiError as refusal:  # to delete what isn't there and the like: a user is told so, and nothing happens
        if refusal.code >= 500:
            raise


def play(life: Life) -> Simulation:
    """Run a life until its last act is done and its last fault over, then give it a good template. The caller stops what is returned."""
    nodes = [NodeSpec(name=f"node-{number}", pods=110) for number in range(1, NODES + 1)]
    s = Simulation(nodes=nodes, seed=life.seed, timing="chaos", images=IMAGES, apiservers=life.apiservers, controllers=life.copies)
    try:
        s.invariant(lambda world: hold(world, life))
        s.apply(manifest(life))
        _let_happen(s, life)
        deadline_s = s.now + DONE_WITHIN_S
        while (found := s.list("daemonsets")) and found[0].metadata.deletion_timestamp and s.now < deadline_s:
            s.advance(1.0)
        if not found:
            s.apply(manifest(life))
        _roll(s, GOOD)
    except BaseException:
        s.stop()
        raise
    return s


def _let_happen(s: Simulation, life: Life) -> None:
    began_s = s.now
    due: list[tuple[float, int, Any]] = [(event.at_s, number, event) for number, event in enumerate(life.faults)]
    while due:
        due.sort(key=lambda entry: entry[:2])
        at_s, number, what = due.pop(0)
        if began_s + at_s > s.now:
            s.advance(began_s + at_s - s.now)
        if not isinstance(what, Fault):
            what()
        elif what.kind in _ACTS or what.kind == "apply":
            _act(s, what, life)
        else:
            due.append((at_s + what.for_s, number, begin_fault(s, what)))


# -- judgement ----------------------------------------------------------------------------------------------------------------------


def _target(pod: Any) -> str:
    """The node that a pod is bound or pinned to; read here without the controller's own function, which is under test."""
    if pod.spec.node_name:
        return str(pod.spec.node_name)
    (term,) = pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    return str(term.match_fields[0].values[0])


def hold(s: Simulation, life: Life) -> bool:
    """Judge what is stored: of one DaemonSet, by UID, no node has two pods that are neither going nor ended; in a surge it may have two,
    but not two of one revision."""
    seen: Counter[tuple[str, ...]] = Counter()
    for pod in s.list("pods"):
        owner = controller_of(pod)
        if owner is None or pod.metadata.deletion_timestamp or pod.status.phase in ("Failed", "Succeeded"):
            continue
        kind = (pod.metadata.labels["controller-revision-hash"],) if life.surge else ()
        seen[(owner.uid, _target(pod), *kind)] += 1
    for key, count in seen.items():
        assert count <= 1, f"{count} pods on {key[1]}"
    return True


def _eligible(node: Any) -> bool:
    spec = node.spec
    mine = any(taint.key == "mine" for taint in spec.taints) if spec is not None else False
    return node.metadata.labels.get("agent") != "no" and not mine


def unfinished(s: Simulation) -> str:
    """What is not as it should be at the end; "" if every eligible node has one ready pod of the last template, and the status says so."""
    daemon_set = s.get(AGENT)
    status = daemon_set.status
    if status is None or status.observed_generation != daemon_set.metadata.generation:
        return "nobody has looked at the DaemonSet"
    wanted = sorted(node.metadata.name for node in s.list("nodes") if _eligible(node))
    pods = s.list("pods")
    there = sorted(pod.spec.node_name for pod in pods)
    if there != wanted:
        return f"pods are wanted on {wanted}, they are on {there}"
    images = {pod.spec.containers[0].image for pod in pods}
    if images - {GOOD}:
        return f"there should be pods of {GOOD} only, there are {images}"
    ready = [pod for pod in pods if any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)]
    counts = tuple(
        one or 0
        for one in (
            len(ready),
            status.desired_number_scheduled,
            status.current_number_scheduled,
            status.number_ready,
            status.number_available,
            status.updated_number_scheduled,
        )
    )
    if counts != (len(wanted),) * 6 or status.number_misscheduled or status.number_unavailable:
        return f"{len(wanted)} pods are wanted, {counts} are counted"
    numbers = [one.revision for one in s.rollout.history(AGENT)]
    if len(set(numbers)) != len(numbers) or len(numbers) > 3:
        return f"the revisions are {numbers}, two may be kept beside the present one"
    return ""


KNOWN: dict[str, Life] = {
    "a node is cut off for long": Life(1, 1, 1, 1, 0, 0, (Fault("node-cut", 3.0, 24.0, "node-1"), Fault("image", 6.0, 0.0, "agent:2"))),
    "nodes come and go": Life(2, 2, 1, 1, 0, 0, (Fault("node-comes", 2.0, number=1), Fault("node-goes", 4.0, number=1))),
    "a broken update that surges is gone back from": Life(3, 1, 1, 0, 1, 0, (Fault("image", 3.0, 0.0, "broken:1"), Fault("undo", 8.0))),
    "the controller restarts all the time and answers are lost": Life(
        4, 2, 2, 2, 0, 0, (*(Fault("restart", 0.4 * number, 0.0, ME) for number in range(12)), Fault("answers-lost", 5.0, 5.0, ME, 2))
    ),
    "pods fail again and again": Life(5, 1, 1, 1, 0, 0, tuple(Fault("fail-pod", 2.0 * number, number=1) for number in range(1, 6))),
    "deleted with its pods left, and applied again": Life(6, 1, 1, 1, 0, 2, (Fault("delete", 4.0, 0.0, "Orphan"), Fault("apply", 9.0))),
    "labels and taints come and go": Life(
        7, 1, 1, 1, 0, 0, (Fault("exclude", 2.0, number=1), Fault("taint", 3.0, number=2), Fault("include", 5.0, number=1))
    ),
}
"""Lives that show what a rule is for; each is played in every run."""
