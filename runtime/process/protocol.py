"""What the process daemon says: answers to requests, and facts that it pushes. Facts are in the past tense, all of them immutable.

Made by `client.py` from the daemon's frames; read by container runtimes and the command line. Times are seconds since the epoch.
"""

from __future__ import annotations

import msgspec

from callboard.models.messages.base import Message
from callboard.runtime.errors import CallboardError
from callboard.runtime.process.usage import ContainerSample


class ContainerRecord(msgspec.Struct, frozen=True, gc=False):
    """One container as the daemon knows it. `exit_code` is 128 + signal for one ended by a signal; 0 while it runs."""

    container_id: str
    node: str
    pid: int
    log_path: str
    started_at_s: float
    running: bool
    exit_code: int
    signal: int
    finished_at_s: float
    oom_killed: bool = False


class ProcessMessage(Message, frozen=True, gc=False, tag_field="type", tag=True):
    """Base of all that comes from the process daemon."""


class ProcessAnswer(ProcessMessage, frozen=True, gc=False, tag=True):
    """Base of answers: `id` is the number that the request's method returned."""

    id: int


class Hello(ProcessMessage, frozen=True, gc=False, tag=True):
    """First word of a daemon: who it is, where its state lies, that addresses `127.<block>.0.0/16` belong to this cluster, and at which
    level of isolation it runs. `pid` is made that of whoever hears it."""

    pid: int
    state_dir: str
    durable: bool
    cluster_id: str
    block: int
    level: str = "C0"


class HelperStarted(ProcessAnswer, frozen=True, gc=False, tag=True):
    """A helper of this name runs as the daemon's child; it may have done so before. `pid` is as the daemon sees it."""

    name: str
    pid: int

    def subject(self) -> str:
        return self.name


class HelperEnded(ProcessMessage, frozen=True, gc=False, tag=True):
    """A helper has ended; below 0 its `exit_code` is a signal."""

    name: str
    exit_code: int

    def subject(self) -> str:
        return self.name


class CannotStart(ProcessMessage, frozen=True, gc=False, tag=True):
    """Only word of a daemon that could not start."""

    message: str


class Exited(ProcessMessage, frozen=True, gc=False, tag=True):
    """A container has ended and nothing of it is left. `signal` is 0 if it ended by itself; else `exit_code` is 128 + signal."""

    container_id: str
    node: str
    pid: int
    log_path: str
    started_at_s: float
    running: bool
    exit_code: int
    signal: int
    finished_at_s: float
    oom_killed: bool = False

    def subject(self) -> str:
        return self.container_id


class Started(ProcessAnswer, frozen=True, gc=False, tag=True):
    """The container's program has been executed."""

    container_id: str
    node: str
    pid: int
    started_at_s: float

    def subject(self) -> str:
        return self.container_id


class StartFailed(ProcessAnswer, frozen=True, gc=False, tag=True):
    """The container's program could not be executed. `reason` is one of Kubernetes' words (`CreateContainerError`)."""

    container_id: str
    node: str
    reason: str
    message: str

    def subject(self) -> str:
        return self.container_id


class CommandEnded(ProcessAnswer, frozen=True, gc=False, tag=True):
    """A command beside a container has ended, of its own accord or (`timed_out`) since its time was over; what it started is killed."""

    container_id: str
    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    timed_out: bool

    def subject(self) -> str:
        return self.container_id


class Signalled(ProcessAnswer, frozen=True, gc=False, tag=True):
    """The signal was sent to the container's process group; `delivered` is False if it had ended already."""

    container_id: str
    node: str
    signum: int
    delivered: bool

    def subject(self) -> str:
        return self.container_id


class NodeKilled(ProcessAnswer, frozen=True, gc=False, tag=True):
    """SIGKILL was sent to all containers of the node that ran; their `Exited` follow."""

    node: str
    container_ids: tuple[str, ...]

    def subject(self) -> str:
        return self.node


class Listed(ProcessAnswer, frozen=True, gc=False, tag=True):
    """The containers of a node (of all nodes if `node` is ""), running or ended and not yet forgotten, in order of their start."""

    node: str
    containers: tuple[ContainerRecord, ...]

    def subject(self) -> str:
        return self.node


class UsageMeasured(ProcessAnswer, frozen=True, gc=False, tag=True):
    """What the containers that were asked for use; those without a process are not in it."""

    samples: tuple[ContainerSample, ...]


class Forgotten(ProcessAnswer, frozen=True, gc=False, tag=True):
    """The daemon knows nothing of this container any more (`node` is "" if it never did)."""

    container_id: str
    node: str

    def subject(self) -> str:
        return self.container_id


class RequestFailed(ProcessAnswer, frozen=True, gc=False, tag=True):
    """The daemon could not do what was asked, or is gone."""

    message: str


class ShutDown(ProcessAnswer, frozen=True, gc=False, tag=True):
    """Every container is gone and the daemon ends. `stopped` names those that ran. Also pushed, with `id` 0, when nobody asked."""

    stopped: tuple[str, ...]


class DaemonLost(ProcessMessage, frozen=True, gc=False, tag=True):
    """The daemon is gone without having been asked; so are all its containers."""

    message: str


FromDaemon = (
    Hello
    | CannotStart
    | Exited
    | HelperStarted
    | HelperEnded
    | Started
    | StartFailed
    | CommandEnded
    | Signalled
    | NodeKilled
    | Listed
    | UsageMeasured
    | Forgotten
    | RequestFailed
    | ShutDown
    | DaemonLost
)


class ProcessDaemonError(CallboardError):
    """The process daemon could not be started, reached or ended; the text says why and what to do."""
