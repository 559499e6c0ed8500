"""What is to be done about a pod now: a pure function of what its kubelet knows. The actor carries the steps out.

Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions), kuberuntime_container.go (termination order of
sidecars), pod_workers.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from callboard.actors.kubelet import steps
from callboard.actors.kubelet.backoff import pull_words_change_s
from callboard.actors.kubelet.containers import PULL_REASONS, ContainerRecord, Failure
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.kubelet.steps import Decision
from callboard.models.times import parse

MINIMUM_GRACE_S = 2.0
"""What every container gets between SIGTERM and SIGKILL, however short its grace period and however long its preStop hook took
(kuberuntime_container.go, minimumGracePeriodInSeconds)."""
DEADLINE_REASON = "DeadlineExceeded"
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


def decide(pod: PodRecord, now_s: float, settings: KubeletSettings) -> Decision:
    """What to do about a pod. Changes nothing."""
    decision = Decision([])
    if pod.goal == "run":
        _run(pod, now_s, settings, decision)
    elif pod.goal == "end":
        _end(pod, now_s, settings, decision)
    else:
        _vanish(pod, now_s, settings, decision)
    return decision


# -- up -----------------------------------------------------------------------------------------------------------------------------


def _run(pod: PodRecord, now_s: float, settings: KubeletSettings, decision: Decision) -> None:
    deadline_s = _active_deadline_s(pod)
    if deadline_s is not None:
        if now_s >= deadline_s:
            decision.steps.append(steps.Finish("Failed", DEADLINE_REASON, DEADLINE_MESSAGE))
            return
        decision.again(deadline_s)
    if pod.sandbox == "running":
        _run_containers(pod, now_s, settings, decision)
    elif pod.sandbox == "absent":
        if (phase := _outcome(pod)) != "":
            decision.steps.append(steps.Finish(phase))  # its sandbox was lost, and nothing of it is to run again
        elif pod.behind:
            pass  # it is looked at again when the pod before it has gone
        elif pod.failure is not None and now_s < pod.failure.retry_at_s:
            decision.again(pod.failure.retry_at_s)
            decision.stuck = pod.is_stuck()
        else:
            decision.steps.append(steps.ReadConfigs() if pod.configs is None else steps.MakeSandbox())
    elif pod.sandbox == "starting" and _overdue(pod.sandbox_asked_at_s, now_s, settings, decision):
        decision.steps.append(steps.MakeSandbox())


def _active_deadline_s(pod: PodRecord) -> float | None:
    spec = pod.pod.spec
    if spec is None or spec.active_deadline_seconds is None:
        return None
    return parse(pod.start_time) + spec.active_deadline_seconds


def _overdue(asked_at_s: float, now_s: float, settings: KubeletSettings, decision: Decision) -> bool:
    """Whether a request has been unanswered for too long; if not, decide again when it will have been."""
    due_s = asked_at_s + settings.runtime_timeout_s
    if now_s >= due_s:
        return True
    decision.again(due_s)
    return False


def _run_containers(pod: PodRecord, now_s: float, settings: KubeletSettings, decision: Decision) -> None:
    phase = _outcome(pod)
    if phase:
        decision.steps.append(steps.Finish(phase))
        return
    initialized = True
    for one in pod.containers.values():
        if one.kind == "main":
            if not initialized:
                break
        elif one.kind == "init":
            if pod.initialized or one.succeeded:
                continue
            initialized = False
        elif not pod.initialized and not (one.state == "running" and one.started):
            initialized = False
        _advance(pod, one, now_s, settings, decision)
        if not initialized:
            break
    if initialized and not pod.initialized:
        decision.steps.append(steps.Initialized())


def _outcome(pod: PodRecord) -> str:
    """The phase of a pod of which nothing will run any more; "" if something may."""
    code_sum, mains = 0, 0
    for one in pod.containers.values():
        if one.kind == "sidecar":
            continue
        ended = one.ended if one.state == "exited" else None
        if one.kind == "init":
            if ended is not None and ended.exit_code != 0 and not pod.initialized:
                if not one.restarted_after(ended.exit_code or 0, pod.policy):
                    return "Failed"
            continue
        if ended is None:
            return ""
        code = ended.exit_code or 0
        if one.restarted_after(code, pod.policy):
            return ""
        code_sum += code
        mains += 1
    return ("Failed" if code_sum else "Succeeded") if mains else ""


def _advance(pod: PodRecord, one: ContainerRecord, now_s: float, settings: KubeletSettings, decision: Decision) -> None:
    """Bring one container forward."""
    if one.state == "running":
        if one.kill:
            stop_one(one, now_s, one.kill_by_s, one.kill, settings, decision)
        return
    if one.state == "starting":
        if _overdue(one.asked_at_s, now_s, settings, decision):
            decision.steps.append(steps.Start(one.name))
        return
    if one.failure is not None and now_s < one.failure.retry_at_s:
        _wait_for_retry(pod, one.failure, now_s, settings, decision)
        return
    if one.state == "exited":
        ended = one.ended
        if ended is None or not one.restarted_after(ended.exit_code or 0, pod.policy):
            return
        due_s = one.restart_due_s(settings.timing)
        if now_s < due_s:
            decision.again(due_s)
            return
    decision.steps.append(steps.Start(one.name))


def _wait_for_retry(pod: PodRecord, failure: Failure, now_s: float, settings: KubeletSettings, decision: Decision) -> None:
    decision.again(failure.retry_at_s)
    if failure.reason in PULL_REASONS:
        words_change_s = pull_words_change_s(failure.count, failure.retry_at_s, settings.timing)
        if now_s < words_change_s:
            decision.again(words_change_s)
    decision.stuck = decision.stuck or pod.is_stuck()


# -- down ---------------------------------------------------------------------------------------------------------------------------


def stop_one(one: ContainerRecord, now_s: float, by_s: float, reason: str, settings: KubeletSettings, decision: Decision) -> None:
    """Bring a running container one step nearer to its end, which is to come at `by_s` at the latest."""
    if one.stop_by_s == 0.0 and _hook_goes_on(one, now_s, by_s, decision):
        return
    end_s = max(by_s, now_s + MINIMUM_GRACE_S)
    if one.stop_by_s == 0.0:
        decision.steps.append(steps.Stop(one.name, end_s - now_s, reason))
    elif end_s < one.stop_by_s:
        decision.steps.append(steps.Stop(one.name, end_s - now_s))  # the grace period was made shorter
    elif not one.stop_acked and _overdue(one.asked_at_s, now_s, settings, decision):
        decision.steps.append(steps.Stop(one.name, max(one.stop_by_s - now_s, 0.0)))
    elif one.stop_acked:
        late_s = max(one.stop_by_s, one.asked_at_s) + settings.runtime_timeout_s
        if now_s >= late_s:  # it should have ended long ago: the runtime has forgotten
            decision.steps.append(steps.Stop(one.name, 0.0))
        else:
            decision.again(late_s)


def _hook_goes_on(one: ContainerRecord, now_s: float, by_s: float, decision: Decision) -> bool:
    """Whether a container's preStop hook has to be waited for; it is begun if it has not been."""
    hook = one.spec.lifecycle.pre_stop if one.spec.lifecycle is not None else None
    if hook is None or one.pre_stop == "done" or now_s >= by_s:
        return False
    decision.again(by_s)
    if one.pre_stop == "":
        decision.steps.append(steps.PreStop(one.name, by_s - now_s))
    return True


