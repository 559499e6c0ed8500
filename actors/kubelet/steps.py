"""What a kubelet's decision about a pod may want done: the values that `decide` returns and the actor carries out."""

from __future__ import annotations

import msgspec


class Step(msgspec.Struct, frozen=True, gc=False):
    """Base of all steps."""


class ReadConfigs(Step, frozen=True, gc=False):
    """Read the ConfigMaps and Secrets that the pod refers to."""


class MakeSandbox(Step, frozen=True, gc=False):
    """Ask for the pod's sandbox, perhaps again."""


class Start(Step, frozen=True, gc=False):
    """Ask for the next life of a container, or again for the one that was asked for."""

    name: str


class Stop(Step, frozen=True, gc=False):
    """Ask a container to end within `grace_s` seconds; `reason` is told to the user ("" if it has been)."""

    name: str
    grace_s: float
    reason: str = ""


class PreStop(Step, frozen=True, gc=False):
    """Carry out a container's preStop hook, for `limit_s` at most."""

    name: str
    limit_s: float


class Finish(Step, frozen=True, gc=False):
    """The pod's phase is decided for good."""

    phase: str
    reason: str = ""
    message: str = ""


class Initialized(Step, frozen=True, gc=False):
    """All init containers have done their work."""


class RemovePod(Step, frozen=True, gc=False):
    """Ask for the removal of the pod's sandbox, perhaps again."""


class Confirm(Step, frozen=True, gc=False):
    """Tell the API that nothing of the pod is left on this node: delete its object."""


class Forget(Step, frozen=True, gc=False):
    """Nothing of the pod is left anywhere."""


class Tell(Step, frozen=True, gc=False):
    """Record an Event about the pod."""

    type: str
    reason: str
    message: str


class Decision(msgspec.Struct, gc=False):
    """Steps in their order, and when to decide again even if nothing happens (seconds since the epoch; 0: never).

    `stuck` tells that only something from outside can change what is tried again then: nothing goes on until that happens.
    """

    steps: list[Step]
    again_at_s: float = 0.0
    stuck: bool = False

    def again(self, at_s: float) -> None:
        """Decide again at this time, if not before."""
        if self.again_at_s == 0.0 or at_s < self.again_at_s:
            self.again_at_s = at_s
