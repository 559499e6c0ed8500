"""Everything that can go wrong on purpose: immutable values with a start, a duration and a target. `carrying.py` makes them happen.

`at_s` counts from the moment when the cluster is up (in `Simulation.faults`: from now). Targets name processes (`scheduler`,
`controller/replicaset`, `kubelet/node-1`, `apiserver-0`) or machines (`node-1`, `control-plane`); where a link is meant, patterns such as
`kubelet/*` name several.
"""

from __future__ import annotations

from typing import Literal

import msgspec

WriteStep = Literal["append", "apply", "acknowledge", "fan-out"]
WRITE_STEPS: tuple[WriteStep, ...] = ("append", "apply", "acknowledge", "fan-out")
"""What becomes of a write in the store, step by step."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag_field="fault", tag=lambda name: name):
    """Base of all faults. A fault without a duration (0) is a single blow, and is over at once."""

    at_s: float = 0.0
    for_s: float = 0.0


# -- links --------------------------------------------------------------------------------------------------------------------------


class LinkDelay(Fault, frozen=True, kw_only=True):
    """Every message from `source` to `target` takes `delay_s` longer."""

    source: str
    target: str
    delay_s: float


class LinkDrop(Fault, frozen=True, kw_only=True):
    """Of the messages from `source` to `target` of these types (none named: all) every n-th is lost (1: all of them)."""

    source: str
    target: str
    types: tuple[str, ...] = ()
    every: int = 1


class LinkRepeat(Fault, frozen=True, kw_only=True):
    """Of the messages from `source` to `target` of these types (none named: all) every n-th arrives twice."""

    source: str
    target: str
    types: tuple[str, ...] = ()
    every: int = 1


class Partition(Fault, frozen=True, kw_only=True):
    """Nothing gets from `a` to `b`, nor back unless it is `one_way`."""

    a: str
    b: str = "*"
    one_way: bool = False


# -- machines and processes ---------------------------------------------------------------------------------------------------------


class NodeCrash(Fault, frozen=True, kw_only=True):
    """A node's power is cut for a while: kubelet, proxy, runtime and containers are gone, and it comes back empty."""

    target: str


class NodeReplace(Fault, frozen=True, kw_only=True):
    """A node is removed, and one of the same name comes after `for_s`."""

    target: str


class ProcessRestart(Fault, frozen=True, kw_only=True):
    """A process ends at once and is started again after `for_s`; what it knew and what was on its way to it is gone."""

    target: str


class ControllerRestart(ProcessRestart, frozen=True, kw_only=True):
    """The same of the scheduler, a controller (or a copy of one), the name service, a proxy."""


class KubeletRestart(ProcessRestart, frozen=True, kw_only=True):
    """The same of a kubelet: its containers run on, and it has to find them again."""


class ApiServerCrash(ProcessRestart, frozen=True, kw_only=True):
    """The same of an apiserver: its caches and all watch streams are gone."""


class ServerGone(Fault, frozen=True, kw_only=True):
    """An apiserver ends and does not come back: the others have to do."""

    target: str


class StoreCrash(ProcessRestart, frozen=True, kw_only=True):
    """The same of the store: what was not durable is gone, what was acknowledged is not. Where it has a journal, its driver ends with it.

    `at` names a step of the `write`-th write from `at_s` on, after which it ends instead: what is written is appended and not synced
    ("append"), synced and not visible ("apply"), visible, and nobody hears an answer any more ("acknowledge"), or answered, and no
    apiserver is told of the change ("fan-out"). At "append" the power goes too, and what becomes of unsynced bytes is the disk's choice.
    """

    at: Literal["", WriteStep] = ""
    write: int = 1


# -- the store's disk ---------------------------------------------------------------------------------------------------------------


class DiskSlow(Fault, frozen=True, kw_only=True):
    """Every sync of the store's journal takes `delay_s` longer; writes wait, reads don't."""

    delay_s: float


class DiskFull(Fault, frozen=True, kw_only=True):
    """There is no room on the store's disk: a write leaves a part of itself there and fails."""


class TornWrite(Fault, frozen=True, kw_only=True):
    """From `at_s` on, the power goes in the middle of the n-th write to the store's journal: a part of its last record is on the disk. The
    store comes back after `for_s`."""

    write: int = 1


# -- writes -------------------------------------------------------------------------------------------------------------------------


class RestartAtWrite(Fault, frozen=True, kw_only=True):
    """From `at_s` on, the n-th write of a process is its last deed: it is crashed right after sending it, before it can hear what came of
    that, and started again after `for_s`."""

    target: str
    write: int = 1


class Pause(Fault, frozen=True, kw_only=True):
    """A process stands still, as in a long garbage collection: nothing is lost, everything waits, and its leases run out."""

    target: str


class ClockJump(Fault, frozen=True, kw_only=True):
    """A machine's clock is `skew_s` ahead (behind, if negative) for a while."""

    target: str
    skew_s: float


# -- apiservers and watch streams ---------------------------------------------------------------------------------------------------


class WatchDelay(Fault, frozen=True, kw_only=True):
    """What a process is told of changes is held until the fault is over; it asks and writes all the same. `resource` (as `pods`) limits
    it to the streams of one kind."""

    target: str
    resource: str = ""


class WatchDrop(Fault, frozen=True, kw_only=True):
    """Every n-th piece of what a process is told of changes is lost: a breach of the transport's contract, which it has to notice."""

    target: str
    every: int = 1


class AnswerLost(Fault, frozen=True, kw_only=True):
    """Every n-th answer to a write of a process is lost after the write has had its effect."""

    target: str
    every: int = 1


class DeafAfterWrite(Fault, frozen=True, kw_only=True):
    """The n-th write of a process from `at_s` on has its effect, and until the fault is over the process hears nothing from any apiserver:
    neither what came of the write, nor what others see of it."""

    target: str
    write: int = 1


class ServerLag(Fault, frozen=True, kw_only=True):
    """An apiserver hears of what the store has committed only when the fault is over: its reads and watches are of the past."""

    target: str


class Compaction(Fault, frozen=True, kw_only=True):
    """The store forgets its history: watches that are behind get 410."""


AnyFault = (
    LinkDelay
    | LinkDrop
    | LinkRepeat
    | Partition
    | NodeCrash
    | NodeReplace
    | ControllerRestart
    | KubeletRestart
    | ApiServerCrash
    | ServerGone
    | StoreCrash
    | DiskSlow
    | DiskFull
    | TornWrite
    | RestartAtWrite
    | Pause
    | ClockJump
    | WatchDelay
    | WatchDrop
    | AnswerLost
    | DeafAfterWrite
    | ServerLag
    | Compaction
)
