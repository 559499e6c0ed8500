"""READY, STATUS and RESTARTS of pods, by the rules of printPod in kubernetes pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.columns import cells_of, summary_of
from callboard.models.decode import from_dict
from callboard.models.kinds import Scheme
from callboard.models.look import look
from callboard.models.times import rfc3339

SCHEME = Scheme.builtin()
POD = SCHEME.lookup("pods")
NOW_S = 1_800_000_000.0

RUNNING: dict[str, Any] = {"running": {}}


def ended(code: int = 0, reason: str = "", signal: int = 0, ago_s: float = 0.0) -> dict[str, Any]:
    """A terminated state."""
    found: dict[str, Any] = {"exitCode": code, "finishedAt": rfc3339(NOW_S - ago_s)}
    return {"terminated": {**found, **({"reason": reason} if reason else {}), **({"signal": signal} if signal else {})}}


def waiting(reason: str) -> dict[str, Any]:
    """A waiting state."""
    return {"waiting": {"reason": reason}}


def container(name: str, state: dict[str, Any], ready: bool = False, restarts: int = 0, **more: Any) -> dict[str, Any]:
    """A container's status."""
    return {"name": name, "state": state, "ready": ready, "restartCount": restarts, "image": "i", "imageID": "", **more}


def pod(
    statuses: tuple[dict[str, Any], ...] = (),
    *,
    phase: str = "Running",
    inits: tuple[dict[str, Any], ...] = (),
    init_specs: tuple[dict[str, Any], ...] = (),
    conditions: tuple[tuple[str, str], ...] = (),
    meta: dict[str, Any] | None = None,
    names: tuple[str, ...] = ("a", "b"),
    **status: Any,
) -> Any:
    """A pod of two containers, as it is stored."""
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "creationTimestamp": rfc3339(NOW_S - 3600), **(meta or {})},
        "spec": {
            "containers": [{"name": name, "image": "i"} for name in names],
            **({"initContainers": [{"image": "i", **spec} for spec in init_specs]} if init_specs else {}),
        },
        "status": {
            "phase": phase,
            "containerStatuses": [*statuses],
            "initContainerStatuses": [*inits],
            "conditions": [{"type": type_, "status": value} for type_, value in conditions],
            **status,
        },
    }
    return from_dict(tree, SCHEME)


DELETED = {"deletionTimestamp": rfc3339(NOW_S - 5)}
READY = (("Ready", "True"),)
I1, I2, SIDECAR = {"name": "i1"}, {"name": "i2"}, {"name": "s", "restartPolicy": "Always"}
UP = (container("a", RUNNING, True), container("b", RUNNING, True))

