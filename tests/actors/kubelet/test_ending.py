"""However many containers, sidecars and hooks a deleted pod has, and however slow they are: it ends in time and in order. Pure."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.kubelet import steps
from callboard.actors.kubelet.decision import MINIMUM_GRACE_S
from callboard.actors.kubelet.pods import PodRecord
from callboard.models.api.core import Lifecycle, LifecycleHandler, SleepAction
from callboard.models.base import replace
from tests.actors.kubelet.kit import container, pod
from tests.actors.kubelet.records import NOW_S, end, record, start, wanted

TICK_S = 0.5


class One(msgspec.Struct, frozen=True):
    """A container that runs: how long its preStop hook takes (0: it has none), and how long it takes to end after SIGTERM."""

    hook_s: float
    stops_s: float


ONE = st.builds(One, st.sampled_from([0.0, 0.0, 1.0, 4.0, 100.0]), st.sampled_from([0.0, 0.5, 3.0, 1000.0]))


class Ending:
    """A deleted pod, its kubelet's decisions carried out by hand every half a second."""

    def __init__(self, mains: list[One], sidecars: list[One], grace_s: float) -> None:
        self.parts = {f"main-{number}": one for number, one in enumerate(mains)}
        self.parts |= {f"sidecar-{number}": one for number, one in enumerate(sidecars)}
        hook = Lifecycle(pre_stop=LifecycleHandler(sleep=SleepAction(seconds=1)))
        made = {
            name: container(name, lifecycle=hook if one.hook_s else None, restart_policy="" if name.startswith("main") else "Always")
            for name, one in self.parts.items()
        }
        before = tuple(one for name, one in made.items() if name.startswith("sidecar"))
        self.pod: PodRecord = record(pod("web", *(one for name, one in made.items() if name.startswith("main")), init_containers=before))
        self.pod.initialized = True
        for name in made:
            start(self.pod, name)
        meta = replace(self.pod.pod.metadata, deletion_timestamp="2027-01-15T08:00:00Z", deletion_grace_period_seconds=int(grace_s))
        self.pod.pod = replace(self.pod.pod, metadata=meta)
        self.pod.end_within(grace_s, NOW_S)
        self.now_s = NOW_S
        self.hooked: dict[str, float] = {}
        self.asked: dict[str, float] = {}
        self.ended: dict[str, tuple[float, int]] = {}

    def run(self, until_s: float) -> None:
        """Until all have ended, or that moment."""
        while len(self.ended) < len(self.parts) and self.now_s <= until_s:
            for step in wanted(self.pod, self.now_s):
                if isinstance(step, steps.PreStop):
                    assert step.name not in self.hooked, "a hook runs once"
                    self.pod.containers[step.name].pre_stop = "running"
                    self.hooked[step.name] = self.now_s
                elif isinstance(step, steps.Stop):
                    one = self.pod.containers[step.name]
                    self.asked.setdefault(step.name, self.now_s)
                    one.stop_by_s, one.asked_at_s, one.stop_acked = self.now_s + step.grace_s, self.now_s, True
            self.now_s += TICK_S
            for name, part in self.parts.items():
                one = self.pod.containers[name]
                if one.pre_stop == "running" and self.now_s >= self.hooked[name] + part.hook_s:
                    one.pre_stop = "done"
                if name in self.asked and name not in self.ended:
                    killed = self.now_s >= one.stop_by_s
                    if killed or self.now_s >= self.asked[name] + part.stops_s:
                        code = 143 if self.now_s >= self.asked[name] + part.stops_s else 137
                        end(self.pod, name, code, self.now_s)
                        self.ended[name] = self.now_s, code


@settings(max_examples=100, deadline=None)
@given(st.lists(ONE, min_size=1, max_size=3), st.lists(ONE, max_size=3), st.sampled_from([0.0, 1.0, 2.0, 5.0, 30.0]))
def test_a_deleted_pod_ends_in_time_and_in_order(mains: list[One], sidecars: list[One], grace_s: float) -> None:
    ending = Ending(mains, sidecars, grace_s)
    deadline_s = NOW_S + grace_s + MINIMUM_GRACE_S + TICK_S
    ending.run(deadline_s + 60)
    assert len(ending.ended) == len(ending.parts)
    assert max(at_s for at_s, _ in ending.ended.values()) <= deadline_s, "the grace period, and the window that everybody gets"
    for name, (at_s, code) in ending.ended.items():
        part = ending.parts[name]
        if part.hook_s and grace_s:
            assert ending.hooked[name] == NOW_S, "hooks run at once"
            assert ending.asked[name] >= min(NOW_S + part.hook_s, NOW_S + grace_s), "SIGTERM waits for the hook"
        if part.stops_s <= MINIMUM_GRACE_S - TICK_S:
            assert code == 143, "who ends within two seconds is never killed"
        assert code == 143 or at_s - ending.asked[name] >= MINIMUM_GRACE_S
    order = [name for name in ending.parts if name.startswith("sidecar")]
    for number, name in enumerate(order):
        first = [other for other in ending.parts if other.startswith("main")] + order[number + 1 :]
        if ending.asked[name] < NOW_S + grace_s:
            assert all(ending.ended[other][0] <= ending.asked[name] for other in first), "a sidecar goes after the others, the last first"
