"""Taking nodes out of service and back: `cordon`, `uncordon`, `drain`, with kubectl's rules and words. Used by node handles and the command
line, on whatever offers the verbs.

Source: kubectl pkg/drain and pkg/cmd/drain. A pod that may not be evicted now (code 429) is tried again every `RETRY_S`, as there.
"""

from __future__ import annotations

from collections.abc import Iterator

from callboard.models.api.core import Pod
from callboard.models.draining import DrainOptions, plan_drain
from callboard.models.errors import BadRequest, Conflict, NotFound, TooManyRequests, WaitTimeout
from callboard.runtime.face.contract import Seconds, seconds
from callboard.runtime.face.reading import DEFAULT_TIMEOUT_S
from callboard.runtime.face.verbs import Verbs

RETRY_S = 5.0
DRAIN_TIMEOUT_S = 300.0


def cordon(verbs: Verbs, node: str, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> str:
    """Let no further pods come to a node; returns kubectl's line about it. Raises `NotFound` if there is no such node."""
    return _set_unschedulable(verbs, node, True, "cordoned", timeout)


def uncordon(verbs: Verbs, node: str, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> str:
    """Let pods come to a node again; returns kubectl's line about it. Raises `NotFound` if there is no such node."""
    return _set_unschedulable(verbs, node, False, "uncordoned", timeout)


def _set_unschedulable(verbs: Verbs, node: str, wanted: bool, done: str, timeout: Seconds) -> str:
    current = verbs.get(f"node/{node}", timeout=timeout)
    if bool(current.spec is not None and current.spec.unschedulable) == wanted:
        return f"node/{node} already {done}"
    verbs.patch(f"node/{node}", {"spec": {"unschedulable": wanted or None}}, timeout=timeout)
    return f"node/{node} {done}"


def drain(
    verbs: Verbs,
    node: str,
    *,
    force: bool = False,
    ignore_daemonsets: bool = False,
    delete_emptydir_data: bool = False,
    grace: Seconds | None = None,
    timeout: Seconds = DRAIN_TIMEOUT_S,
) -> Iterator[str]:
    """Cordon a node, evict its pods and wait until they are gone; yields a line for each thing done, in kubectl's words.

    `grace` overrides the pods' own grace periods. PodDisruptionBudgets are honoured: a pod that may not go now is tried again.

    Raises:
        BadRequest: pods are in the way that the options don't allow to evict. The node stays cordoned, and no pod was evicted.
        WaitTimeout: pods are still there after `timeout`; names them.
    """
    options = DrainOptions(force=force, ignore_daemonsets=ignore_daemonsets, delete_emptydir_data=delete_emptydir_data)
    yield cordon(verbs, node)
    pods = verbs.list("pods", namespace="", fields=f"spec.nodeName={node}")
    plan = plan_drain(pods, options)
    yield from (f"Warning: {warning}" for warning in plan.warnings)
    if plan.forbidden:
        raise BadRequest(f'unable to drain node "{node}": {plan.forbidden}')
    left_s = seconds(timeout)
    waiting = list(plan.evict)
    while waiting:
        refused = []
        for pod in waiting:
            yield f"evicting pod {_name(pod)}"
            problem = _evict(verbs, pod, grace)
            if problem:
                refused.append(pod)
                yield f'error when evicting pods/"{pod.metadata.name}" -n "{pod.metadata.namespace}" (will retry after 5s): {problem}'
        if refused and left_s <= 0:
            raise WaitTimeout(f"node {node} is not drained after {seconds(timeout):g} s; evictions are still refused of {_names(refused)}")
        left_s -= RETRY_S if refused else 0.0
        waiting = verbs.still_there(refused, timeout=RETRY_S)
    left = verbs.still_there(plan.evict, timeout=left_s if left_s > 0 else RETRY_S)
    gone = [pod for pod in plan.evict if pod not in left]
    yield from (f"pod/{pod.metadata.name} evicted" for pod in gone)
    if left:
        raise WaitTimeout(f"node {node} is not drained after {seconds(timeout):g} s; still there: {_names(left)}")
    yield f"node/{node} drained"


def _evict(verbs: Verbs, pod: Pod, grace: Seconds | None) -> str:
    """Ask for the eviction; "" if it is under way or the pod is gone, else why it may not go now."""
    try:
        verbs.evict(pod, grace=grace)
    except TooManyRequests as refusal:
        return str(refusal)
    except (NotFound, Conflict):  # it is gone, or another pod has its name by now
        return ""
    return ""


def _name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def _names(pods: list[Pod]) -> str:
    return ", ".join(_name(pod) for pod in pods)
