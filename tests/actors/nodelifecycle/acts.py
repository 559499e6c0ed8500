"""What the tests of the node lifecycle controller do again and again."""

from __future__ import annotations

from typing import Any

from callboard.actors.nodelifecycle.actor import NodeLifecycleController
from tests.actors.scheduler.objects import node, pod
from tests.actors.scheduler.world import World

CONTROLLER = "controller/nodelifecycle"


def start(w: World, *names: str) -> None:
    """The controller, and nodes of these names that renew their leases."""
    for name in names:
        w.create("nodes", node(name))
        w.renew(name)
    w.beat(*names)
    w.system.start(CONTROLLER, NodeLifecycleController, w.client, w.timing)
    w.run(2.0)


def running(w: World, name: str, where: str, **fields: Any) -> Any:
    """A pod that runs and is ready."""
    return w.create("pods", pod(name, bound=where, phase="Running", ready=True, **fields))


def hold_streams(w: World, seconds: float) -> None:
    """All that the controller hears of changes comes late."""
    w.system.links.hold(lambda passage: seconds if passage.target == CONTROLLER and passage.type == "WatchBatch" else 0.0)


def count_sent(w: World, type_: str, resource: str) -> list[Any]:
    """The controller's requests of this type from now on."""
    sent: list[Any] = []

    def judge(passage: Any, message: Any) -> bool:
        if passage.type == type_ and message.resource == resource:
            sent.append(message)
        return False

    w.system.links.drop(CONTROLLER, "apiserver-0", judge)
    return sent