def _stop_all(pod: PodRecord, now_s: float, settings: KubeletSettings, decision: Decision) -> None:
    """Bring all running containers nearer to their end. All hooks run at once; sidecars get their SIGTERM only when it is their turn, or
    the grace period is over (kuberuntime_termination_order.go, waitForTurn)."""
    running = [one for one in pod.containers.values() if one.state == "running"]
    turn = {one.name: None for one in _next_to_stop(running)}
    for one in running:
        if one.name in turn or one.stop_by_s or now_s >= pod.end_at_s:
            stop_one(one, now_s, pod.end_at_s, f"Stopping container {one.name}", settings, decision)
        else:
            decision.again(pod.end_at_s)
            _hook_goes_on(one, now_s, pod.end_at_s, decision)


def _end(pod: PodRecord, now_s: float, settings: KubeletSettings, decision: Decision) -> None:
    if pod.sandbox == "running":
        _stop_all(pod, now_s, settings, decision)
        if any(one.state == "running" for one in pod.containers.values()):
            return
        starting = any(one.state == "starting" for one in pod.containers.values())
        if pod.deleting or starting:
            decision.steps.append(steps.RemovePod())
    elif pod.sandbox == "starting":
        if _overdue(pod.sandbox_asked_at_s, now_s, settings, decision):
            decision.steps.append(steps.MakeSandbox())  # only what is known to be there can be removed for good
    elif pod.sandbox == "removing":
        if _overdue(pod.sandbox_asked_at_s, now_s, settings, decision):
            decision.steps.append(steps.RemovePod())
    elif pod.deleting and pod.delete == "" and pod.write.in_flight is None and now_s >= pod.write.retry_at_s:
        decision.steps.append(steps.Confirm())


def _next_to_stop(running: Sequence[ContainerRecord]) -> Sequence[ContainerRecord]:
    """Of the running containers those that are to be stopped now: sidecars wait for the others, and go one by one, the last first."""
    others = [one for one in running if one.kind != "sidecar"]
    return others or running[-1:]


def _vanish(pod: PodRecord, now_s: float, settings: KubeletSettings, decision: Decision) -> None:
    """Nothing of it may go on. "On the node, Pods that are set to terminate immediately will still be given a small grace period before
    being force killed" (Kubernetes' page on forced deletion)."""
    if pod.sandbox == "running":
        _stop_all(pod, now_s, settings, decision)
        if not any(one.state == "running" for one in pod.containers.values()):
            decision.steps.append(steps.RemovePod())
    elif pod.sandbox == "absent":
        decision.steps.append(steps.Forget())
    elif _overdue(pod.sandbox_asked_at_s, now_s, settings, decision):
        decision.steps.append(steps.MakeSandbox() if pod.sandbox == "starting" else steps.RemovePod())
