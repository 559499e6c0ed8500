"""What a clock that was set back means for a pod: times noted before may lie far ahead, and nobody is to wait for them that long. Pure.

What has happened cannot have happened later than now; what is due is due within the pause that leads to it.
"""

from __future__ import annotations

import msgspec

from callboard.actors.kubelet.backoff import mount_pause_s, retry_pause_s, write_pause_s
from callboard.actors.kubelet.containers import ContainerRecord, Failure
from callboard.actors.kubelet.pods import PodRecord
from callboard.models.timing import Timing


def wait_no_longer(pod: PodRecord, now_s: float, timing: Timing) -> None:
    """Bound all that a pod waits for, so that a step back of the clock at most doubles the wait. What its status tells stays as it was."""
    pod.since_s = min(pod.since_s, now_s)
    pod.sandbox_asked_at_s = min(pod.sandbox_asked_at_s, now_s)
    pod.changed_at_s = min(pod.changed_at_s, now_s)
    pod.end_at_s = min(pod.end_at_s, now_s + pod.grace_s)
    pod.write.retry_at_s = min(pod.write.retry_at_s, now_s + write_pause_s(max(pod.write.failures, 1)))
    if pod.failure is not None:
        pod.failure = _sooner(pod.failure, now_s + mount_pause_s(pod.failure.count, timing))
    of_probes = [float(run.probe.termination_grace_period_seconds or 0) for run in pod.runs.values()]
    grace_s = max(pod.grace_s, pod.grace_of_spec_s(), *of_probes, 0.0)
    for one in pod.containers.values():
        _bound(one, now_s, grace_s, timing)
    for run in pod.runs.values():
        run.asked_at_s = min(run.asked_at_s, now_s)
    pod.wake_at_s = pod.want_at_s = 0.0


def _bound(one: ContainerRecord, now_s: float, grace_s: float, timing: Timing) -> None:
    one.asked_at_s = min(one.asked_at_s, now_s)
    one.ended_at_s = min(one.ended_at_s, now_s)
    one.kill_by_s = min(one.kill_by_s, now_s + grace_s)
    one.stop_by_s = min(one.stop_by_s, now_s + grace_s)
    if one.failure is not None:
        one.failure = _sooner(one.failure, now_s + retry_pause_s(one.failure.count, timing))


def _sooner(failure: Failure, due_s: float) -> Failure:
    return msgspec.structs.replace(failure, retry_at_s=min(failure.retry_at_s, due_s))
