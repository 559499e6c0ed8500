"""Random rollouts: one Deployment, what users do to it, and what goes wrong meanwhile. Used by the properties of rollouts.

A rollout is plain data, so that Hypothesis can shrink it and a test can write one down. `play` lets it happen on virtual time; `Fences`
judges every step of it, `unfinished` the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from callboard import Behaviour, NodeSpec, Simulation
from callboard.models import times
from callboard.models.errors import ApiError
from tests.properties.worlds import Fault, begin_fault

WEB = "deployment/web"
GOOD, SLOW, FLAKY, BROKEN = "web:1", "slow:1", "flaky:1", "broken:1"
IMAGES = {
    "slow:*": Behaviour(start="0.5s", ready_after="1.5s"),
    "flaky:*": Behaviour(exits=[1, 1], runs_for="3s"),
    "broken:*": Behaviour(ready_after="24h"),
}
TEMPLATES = (GOOD, "web:2", SLOW, FLAKY, BROKEN)
CONTROLLERS = ("controller/deployment", "controller/replicaset")
NEWS_IS_OLD_S = 15.0
"""A pod that was lost by itself so long ago is known to be lost: the longest silence of a stream, a restart and a back-off."""
DONE_WITHIN_S = 200.0


class Rollout(msgspec.Struct, frozen=True):
    """All that a run depends on. `faults` are those of worlds, and the acts of users: see `_ACTS`."""

    seed: int
    apiservers: int
    replicas: int
    surge: int | str
    unavailable: int | str
    min_ready_s: int
    faults: tuple[Fault, ...]


def _template(image: str) -> dict[str, Any]:
    spec = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": image}]}
    return {"metadata": {"labels": {"app": "web"}}, "spec": spec}


def manifest(rollout: Rollout) -> dict[str, Any]:
    """The Deployment as it is applied first."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": rollout.replicas,
            "minReadySeconds": rollout.min_ready_s,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": rollout.surge, "maxUnavailable": rollout.unavailable}},
            "template": _template(GOOD),
        },
    }


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    """1 to 8 pods, all kinds of fence posts, up to 5 acts of users within 12 s, and up to 2 faults."""
    amount = st.one_of(st.integers(0, 4), st.sampled_from(["0%", "10%", "25%", "34%", "50%", "100%"]))
    surge, unavailable = draw(st.tuples(amount, amount).filter(lambda pair: not all(one in (0, "0%") for one in pair)))
    at, long = st.floats(0, 12).map(lambda s: round(s, 2)), st.floats(0.1, 4).map(lambda s: round(s, 2))
    act = st.one_of(
        st.builds(Fault, st.just("image"), at, st.just(0.0), st.sampled_from(TEMPLATES)),
        st.builds(Fault, st.just("size"), at, st.just(0.0), st.just(""), st.integers(0, 9)),
        st.builds(Fault, st.sampled_from(["pause", "resume", "rollout-restart"]), at),
        st.builds(Fault, st.just("undo"), at, st.just(0.0), st.just(""), st.integers(0, 3)),
    )
    fault = st.one_of(
        st.builds(Fault, st.just("restart"), at, st.just(0.0), st.sampled_from(CONTROLLERS)),
        st.builds(Fault, st.just("slow"), at, long, st.sampled_from(CONTROLLERS), st.integers(1, 1500)),
        st.builds(Fault, st.just("watch-loss"), at, long, st.sampled_from(CONTROLLERS), st.integers(1, 4)),
        st.builds(Fault, st.just("answers-lost"), at, long, st.sampled_from(CONTROLLERS), st.integers(1, 4)),
        st.builds(Fault, st.just("deaf"), at, long, st.sampled_from(CONTROLLERS)),
        st.builds(Fault, st.just("stale-server"), at, long, st.just("apiserver-0")),
    )
    events = (*draw(st.lists(act, min_size=1, max_size=5)), *draw(st.lists(fault, max_size=2)))
    return Rollout(
        seed=draw(st.integers(0, 2**32 - 1)),
        apiservers=draw(st.integers(1, 2)),
        replicas=draw(st.integers(1, 8)),
        surge=surge,
        unavailable=unavailable,
        min_ready_s=draw(st.sampled_from([0, 0, 2])),
        faults=tuple(sorted(events, key=lambda one: one.at_s)),
    )


# -- what users do --------------------------------------------------------------------------------------------------------------------


def _undo(s: Simulation, act: Fault) -> object:
    return s.rollout.undo(WEB, act.number)


