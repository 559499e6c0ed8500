"""Why a workload isn't ready, in a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.models.decode import from_dict
from callboard.models.kinds import Scheme
from callboard.models.trouble import trouble_of
from tests.models.test_round_trips import full, trees

SCHEME = Scheme.builtin()
POD, EVENT = SCHEME.lookup("pods"), SCHEME.lookup("events")


def pod(name: str = "web-1", **status: Any) -> dict[str, Any]:
    """A pod with this status."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "uid": f"u-{name}"}, "spec": {}, "status": status}


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The status of container `app`."""
    return {"name": "app", "ready": False, "state": state, **more}


def warning(message: str, kind: str = "Pod", name: str = "web-1", at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """A Warning about an object."""
    about = {"kind": kind, "name": name, "uid": f"u-{name}"}
    return {"kind": "Event", "type": "Warning", "reason": "Why", "message": message, "involvedObject": about, "lastTimestamp": at}


RUNNING: dict[str, Any] = {"running": {}}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu."}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}

CASES: list[tuple[str, dict[str, Any], list[Any], str]] = [
    ("a ready pod", pod(conditions=[{"type": "Ready", "status": "True"}]), [], ""),
    ("a pod that is done", pod(phase="Succeeded"), [], ""),
    (
        "no node has room: the scheduler's words",
        pod(phase="Pending", conditions=[UNSCHEDULED]),
        [],
        "pod web-1: Pending: 0/3 nodes are available: 3 Insufficient cpu.",
    ),
    (
        "a crash loop: how it ended last, and how often",
        pod(containerStatuses=[container({"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=4, lastState=KILLED)]),
        [],
        "pod web-1: container app waits: CrashLoopBackOff (ended with exit code 137, OOMKilled, 4 restarts)",
    ),
    (
        "an image that can't be had: the runtime's words",
        pod(containerStatuses=[container({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})]),
        [],
        "pod web-1: container app waits: ImagePullBackOff (no such image)",
    ),
    (
        "a container that ended",
        pod(containerStatuses=[container({"terminated": {"exitCode": 3, "reason": "Error"}}, restartCount=1)]),
        [],
        "pod web-1: container app ended with exit code 3, Error, 1 restart",
    ),
    (
        "an init container comes before the others",
        pod(
            initContainerStatuses=[{**container({"waiting": {"reason": "CrashLoopBackOff"}}), "name": "prepare"}],
            containerStatuses=[container({"waiting": {"reason": "PodInitializing"}})],
        ),
        [],
        "pod web-1: init container prepare waits: CrashLoopBackOff",
    ),
    (
        "a probe that fails: the newest Event",
        pod(phase="Running", containerStatuses=[container(RUNNING)]),
        [
            warning("Readiness probe failed: new", at="2026-01-02T00:00:00Z"),
            warning("Readiness probe failed: old"),
            warning("other", name="web-9"),
        ],
        "pod web-1: Readiness probe failed: new",
    ),
    (
        "nothing wrong yet: what it waits for",
        pod(phase="Running", containerStatuses=[container(RUNNING)]),
        [],
        "pod web-1: Running: container app runs and isn't ready yet",
    ),
    ("its node is silent", pod(phase="Pending"), [], "pod web-1: Pending: its node has said nothing of it yet"),
    ("evicted", pod(phase="Failed", reason="Evicted", message="no memory"), [], "pod web-1: Failed: Evicted: no memory"),
]


@pytest.mark.parametrize(("what", "obj", "events", "text"), CASES, ids=[case[0] for case in CASES])
def test_a_pod_s_trouble_in_words(what: str, obj: dict[str, Any], events: list[Any], text: str) -> None:
    assert trouble_of([obj], events) == text, what


def test_equal_troubles_of_several_pods_are_told_once_the_most_common_first() -> None:
    loop = [container({"waiting": {"reason": "CrashLoopBackOff"}})]
    pods = [pod("a", containerStatuses=[container(KILLED)]), pod("b", containerStatuses=loop), pod("c", containerStatuses=loop)]
    assert trouble_of(pods) == (
        "pod b and 1 more: container app waits: CrashLoopBackOff; pod a: container app ended with exit code 137, OOMKilled, 0 restarts"
    )


def test_of_many_different_troubles_three_are_told_and_the_rest_counted() -> None:
    pods = [pod(str(code), containerStatuses=[container({"terminated": {"exitCode": code}})]) for code in range(1, 6)]
    assert trouble_of(pods).endswith("; and 2 other troubles")


def test_without_any_pod_the_newest_warning_about_what_makes_them_counts() -> None:
    events = [warning("exceeded quota: q", kind="ReplicaSet", name="web-1"), warning("probe", kind="Pod")]
    assert trouble_of([], events) == "replicaset/web-1: Why: exceeded quota: q"
    assert trouble_of([], []) == ""


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_pod_and_no_event_breaks_the_sentence(data: st.DataObject) -> None:
    obj = from_dict(full(data.draw(trees(POD.definition)), POD), SCHEME, strict=False)
    event = from_dict(full(data.draw(trees(EVENT.definition)), EVENT), SCHEME, strict=False)
    assert len(trouble_of([obj], [event]).splitlines()) <= 1
