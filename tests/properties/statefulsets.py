"""Random lives of a StatefulSet: what users do to it, and what goes wrong meanwhile. Used by the properties of StatefulSets.

A life is plain data, so that Hypothesis can shrink it and a test can write one down. `play` lets it happen on virtual time; `Promises`
judges every step of it, `unfinished` the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from callboard import Behaviour, NodeSpec, Simulation
from callboard.models import times
from callboard.models.errors import ApiError
from tests.properties.judges import running
from tests.properties.worlds import Fault, begin_fault

DB = "statefulset/db"
ME = "controller/statefulset"
GOOD, SLOW, FLAKY, BROKEN = "db:1", "slow:1", "flaky:1", "broken:1"
IMAGES = {
    "slow:*": Behaviour(start="0.5s", ready_after="1.5s"),
    "flaky:*": Behaviour(exits=[1, 1], runs_for="3s"),
    "broken:*": Behaviour(ready_after="24h"),
    "*": Behaviour(stops_in="0.3s"),
}
ORDERED_TEMPLATES = (GOOD, "db:2", SLOW, FLAKY)
"""Not BROKEN: in order, an update that never gets ready is not gone back from before somebody deletes its pod by hand, as Kubernetes'
documentation has it ("Forced rollback")."""
NEWS_IS_OLD_S = 20.0
"""What happened so long ago is known: the longest silence of a stream, a restart and a back-off."""
DONE_WITHIN_S = 240.0
NODES = 3


class Life(msgspec.Struct, frozen=True):
    """All that a run depends on. `faults` are those of worlds, and the acts of users: see `_ACTS`. `unavailable` 0: not given."""

    seed: int
    apiservers: int
    copies: int
    replicas: int
    parallel: bool
    unavailable: int
    min_ready_s: int
    start: int
    faults: tuple[Fault, ...]


def manifests(life: Life) -> list[dict[str, Any]]:
    """The StatefulSet as it is applied first, and its Service."""
    labels = {"app": "db"}
    rolling: dict[str, Any] = {"partition": 0, **({"maxUnavailable": life.unavailable} if life.unavailable else {})}
    container = {"name": "db", "image": GOOD, "ports": [{"containerPort": 80}]}
    spec = {
        "replicas": life.replicas,
        "serviceName": "db",
        "minReadySeconds": life.min_ready_s,
        "ordinals": {"start": life.start},
        "podManagementPolicy": "Parallel" if life.parallel else "OrderedReady",
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": labels},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}},
    }
    service = {"clusterIP": "None", "selector": labels, "ports": [{"port": 80}]}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": service},
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec},
    ]


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """1 to 5 pods on three nodes, in order or not, up to 4 acts of users within 15 s, and up to 3 faults."""
    parallel, apiservers, copies = draw(st.booleans()), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    at, long = st.floats(0, 15).map(lambda s: round(s, 2)), st.floats(0.1, 8).map(lambda s: round(s, 2))
    ordinal = st.integers(0, 4)
    templates = (*ORDERED_TEMPLATES, BROKEN) if parallel else ORDERED_TEMPLATES
    act = st.one_of(
        st.builds(Fault, st.just("image"), at, st.just(0.0), st.sampled_from(templates)),
        st.builds(Fault, st.just("size"), at, st.just(0.0), st.just(""), st.integers(0, 5)),
        st.builds(
            Fault, st.sampled_from(["delete-pod", "fail-pod", "partition", "start", "unlabel"]), at, st.just(0.0), st.just(""), ordinal
        ),
        st.builds(Fault, st.sampled_from(["undo", "rollout-restart", "apply"]), at),
        st.builds(Fault, st.just("delete"), at, st.just(0.0), st.sampled_from(["Background", "Foreground", "Orphan"])),
    )
    components = st.sampled_from([ME, ME, ME, "scheduler", "controller/nodelifecycle", *(f"kubelet/node-{n}" for n in range(1, NODES + 1))])
    machines = st.integers(1, NODES).map(lambda number: f"node-{number}")
    servers = st.sampled_from([f"apiserver-{number}" for number in range(apiservers)])
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
        replicas=draw(st.integers(1, 5)),
        parallel=parallel,
        unavailable=draw(st.sampled_from([0, 0, 1, 2, 3])),
        min_ready_s=draw(st.sampled_from([0, 0, 0, 2])),
        start=draw(st.sampled_from([0, 0, 3])),
        faults=tuple(sorted(events, key=lambda one: one.at_s)),
    )


# -- what users do --------------------------------------------------------------------------------------------------------------------


def _name(s: Simulation, act: Fault) -> str:
    spec = s.get(DB).spec
    return f"db-{spec.ordinals.start + act.number % max(spec.replicas, 1)}"


def _partition(s: Simulation, act: Fault) -> object:
    return s.patch(DB, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": act.number % 3}}}}, type="merge")


def _fail(s: Simulation, act: Fault) -> object:
    """Its time is over: its kubelet ends it, and it has Failed."""
    return s.patch(f"pod/{_name(s, act)}", {"spec": {"activeDeadlineSeconds": 1}}, type="merge")


def _unlabel(s: Simulation, act: Fault) -> object:
    return s.patch(f"pod/{_name(s, act)}", {"metadata": {"labels": {"statefulset.kubernetes.io/pod-name": None}}}, type="merge")


def _roll(s: Simulation, image: str) -> object:
    return s.patch(DB, {"spec": {"template": {"spec": {"containers": [{"name": "db", "image": image}]}}}}, type="strategic")


_ACTS: dict[str, Callable[[Simulation, Fault], object]] = {
    "image": lambda s, act: _roll(s, act.target),
    "size": lambda s, act: s.scale(DB, act.number),
    "delete-pod": lambda s, act: s.delete(f"pod/{_name(s, act)}"),
    "fail-pod": _fail,
    "unlabel": _unlabel,
    "partition": _partition,
    "start": lambda s, act: s.patch(DB, {"spec": {"ordinals": {"start": act.number}}}, type="merge"),
    "delete": lambda s, act: s.delete(DB, propagation=act.target),  # type: ignore[arg-type]
    "undo": lambda s, act: s.rollout.undo(DB),
    "rollout-restart": lambda s, act: s.rollout.restart(DB),
}


def _act(s: Simulation, act: Fault, life: Life) -> None:
    try:
        if act.kind == "apply":
            s.apply(manifests(life))
        else:
            _ACTS[act.kind](s, act)
    except ApiError as refusal:  # to delete what isn't there and the like: a user is told so, and nothing happens
        if refusal.code >= 500:
            raise


def play(life: Life, watch: Callable[[Simulation], None]) -> Simulation:
    """Run a life until its last act is done and its last fault over, then give it a good template, no partition and some pods. `watch` is
    called at the start, to add invariants. The caller stops what is returned."""
    nodes = [NodeSpec(name=f"node-{number}", pods=110) for number in range(1, NODES + 1)]
    s = Simulation(nodes=nodes, seed=life.seed, timing="chaos", images=IMAGES, apiservers=life.apiservers, controllers=life.copies)
    try:
        watch(s)
        s.apply(manifests(life))
        _let_happen(s, life)
        _bring_back(s, life)
        s.patch(DB, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}, type="merge")
        _roll(s, GOOD)
    except BaseException:
        s.stop()
        raise
    return s


def _bring_back(s: Simulation, life: Life) -> None:
    """Apply the StatefulSet again if it was deleted, when it is really gone."""
    deadline_s = s.now + DONE_WITHIN_S
    while (found := s.list("statefulsets")) and found[0].metadata.deletion_timestamp and s.now < deadline_s:
        s.advance(1.0)
    if not found:
        s.apply(manifests(life))


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


def ordinal_of(name: str) -> int:
    """`db-3` is 3."""
    return int(name.rpartition("-")[2])


def _available(pod: Any, min_ready_s: int, now: float) -> bool:
    if pod is None or pod.metadata.deletion_timestamp or pod.status is None or pod.status.phase != "Running":
        return False
    since = [times.parse(one.last_transition_time) for one in pod.status.conditions if one.type == "Ready" and one.status == "True"]
    return bool(since) and since[0] + min_ready_s <= now


class Promises:
    """What a StatefulSet promises, judged after every step that stores something, and at every write that its controller sends.

    At no time do containers of two pods of one identity run, wherever, whatever the store says. In order, a pod is created only when all
    lower ones are available, and one that is too many is deleted only if none above it is left. Below the partition nothing is deleted that
    has not ended. An update takes no more pods at once than maxUnavailable. What is asked for is what the controller has seen of it. It
    can't know what became of pods a short while ago: what was available then counts as available, unless it has deleted it itself.
    """

    def __init__(self, life: Life) -> None:
        self.life = life
        self.broken: list[str] = []
        self._pods: dict[str, Any] = {}
        self._available_s: dict[str, float] = {}
        self._taken: dict[str, tuple[str, float]] = {}

    def watch(self, s: Simulation) -> None:
        """Begin to judge."""
        s.invariant(self.hold)
        s.links.drop(f"{ME}*", "apiserver-*", lambda passage, message: self._sent(s, passage, message))

    def hold(self, s: Simulation) -> bool:
        """Look at the runtimes and at what is stored."""
        self._one_of_each(s)
        now = s.now
        for name, pod in self._pods.items():  # what was available until this step
            if _available(pod, self.life.min_ready_s, now):
                self._available_s[name] = now
        self._pods = {pod.metadata.name: pod for pod in s.list("pods")}
        for name in self._pods:
            self._lately(name, now)
        self._taken = {
            name: (uid, at_s) for name, (uid, at_s) in self._taken.items() if now - at_s < NEWS_IS_OLD_S or self._goes(name, uid)
        }
        assert not self.broken, self.broken[0]
        return True

    def _goes(self, name: str, uid: str) -> bool:
        pod = self._pods.get(name)
        return pod is None or pod.metadata.uid != uid or bool(pod.metadata.deletion_timestamp)

    def _one_of_each(self, s: Simulation) -> None:
        names: Counter[str] = Counter()
        for node in running(s):
            for sandbox in s._system.look(f"runtime/{node}").sandboxes.values():
                state = sandbox.reported("")
                names[state.pod_name] += any(one.exited is None for one in state.containers)
        for name, count in names.items():
            assert count <= 1, f"{name} runs {count} times"

    def _lately(self, name: str, now: float) -> bool:
        """Whether a pod counts as available: it was a short while ago, and the controller has not deleted it since."""
        pod = self._pods.get(name)
        if pod is not None and _available(pod, self.life.min_ready_s, now):
            self._available_s[name] = now
            if self._taken.get(name, (pod.metadata.uid, 0.0))[0] != pod.metadata.uid:
                del self._taken[name]
        return name not in self._taken and now - self._available_s.get(name, -1e9) < NEWS_IS_OLD_S

    def _sent(self, s: Simulation, passage: Any, message: Any) -> bool:
        if getattr(message, "resource", "") != "pods" or passage.type not in ("CreateObject", "DeleteObject"):
            return False
        controller = s._system.look(passage.source)
        seen = controller.primary.get("default", "db")
        if seen is None:
            return False  # it was decided before the end of the set was seen
        first, spec = seen.spec.ordinals.start, seen.spec
        wanted = range(first, first + spec.replicas)
        if passage.type == "DeleteObject":
            pod = controller.views["default"]["pods"].get("default", message.name)
            costs = self.life.unavailable > 0 or not self.life.parallel  # else it is one at a time, whatever those below it are
            costs = costs and _available(pod, self.life.min_ready_s, s.now)  # nothing is lost with one that is seen broken
            self._deletion(message, wanted, wanted.start + (spec.update_strategy.rolling_update.partition or 0), costs, s.now)
        elif not self.life.parallel:
            self._creation(message.obj.metadata.name, wanted, s.now)
        return False

    def _creation(self, name: str, wanted: range, now: float) -> None:
        ordinal = ordinal_of(name)
        missing = [lower for lower in wanted if lower < ordinal and not self._lately(f"db-{lower}", now)]
        if missing or ordinal not in wanted:
            self.broken.append(f"{name} was created, {wanted} are wanted, {missing} below it are not available")

    def _deletion(self, message: Any, wanted: range, partition: int, costs: bool, now: float) -> None:
        name, ordinal = message.name, ordinal_of(message.name)
        pod = self._pods.get(name)
        if pod is None or pod.metadata.uid != message.uid or pod.metadata.deletion_timestamp:
            return  # of the past: it will be refused, or changes nothing
        if pod.status.phase in ("Failed", "Succeeded"):
            return
        if ordinal not in wanted:
            higher = [number for number in map(ordinal_of, self._pods) if number > ordinal and number not in wanted]
            if higher and not self.life.parallel:
                self.broken.append(f"{name} was deleted before those above it that are too many: {higher}")
        elif ordinal < partition:
            self.broken.append(f"{name} was deleted though it is below the partition")
        elif costs:
            gone = [other for other in wanted if other != ordinal and not self._lately(f"db-{other}", now)]
            if len(gone) + 1 > max(self.life.unavailable, 1):
                self.broken.append(f"{name} was deleted while {gone} were gone, {max(self.life.unavailable, 1)} may be")
        self._taken[name] = (message.uid, now)


def unfinished(s: Simulation) -> str:
    """What is not as it should be at the end; "" if every ordinal has its pod, of the last template, and the status says so."""
    stateful_set = s.get(DB)
    wanted, status = stateful_set.spec.replicas, stateful_set.status
    if status is None or status.observed_generation != stateful_set.metadata.generation:
        return "nobody has looked at the StatefulSet"
    names = sorted((pod.metadata.name for pod in s.list("pods")), key=ordinal_of)
    first = stateful_set.spec.ordinals.start
    if names != [f"db-{ordinal}" for ordinal in range(first, first + wanted)]:
        return f"{wanted} pods from {first} on are wanted, there are {names}"
    images = {pod.spec.containers[0].image for pod in s.list("pods")}
    if images - {GOOD}:
        return f"there should be pods of {GOOD} only, there are {images}"
    counts = tuple(
        one or 0
        for one in (status.replicas, status.ready_replicas, status.available_replicas, status.updated_replicas, status.current_replicas)
    )
    if counts != (wanted,) * 5 or status.current_revision != status.update_revision:
        return f"{wanted} pods are wanted, the status says {counts}, {status.current_revision}, {status.update_revision}"
    for pod in s.list("pods"):
        labels = pod.metadata.labels
        if labels["controller-revision-hash"] != status.update_revision:
            return f"{pod.metadata.name} says that it is of {labels['controller-revision-hash']}"
        if labels.get("statefulset.kubernetes.io/pod-name") != pod.metadata.name:
            return f"{pod.metadata.name} has lost its label"
    numbers = [one.revision for one in s.rollout.history(DB)]
    if len(set(numbers)) != len(numbers) or len(numbers) > 3:
        return f"the revisions are {numbers}, two may be kept beside the present one"
    return _runs_what_is_stored(s)


def _runs_what_is_stored(s: Simulation) -> str:
    uids = sorted(pod.metadata.uid for pod in s.list("pods"))
    real = sorted(uid for found in running(s).values() for uid in found)
    return "" if real == uids else f"containers of {real} run, there are pods {uids}"


KNOWN: dict[str, Life] = {
    "a node is cut off for long": Life(1, 1, 1, 4, False, 0, 0, 0, (Fault("node-cut", 3.0, 24.0, "node-1"), Fault("size", 6.0, number=5))),
    "all are scaled away and come again": Life(2, 2, 1, 4, False, 0, 0, 3, (Fault("size", 4.0, number=0), Fault("size", 5.0, number=3))),
    "in parallel an update that is broken is gone back from": Life(
        3, 1, 1, 4, True, 2, 0, 0, (Fault("image", 3.0, 0.0, BROKEN), Fault("undo", 8.0))
    ),
    "the controller restarts all the time": Life(
        4, 1, 2, 5, False, 0, 0, 0, tuple(Fault("restart", 0.4 * number, 0.0, ME) for number in range(12))
    ),
    "pods fail again and again": Life(
        5, 1, 1, 2, False, 0, 0, 0, tuple(Fault("fail-pod", 2.0 * number, number=1) for number in range(1, 6))
    ),
    "deleted and applied again": Life(
        8, 1, 1, 3, False, 0, 0, 0, (Fault("delete", 4.0, 0.0, "Background"), Fault("apply", 4.1), Fault("delete", 9.0, 0.0, "Orphan"))
    ),
    "a partition counts from the first ordinal": Life(
        7, 1, 1, 4, False, 0, 0, 3, (Fault("partition", 3.0, number=2), Fault("image", 25.0, 0.0, "db:2"), Fault("rollout-restart", 32.0))
    ),
    "pods have to be ready for a while": Life(
        6, 1, 1, 3, False, 2, 2, 0, (Fault("image", 9.0, 0.0, "db:2"), Fault("size", 12.0, number=1))
    ),
}
"""Lives that show what a rule is for; each is played in every run."""