_ACTS: dict[str, Callable[[Simulation, Fault], object]] = {
    "image": lambda s, act: s.patch(WEB, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": act.target}]}}}}),
    "size": lambda s, act: s.scale(WEB, act.number),
    "pause": lambda s, act: s.rollout.pause(WEB),
    "resume": lambda s, act: s.rollout.resume(WEB),
    "rollout-restart": lambda s, act: s.rollout.restart(WEB),
    "undo": _undo,
}


def _act(s: Simulation, act: Fault) -> None:
    try:
        _ACTS[act.kind](s, act)
    except ApiError as refusal:  # to pause what is paused and the like: a user is told so, and nothing happens
        if refusal.code >= 500:
            raise


def play(rollout: Rollout, watch: Callable[[Simulation], None]) -> Simulation:
    """Run a rollout until its last act is done and its last fault over, then give it a good template and let it go on. `watch` is called
    when the first template is rolled out, to add invariants. The caller stops what is returned."""
    nodes = [NodeSpec(name=f"node-{number}", pods=110) for number in (1, 2)]
    s = Simulation(nodes=nodes, seed=rollout.seed, timing="chaos", images=IMAGES, apiservers=rollout.apiservers)
    try:
        s.apply(manifest(rollout))
        s.wait(WEB, timeout="60s")
        watch(s)
        _let_happen(s, rollout.faults)
        if s.get(WEB).spec.paused:
            s.rollout.resume(WEB)
        _act(s, Fault("image", 0.0, 0.0, GOOD))
    except BaseException:
        s.stop()
        raise
    return s


def _let_happen(s: Simulation, events: tuple[Fault, ...]) -> None:
    began_s = s.now
    due: list[tuple[float, int, Any]] = [(event.at_s, number, event) for number, event in enumerate(events)]
    while due:
        due.sort(key=lambda entry: entry[:2])
        at_s, number, what = due.pop(0)
        if began_s + at_s > s.now:
            s.advance(began_s + at_s - s.now)
        if not isinstance(what, Fault):
            what()
        elif what.kind in _ACTS:
            _act(s, what)
        else:
            due.append((at_s + what.for_s, number, begin_fault(s, what)))


# -- judgement ----------------------------------------------------------------------------------------------------------------------


def fence_posts(deployment: Any) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods, counted here anew from the documentation: "The absolute number is calculated from percentage by
    rounding up" for maxSurge, "by rounding down" for maxUnavailable, which can't both be 0 (then one may be unavailable)."""
    rolling, replicas = deployment.spec.strategy.rolling_update, deployment.spec.replicas

    def share(value: int | str) -> float:
        return value if isinstance(value, int) else int(value.removesuffix("%")) * replicas / 100

    more, fewer = math.ceil(share(rolling.max_surge)), math.floor(share(rolling.max_unavailable))
    return more, max(fewer, 1 if more == 0 else 0)


def is_active(pod: Any) -> bool:
    """Whether nobody has asked for its end, and it has not ended."""
    return not pod.metadata.deletion_timestamp and not (pod.status is not None and pod.status.phase in ("Succeeded", "Failed"))


def is_available(pod: Any, min_ready_s: int, now: float) -> bool:
    """Whether it has been ready for so long."""
    conditions = pod.status.conditions if pod.status is not None else ()
    since = [times.parse(one.last_transition_time) for one in conditions if one.type == "Ready" and one.status == "True"]
    return bool(since) and since[0] + min_ready_s <= now


class Fences:
    """The two promises of a rolling update, judged after every step.

    No deletion of an available pod leaves fewer available ones than `replicas - maxUnavailable`; pods that were lost by themselves a short
    while ago count as available, since nobody could know of them yet. Never are there more pods that aren't terminating than
    `replicas + maxSurge`. After a change of scale the less strict of the old and the new size holds until everybody has seen the new one.
    """

    def __init__(self) -> None:
        self._posts: list[tuple[int, int]] = []
        self._available: dict[str, None] = {}
        self._lost_s: dict[str, float] = {}

    def hold(self, s: Simulation) -> bool:
        """Look at the Deployment, its ReplicaSets and its pods."""
        deployment = s.get(WEB)
        sets, pods = s.list("replicasets"), {pod.metadata.uid: pod for pod in s.list("pods")}
        more, fewer = fence_posts(deployment)
        replicas = deployment.spec.replicas
        self._allow((replicas - fewer, replicas + more), settled=_all_seen(deployment, sets))
        least, most = min(low for low, _ in self._posts), max(high for _, high in self._posts)
        active = [pod for pod in pods.values() if is_active(pod)]
        assert len(active) <= most, f"{len(active)} pods that aren't terminating, at most {most} allowed"
        self._deletions(pods, deployment.spec.min_ready_seconds or 0, s.now, least)
        return True

    def _allow(self, posts: tuple[int, int], *, settled: bool) -> None:
        if settled:
            self._posts = [posts]
        elif posts not in self._posts:
            self._posts.append(posts)

    def _deletions(self, pods: dict[str, Any], min_ready_s: int, now: float, least: int) -> None:
        before = self._available
        after = {uid: None for uid, pod in pods.items() if is_active(pod) and is_available(pod, min_ready_s, now)}
        doomed = [uid for uid in before if uid not in pods or not is_active(pods[uid])]
        for uid in before:
            if uid not in after and uid not in doomed:
                self._lost_s[uid] = now
        unknown = {uid for uid, at_s in self._lost_s.items() if now - at_s < NEWS_IS_OLD_S and uid not in after}
        recent = [uid for uid, pod in pods.items() if uid in unknown and is_active(pod)]
        self._available = after
        if doomed:
            left = len(after) + len(recent)
            assert left >= least, f"a deletion has left {left} available pods, {least} were promised"


def _all_seen(deployment: Any, sets: list[Any]) -> bool:
    """Whether the newest size has gone all the way: the Deployment's, and that of each ReplicaSet, as far as it has pods."""
    if deployment.status is None or (deployment.status.observed_generation or 0) < deployment.metadata.generation:
        return False
    for one in sets:
        if one.status is None or (one.status.observed_generation or 0) < one.metadata.generation:
            return False
        if (one.status.replicas or 0) != one.spec.replicas:
            return False
    more, _ = fence_posts(deployment)
    asked: int = sum(one.spec.replicas for one in sets)
    return bool(asked <= deployment.spec.replicas + more)


def unfinished(s: Simulation) -> str:
    """What is not as it should be at the end; "" if the last template is rolled out and its revision is the newest."""
    deployment, sets = s.get(WEB), s.list("replicasets")
    wanted, status = deployment.spec.replicas, deployment.status
    counts = (status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0)
    if counts != (wanted, wanted, wanted) or status.observed_generation != deployment.metadata.generation:
        return f"the Deployment wants {wanted} pods, its status says {counts}"
    images = [pod.spec.containers[0].image for pod in s.list("pods") if is_active(pod)]
    if images != [GOOD] * wanted:
        return f"there should be {wanted} pods of {GOOD}, there are {images}"
    numbers = sorted(one.revision for one in s.rollout.history(WEB))
    own = deployment.metadata.annotations["deployment.kubernetes.io/revision"]
    if len(set(numbers)) != len(numbers) or str(numbers[-1]) != own:
        return f"the revisions of the ReplicaSets are {numbers}, the Deployment's is {own}"
    told = {one.type: (one.status, one.reason) for one in status.conditions}
    if told != {"Available": ("True", "MinimumReplicasAvailable"), "Progressing": ("True", "NewReplicaSetAvailable")}:
        return f"the conditions say {told}"
    return "" if len(numbers) == len(sets) else f"{len(sets)} ReplicaSets have {len(numbers)} revisions"


KNOWN: dict[str, Rollout] = {
    "a new template in the middle of a rollout": Rollout(
        0, 1, 4, 1, 1, 0, (Fault("image", 0.0, 0.0, SLOW), Fault("image", 1.0, 0.0, "web:2"), Fault("undo", 1.4))
    ),
    "scaled up and down in the middle of a rollout": Rollout(
        0, 1, 5, "50%", "25%", 0, (Fault("image", 0.0, 0.0, SLOW), Fault("size", 1.0, number=9), Fault("size", 3.0, number=2))
    ),
    "pods have to be ready for a while": Rollout(0, 1, 3, 1, 0, 5, (Fault("image", 8.0, 0.0, "web:2"), Fault("resume", 20.0))),
    "one fewer in the middle of a rollout": Rollout(
        1, 1, 8, 1, "25%", 0, (Fault("image", 0.0, 0.0, SLOW), Fault("size", 1.0, number=7), Fault("resume", 8.0))
    ),
    "back while pods are ready but not available": Rollout(
        0, 1, 5, 0, 2, 2, (Fault("image", 6.0, 0.0, "web:2"), Fault("image", 9.0, 0.0, "web:1"))
    ),
    "old pods that aren't available go first": Rollout(
        0, 1, 4, 1, 1, 2, (Fault("image", 0.0, 0.0, BROKEN), Fault("image", 4.0, 0.0, SLOW))
    ),
}
"""Rollouts that show what a rule is for; each is played in every run."""
