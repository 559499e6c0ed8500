"""Why a workload isn't ready, in one sentence: from its pods and the Events about them. Pure; for the errors of waits that ran out of time.

The words are those of the pods' own statuses and Events; which matters most follows kubectl's STATUS column (the worst that a container
says), and what a person would look at next (the scheduler's reason, the last end of a container, the last failed probe).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from callboard.models.columns.column import as_text
from callboard.models.describe.events import in_order
from callboard.models.look import Look, look

SHOWN = 3
"""Different troubles that a sentence names before it counts the rest."""
_HARMLESS = ("", "ContainerCreating", "PodInitializing")


def trouble_of(pods: Iterable[Any], events: Iterable[Any] = ()) -> str:
    """What keeps pods from being ready, equal troubles of several pods told once; "" if nothing is wrong with any of them.

    `events`: those about the pods and about what makes them. Without a pod in trouble, the newest warning about whatever makes pods counts.
    """
    warnings = [look(one) for one in in_order(events) if look(one).text("type") == "Warning"]
    by_trouble: dict[str, list[str]] = {}
    for one in pods:
        pod = look(one)
        text = as_text(_of_pod(pod, warnings))
        if text:
            by_trouble.setdefault(text, []).append(as_text(pod.name))
    if not by_trouble:
        about_makers = [one for one in warnings if one.text("involvedObject", "kind") not in ("Pod", "Node")]
        return as_text(_warning(about_makers[-1])) if about_makers else ""
    told = [_told(names, text) for text, names in sorted(by_trouble.items(), key=lambda entry: -len(entry[1]))]
    more = f"; and {len(told) - SHOWN} other troubles" if len(told) > SHOWN else ""
    return "; ".join(told[:SHOWN]) + more


def _told(names: Sequence[str], text: str) -> str:
    others = len(names) - 1
    return f"pod {names[0]}{f' and {others} more' if others else ''}: {text}"


def _warning(event: Look) -> str:
    kind, name = event.text("involvedObject", "kind").lower(), event.text("involvedObject", "name")
    return f"{kind}/{name}: {event.text('reason')}: {as_text(event.text('message').strip())}"


def _of_pod(pod: Look, warnings: Sequence[Look]) -> str:
    """What is wrong with one pod; "" if it is ready, or done, or on its way out."""
    if pod.condition("Ready").text("status") == "True" or pod.has("metadata", "deletionTimestamp"):
        return ""
    phase = pod.text("status", "phase")
    if phase == "Succeeded":
        return ""
    scheduled = pod.condition("PodScheduled")
    if scheduled.text("status") == "False":
        return f"{phase or 'Pending'}: {as_text(scheduled.text('message')) or scheduled.text('reason')}"
    for list_, sort in (("initContainerStatuses", "init container"), ("containerStatuses", "container")):
        for container in pod.items("status", list_):
            text = _of_container(container)
            if text:
                return f"{sort} {container.text('name')} {text}"
    own = [one for one in warnings if _is_about(one, pod)]
    reason = pod.text("status", "reason")
    if reason:
        message = as_text(pod.text("status", "message"))
        return f"{phase}: {reason}" + (f": {message}" if message else "")
    if own:
        return as_text(own[-1].text("message").strip())
    return _on_its_way(pod, phase)


def _is_about(event: Look, pod: Look) -> bool:
    uid = event.text("involvedObject", "uid")
    if uid and pod.text("metadata", "uid"):
        return uid == pod.text("metadata", "uid")
    return event.text("involvedObject", "kind") == "Pod" and event.text("involvedObject", "name") == pod.name


def _of_container(container: Look) -> str:
    """What a container suffers from: why it waits, or how it ended."""
    reason = container.text("state", "waiting", "reason")
    if reason not in _HARMLESS:
        message = as_text(container.text("state", "waiting", "message"))
        last = container.below("lastState", "terminated")
        if last.tree is not None:
            return f"waits: {reason} ({_end(last)}, {_restarts(container)})"
        return f"waits: {reason}" + (f" ({message})" if message else "")
    ended = container.below("state", "terminated")
    if ended.tree is not None and ended.number("exitCode"):
        return f"{_end(ended)}, {_restarts(container)}"
    return ""


def _restarts(container: Look) -> str:
    count = container.number("restartCount")
    return f"{count} restart" + ("" if count == 1 else "s")


def _end(ended: Look) -> str:
    reason, message = ended.text("reason"), as_text(ended.text("message"))
    words = f"ended with exit code {ended.number('exitCode')}" + (f", {reason}" if reason else "")
    return f"{words}: {message}" if message else words


def _on_its_way(pod: Look, phase: str) -> str:
    """Nothing is wrong yet; what it waits for."""
    for container in pod.items("status", "initContainerStatuses"):
        if not container.has("state", "terminated") and not container.flag("started"):
            return f"{phase}: init container {container.text('name')} isn't done"
    waiting = [one.text("name") for one in pod.items("status", "containerStatuses") if one.has("state", "waiting")]
    if waiting:
        return f"{phase}: container {waiting[0]} isn't running yet"
    unready = [one.text("name") for one in pod.items("status", "containerStatuses") if not one.flag("ready")]
    if unready:
        return f"{phase}: container {unready[0]} runs and isn't ready yet"
    closed = [
        gate.text("conditionType")
        for gate in pod.items("spec", "readinessGates")
        if pod.condition(gate.text("conditionType")).text("status") != "True"
    ]
    if closed:
        return f"{phase}: its readiness gate {closed[0]} isn't open"
    return f"{phase or 'Pending'}: its node has said nothing of it yet" if not pod.items("status", "containerStatuses") else ""
