"""How a node's object speaks of pressure."""

from __future__ import annotations

import pytest

from callboard.actors.kubelet.nodestatus import pressure_event, status_of_node
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.models.api.core import NodeStatus
from callboard.models.base import FrozenMap, replace

OWN = KubeletSettings(node_name="node-1", runtime="runtime/node-1")


def spoken(status: NodeStatus) -> dict[str, tuple[str, str, str]]:
    return {one.type: (one.status, one.reason, one.message) for one in status.conditions}


def test_pressures_that_hold_are_told_in_kubernetes_words() -> None:
    """Source: pkg/kubelet/nodestatus/setters.go."""
    status = status_of_node(OWN, NodeStatus(), "172.16.0.1", "", 0.0, ("MemoryPressure", "PIDPressure"))
    assert spoken(status) == {
        "MemoryPressure": ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }


def test_until_something_is_measured_what_is_known_of_pressure_stays() -> None:
    """A kubelet that has just restarted lifts no taint that it knows nothing of."""
    before = status_of_node(OWN, NodeStatus(), "", "", 0.0, ("DiskPressure",))
    after = status_of_node(OWN, before, "", "", 100.0)
    assert spoken(after) == spoken(before)
    assert [one.last_transition_time for one in after.conditions] == [one.last_transition_time for one in before.conditions]
    lifted = status_of_node(OWN, after, "", "", 200.0, ())
    assert spoken(lifted)["DiskPressure"][0] == "False"
    assert lifted.conditions[1].last_transition_time == "1970-01-01T00:03:20Z"


@pytest.mark.parametrize(
    ("pressure", "there", "absent"),
    [
        ("MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
        ("DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"),
        ("PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"),
    ],
)
def test_an_event_tells_when_a_pressure_comes_or_goes(pressure: str, there: str, absent: str) -> None:
    assert (pressure_event(pressure, True), pressure_event(pressure, False)) == (there, absent)


def test_a_resource_that_was_patched_in_stays_and_can_be_allocated() -> None:
    """Source: setters.go (MachineInfo): capacity is not blindly overwritten, and allocatable follows it."""
    before = status_of_node(OWN, NodeStatus(), "", "", 0.0)
    patched = replace(
        before,
        capacity=FrozenMap({**before.capacity, "cpu": "99", "example.org/gpu": "4"}),
        allocatable=FrozenMap({**before.allocatable, "example.org/gone": "1"}),
    )
    after = status_of_node(OWN, patched, "", "", 1.0)
    assert dict(after.capacity) == {**before.capacity, "example.org/gpu": "4"}
    assert after.allocatable == after.capacity
