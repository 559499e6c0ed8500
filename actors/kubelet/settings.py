"""What a kubelet is told when it is made. Made by `runtime/face` from a `NodeSpec` and a `Timing`."""

from __future__ import annotations

from typing import Literal

import msgspec

from callboard.models.api.core import Taint
from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.messages.base import Address
from callboard.models.quantity import Quantity
from callboard.models.timing import KUBERNETES, Timing

Events = Literal["all", "warnings"]
VERSION = "v1.36.0"


class KubeletSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One node: its name, its container runtime, what it has, and the periods that it keeps.

    `events` "warnings" leaves out what Kubernetes tells of every pod that is well: Pulled, Created, Started, and Killing when it is to end.
    """

    node_name: str
    runtime: Address
    cpu: Quantity = "4"
    memory: Quantity = "8Gi"
    pods: int = 110
    ephemeral_storage: Quantity = "100Gi"
    pids: int = 32_768
    """Processes that its pods may be together before the node is short of them (the kernel's default pid_max)."""
    labels: FrozenMap = EMPTY_MAP
    taints: tuple[Taint, ...] = ()
    """Given to the node when it is registered (--register-with-taints)."""
    architecture: str = "amd64"
    timing: Timing = KUBERNETES
    events: Events = "warnings"
    runtime_timeout_s: float = 10.0
    """What the runtime has not answered by then is asked again, which means the same. A start may take longer."""
    start_quiet_s: float = 1.0
    """A pod that comes up within this time writes one status, not one per step."""
    service_links: bool = False
    """Whether containers get variables of Services. Then a kubelet watches Services, which thousands of kubelets had better not."""
    finished_kept: int = 32
    """Sandboxes of finished pods that are kept for their logs."""

    @property
    def capacity(self) -> FrozenMap:
        """What the node has, as its status says it. Nothing is reserved, so all of it is allocatable."""
        return FrozenMap(
            {
                "cpu": str(self.cpu),
                "ephemeral-storage": str(self.ephemeral_storage),
                "memory": str(self.memory),
                "pods": str(self.pods),
            }
        )