CASES: list[tuple[str, Any, str, str, str]] = [
    ("all containers run", pod(UP), "2/2", "Running", "0"),
    ("no status yet: the phase", pod(phase="Pending"), "0/2", "Pending", "0"),
    (
        "a waiting reason",
        pod((container("a", waiting("ContainerCreating")),), phase="Pending"),
        "0/2",
        "ContainerCreating",
        "0",
    ),
    ("a reason of the pod is better than its phase", pod(phase="Failed", reason="Evicted"), "0/2", "Evicted", "0"),
    (
        "a crash loop is the reason of the waiting container",
        pod((container("a", waiting("CrashLoopBackOff"), restarts=5, lastState=ended(1, "Error", ago_s=300)), UP[1])),
        "1/2",
        "CrashLoopBackOff",
        "5 (5m ago)",
    ),
    (
        "the first container has the last word",
        pod((container("a", waiting("First")), container("b", waiting("Second")))),
        "0/2",
        "First",
        "0",
    ),
    ("an exit code stands for a missing reason", pod((container("a", ended(3)), UP[1])), "1/2", "ExitCode:3", "0"),
    ("a signal is better than an exit code", pod((container("a", ended(137, signal=9)), UP[1])), "1/2", "Signal:9", "0"),
    ("all done", pod((container("a", ended(0, "Completed")),), phase="Succeeded", names=("a",)), "0/1", "Completed", "0"),
    (
        "one done, one runs, pod ready",
        pod((container("a", ended(0, "Completed")), UP[1]), conditions=READY),
        "1/2",
        "Running",
        "0",
    ),
    ("one done, one runs, not ready", pod((container("a", ended(0, "Completed")), UP[1])), "1/2", "NotReady", "0"),
    (
        "one done beside a failed one: the failure",
        pod((container("a", ended(0, "Completed")), container("b", ended(1, "Error"))), phase="Failed"),
        "0/2",
        "Error",
        "0",
    ),
    ("the first init container runs", pod(phase="Pending", init_specs=(I1, I2), inits=(container("i1", RUNNING),)), "0/2", "Init:0/2", "0"),
    (
        "one init container is done",
        pod(phase="Pending", init_specs=(I1, I2), inits=(container("i1", ended(0)), container("i2", RUNNING))),
        "0/2",
        "Init:1/2",
        "0",
    ),
    (
        "the init container's reason",
        pod(phase="Pending", init_specs=(I1,), inits=(container("i1", waiting("CrashLoopBackOff"), restarts=2),)),
        "0/2",
        "Init:CrashLoopBackOff",
        "2",
    ),
    (
        "PodInitializing says nothing of an init container",
        pod(phase="Pending", init_specs=(I1,), inits=(container("i1", waiting("PodInitializing")),)),
        "0/2",
        "Init:0/1",
        "0",
    ),
    ("a failed init container", pod(phase="Pending", init_specs=(I1,), inits=(container("i1", ended(2)),)), "0/2", "Init:ExitCode:2", "0"),
    (
        "a failed init container by signal",
        pod(phase="Pending", init_specs=(I1,), inits=(container("i1", ended(1, signal=15)),)),
        "0/2",
        "Init:Signal:15",
        "0",
    ),
    (
        "after the init containers",
        pod((container("a", waiting("PodInitializing")),), phase="Pending", init_specs=(I1,), inits=(container("i1", ended(0)),)),
        "0/2",
        "PodInitializing",
        "0",
    ),
    (
        "restarts of init containers don't count once they are done",
        pod(UP, init_specs=(I1,), inits=(container("i1", ended(0), restarts=3),)),
        "2/2",
        "Running",
        "0",
    ),
    (
        "a started sidecar counts in READY and its restarts stay",
        pod(UP, init_specs=(SIDECAR,), inits=(container("s", RUNNING, True, 2, started=True, lastState=ended(1, ago_s=7200)),)),
        "3/3",
        "Running",
        "2 (120m ago)",
    ),
    (
        "a sidecar that hasn't started holds the pod up",
        pod(phase="Pending", init_specs=(SIDECAR,), inits=(container("s", RUNNING, started=False),)),
        "0/3",
        "Init:0/1",
        "0",
    ),
    ("asked to go", pod(UP, meta=DELETED), "2/2", "Terminating", "0"),
    ("asked to go, on a lost node", pod(UP, meta=DELETED, reason="NodeLost"), "2/2", "Unknown", "0"),
    (
        "a finished pod that is deleted stays what it became",
        pod((container("a", ended(0, "Completed")),), phase="Succeeded", meta=DELETED, names=("a",)),
        "0/1",
        "Completed",
        "0",
    ),
]


@pytest.mark.parametrize(("what", "obj", "ready", "status", "restarts"), CASES, ids=[case[0] for case in CASES])
def test_a_pod_reads_as_print_pod_prints_it(what: str, obj: Any, ready: str, status: str, restarts: str) -> None:
    found = summary_of(look(obj))
    assert (f"{found.ready}/{found.total}", found.status, found.restarts_text(NOW_S)) == (ready, status, restarts), what


def test_a_pod_with_scheduling_gates_says_so() -> None:
    gated = pod(phase="Pending")
    tree = gated.to_dict()
    tree["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    assert summary_of(look(from_dict(tree, SCHEME))).status == "SchedulingGated"


def test_the_last_restart_is_the_latest_of_all_containers() -> None:
    early, late = ended(1, "Error", ago_s=3600 * 5), ended(1, "Error", ago_s=150)
    both = pod((container("a", RUNNING, True, 1, lastState=late), container("b", RUNNING, True, 4, lastState=early)))
    assert summary_of(look(both)).restarts_text(NOW_S) == "5 (2m30s ago)"


def test_wide_columns_show_where_a_pod_is() -> None:
    tree = pod(UP, conditions=(("g/one", "True"), ("g/two", "False"))).to_dict()
    tree["spec"] |= {"nodeName": "n1", "readinessGates": [{"conditionType": "g/one"}, {"conditionType": "g/two"}]}
    tree["status"] |= {"podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}], "nominatedNodeName": "n2"}
    cells = cells_of(POD, [from_dict(tree, SCHEME), pod()], NOW_S, wide=True)
    assert cells.headers == ("NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES")
    assert cells.rows[0][5:] == ("10.0.0.7", "n1", "n2", "1/2")
    assert cells.rows[1][5:] == ("<none>", "<none>", "<none>", "<none>")
