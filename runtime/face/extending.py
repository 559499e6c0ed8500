"""Adding a user's controller to a running cluster or simulation. Used by `Cluster.add` and `Simulation.add`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from callboard.actors.informer import ClientSettings
from callboard.actors.usercontroller.actor import Program, UserController
from callboard.models.errors import BadRequest
from callboard.runtime.face.handles import ComponentHandle
from callboard.runtime.systems import System

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def program_of(controller: Any, watches: Sequence[str], keys_of: Callable[[Any], Iterable[str]] | None) -> Program:
    """What a user gave as a controller: a class or an object with a method `reconcile(view, now)`, or such a function itself.

    A class is made anew for every life of the controller, so that a restart forgets what it remembered.

    Raises:
        BadRequest: it is none of these, or nothing is watched.
    """
    if isinstance(watches, str) or not watches or not all(isinstance(kind, str) for kind in watches):
        raise BadRequest(f'watches={watches!r}: give the kinds that the controller watches, first that which it is about: ["configmaps"]')
    if inspect.isclass(controller):
        made: Any = controller
        if not callable(getattr(made, "reconcile", None)):
            raise BadRequest(f"{made.__name__} has no method reconcile(view, now)")

        def make() -> Any:
            return made().reconcile

    else:
        reconcile = getattr(controller, "reconcile", controller)
        if not callable(reconcile):
            raise BadRequest(f"{controller!r} is no controller; give a class with a method reconcile(view, now), or such a function")

        def make() -> Any:
            return reconcile

    return Program(make=make, watches=tuple(watches), keys_of=keys_of)


def name_of(controller: Any, name: str | None) -> str:
    """What the controller's component is called: `controller/` and its class's or function's name as Kubernetes writes names.

    Raises:
        BadRequest: a name that is none.
    """
    if name is None:
        plain = getattr(controller, "__name__", type(controller).__name__)
        name = _HUMP.sub("-", plain.strip("_<>").replace("_", "-")).lower()
    if not _NAME.fullmatch(name):
        raise BadRequest(f'name="{name}": a controller\'s name has lower-case letters, digits and "-"')
    return f"controller/{name}"


def start_controller(
    system: System, name: str, settings: ClientSettings, program: Program, machine: str, *, blocking: bool
) -> ComponentHandle:
    """Start the component, and its worker on a thread of its own if it blocks.

    Raises:
        BadRequest: there is a component of this name.
    """
    if name in system.names():
        raise BadRequest(f'there is a component "{name}" already; give this one another name=')
    worker = f"worker/{name.partition('/')[2]}" if blocking else ""

    def start() -> None:
        if blocking:
            from callboard.runtime.face.worker import ReconcileWorker

            system.start(worker, ReconcileWorker, program, name, system.post, machine=machine)
        system.start(name, UserController, settings, program, worker, machine=machine)

    system.call(start)
    return ComponentHandle(system, name)
