"""Whatever happens to a pod's containers, in whatever order its kubelet hears of it, the status it would write is a legal one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callboard.actors.kubelet import steps
from callboard.actors.kubelet.decision import decide
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.probing import probes_of
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.kubelet.status import status_of
from callboard.actors.kubelet.template import template_of
from callboard.models.api.core import PodStatus, Probe, TCPSocketAction
from callboard.models.base import replace
from callboard.models.messages.runtime import ContainerExited, ContainerStarted
from callboard.models.times import rfc3339
from tests.actors.kubelet.kit import container, pod

SETTINGS = KubeletSettings(node_name="node-1", runtime="runtime/node-1")
START_S = 1_767_225_600.0
PROBE = Probe(tcp_socket=TCPSocketAction(port=80), failure_threshold=2)


@dataclass
class FakeRuntime:
    """What was asked for and not yet answered, and what runs."""

    starts: dict[tuple[str, int], int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    lives: dict[str, list[int]] = field(default_factory=dict)


class LifeOfAPod(RuleBasedStateMachine):
    """One pod, its kubelet's decisions carried out by hand."""

    @initialize(
        policy=st.sampled_from(["Always", "OnFailure", "Never"]),
        init=st.sampled_from(["", "init", "sidecar"]),
        probed=st.booleans(),
    )
    def begin(self, policy: str, init: str, probed: bool) -> None:
        extra: dict[str, Any] = {"readiness_probe": PROBE, "liveness_probe": PROBE} if probed else {}
        before = () if not init else (container("before", restart_policy="Always" if init == "sidecar" else ""),)
        made = pod("web", container("a", **extra), container("b"), init_containers=before, restart_policy=policy)
        made = replace(made, metadata=replace(made.metadata, uid="uid-1", generation=1, resource_version=1))
        assert made.spec is not None
        self.policy = policy
        self.now_s = START_S
        self.pod = PodRecord("pods/default/web", made, template_of(made.spec), self.now_s)
        self.runtime = FakeRuntime()
        self.requests = 0
        self.last: PodStatus | None = None
        self.look()

    # -- carrying decisions out -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        record = self.pod
        if record.goal == "end" and record.end_at_s == 0.0:
            record.end_within(30, self.now_s)
        for _ in range(10):
            again = False
            for step in decide(record, self.now_s, SETTINGS).steps:
                again = self.carry_out(step) or again
            if not again:
                break
        else:
            raise AssertionError("decisions without an end")
        self.check()

    def carry_out(self, step: Any) -> bool:
        record, now_s = self.pod, self.now_s
        match step:
            case steps.MakeSandbox():
                record.sandbox, record.sandbox_asked_at_s = "starting", now_s
            case steps.Start(name=name):
                self.requests += 1
                one = record.containers[name]
                again = one.state == "starting"
                attempt = one.asked_to_start(self.requests, now_s)
                lives = self.runtime.lives.setdefault(name, [])
                assert again or attempt > max(lives, default=-1), "no life is begun twice"
                assert name not in self.runtime.running, "no container runs twice"
                self.runtime.starts[name, attempt] = self.requests
            case steps.Stop(name=name):
                one = record.containers[name]
                one.stop_by_s, one.asked_at_s, one.stop_acked = now_s + step.grace_s, now_s, True
            case steps.Finish():
                record.finish(step.phase, step.reason, step.message)
                return True
            case steps.Initialized():
                record.initialized = True
                return True
            case steps.RemovePod():
                record.sandbox, record.sandbox_asked_at_s = "removing", now_s
        return False

    # -- what may happen --------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.3, 1.0, 11.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.look()

    @precondition(lambda self: self.pod.sandbox == "starting")
    @rule()
    def the_sandbox_runs(self) -> None:
        self.pod.has_sandbox("10.0.0.1", "172.16.0.1")
        self.look()

    @precondition(lambda self: self.pod.sandbox == "removing")
    @rule()
    def the_sandbox_is_removed(self) -> None:
        self.pod.sandbox = "absent"
        self.forget_what_ran()
        self.look()

    @precondition(lambda self: self.pod.sandbox == "running")
    @rule()
    def the_sandbox_is_lost(self) -> None:
        self.forget_what_ran()
        self.pod.lose_sandbox(self.now_s)
        self.look()

    def forget_what_ran(self) -> None:
        for one in self.pod.containers.values():
            one.lose(self.now_s)
        self.runtime.running.clear()
        self.runtime.starts.clear()

    @precondition(lambda self: self.runtime.starts)
    @rule(data=st.data(), dies=st.sampled_from([None, None, 0, 1]), repeat=st.booleans())
    def a_container_starts(self, data: st.DataObject, dies: int | None, repeat: bool) -> None:
        (name, attempt), request = data.draw(st.sampled_from(sorted(self.runtime.starts.items())))
        one = self.pod.containers[name]
        identity = f"id/{name}/{attempt}"
        started = ContainerStarted(request, "uid-1", name, identity, self.now_s)
        exited = ContainerExited("uid-1", name, identity, dies or 0, 0, self.now_s, self.now_s, "Error")
        del self.runtime.starts[name, attempt]
        self.runtime.lives.setdefault(name, []).append(attempt)
        if one.state != "starting" or one.request != request:
            return
        if dies is not None:
            one.has_exited(exited)  # it may be heard of before the start
            if repeat:
                one.has_exited(exited)
        early = one.has_started(started, SETTINGS.timing)
        if early is not None:
            one.has_exited(early)
        elif dies is None:
            self.runtime.running[name] = attempt
            for run in probes_of(one):
                self.pod.runs[name, run.purpose] = run
        self.look()

    @precondition(lambda self: self.runtime.starts)
    @rule(data=st.data(), reason=st.sampled_from(["CreateContainerError", "ErrImagePull"]))
    def a_start_is_refused(self, data: st.DataObject, reason: str) -> None:
        (name, attempt), request = data.draw(st.sampled_from(sorted(self.runtime.starts.items())))
        one = self.pod.containers[name]
        if one.state == "starting" and one.request == request:
            del self.runtime.starts[name, attempt]
            one.start_refused(reason, "no", self.now_s, SETTINGS.timing)
            self.look()

    @precondition(lambda self: self.runtime.running)
    @rule(data=st.data(), code=st.sampled_from([0, 0, 1, 137]), repeat=st.booleans())
    def a_container_ends(self, data: st.DataObject, code: int, repeat: bool) -> None:
        name, attempt = data.draw(st.sampled_from(sorted(self.runtime.running.items())))
        del self.runtime.running[name]
        one = self.pod.containers[name]
        fact = ContainerExited("uid-1", name, f"id/{name}/{attempt}", code, 0, one.started_at_s, self.now_s, "Error")
        assert one.has_exited(fact)
        if repeat:
            assert not one.has_exited(fact)
        self.look()

    @precondition(lambda self: self.pod.runs)
    @rule(data=st.data(), ok=st.booleans())
    def a_probe_is_answered(self, data: st.DataObject, ok: bool) -> None:
        run = self.pod.runs[data.draw(st.sampled_from(sorted(self.pod.runs)))]
        one = self.pod.containers[run.name]
        if one.state == "running" and one.attempt == run.attempt and not run.on_hold and run.outcome(ok):
            if run.purpose == "readiness":
                one.probe_ready = ok
            elif not ok:
                one.kill_within("not alive", 30, self.now_s)
            self.look()

    @rule()
    def somebody_deletes_the_pod(self) -> None:
        meta = replace(self.pod.pod.metadata, deletion_timestamp="2026-01-01T00:01:00Z", deletion_grace_period_seconds=30)
        self.pod.pod = replace(self.pod.pod, metadata=meta)
        self.pod.end_within(30, self.now_s)
        self.look()

    # -- what must hold ---------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        new = status_of(self.pod, self.now_s, SETTINGS)
        old = self.last or PodStatus()
        if old.phase in ("Succeeded", "Failed"):
            assert new.phase == old.phase
        for before, after in zip(old.container_statuses, new.container_statuses, strict=False):
            assert (after.restart_count or 0) >= (before.restart_count or 0)
        conditions = {one.type: one for one in new.conditions}
        if conditions["Ready"].status == "True":
            assert new.phase == "Running"
            assert all(one.ready for one in new.container_statuses)
            assert new.pod_ip
        assert len(conditions) == len(new.conditions)
        for condition in old.conditions:
            same = conditions[condition.type].status == condition.status
            expected = condition.last_transition_time if same else rfc3339(self.now_s)
            assert conditions[condition.type].last_transition_time == expected
        for one in (*new.init_container_statuses, *new.container_statuses):
            assert one.state is not None
            assert [one.state.running, one.state.waiting, one.state.terminated].count(None) == 2
            assert not (one.ready and one.state.waiting)
        for record in self.pod.containers.values():
            assert record.back_off.pause_s <= SETTINGS.timing.crash_back_off_limit_s
            assert record.state != "exited" or record.restart_due_s(SETTINGS.timing) <= record.ended_at_s + 300
        self.last = self.pod.seen = new
        self.pod.seen_revision += 1

    @invariant()
    def a_pod_that_must_not_restart_has_one_life_per_container(self) -> None:
        if hasattr(self, "pod") and self.policy == "Never":
            assert all(len(self.runtime.lives.get(name, ())) <= 1 for name in ("a", "b"))


TestLifeOfAPod = LifeOfAPod.TestCase
TestLifeOfAPod.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
