"""Looking into running pods: what their containers have written, and commands carried out beside them.

A client asks an apiserver, which finds the pod's node and forwards the request to the kubelet there (`kubelet/<node>`), under a number
of its own; the kubelet asks its runtime (`ReadLog`, `RunCommand` in `runtime.py`), and the answer comes back the same way. As in
Kubernetes these are the pod's subresources `log` and `exec`. Text is bytes all the way and is decoded by whoever shows it.
"""

from __future__ import annotations

from callboard.models.messages.base import Answer, Request

ALL_LINES = -1


class _InPod(Request, frozen=True, gc=False):
    namespace: str
    name: str
    container: str = ""
    """"" is allowed for a pod with one container only; who wants a default for the others chooses it himself."""
    uid: str = ""
    """The pod's UID: a precondition if the client gives it; the apiserver fills it in."""

    def subject(self) -> str:
        return f"pods/{self.namespace}/{self.name}"


class ReadPodLog(_InPod, frozen=True, gc=False):
    """A piece of what a container has written. Answered by `PodLogRead`.

    Without `container_id` it is the newest life that has written something, or the one before with `previous`. Who reads on (there is
    more, or the container still runs) names the `container_id` and the `offset` of the last answer. `tail_lines` counts from the end and
    matters in the first request of a series only; `since_s` (seconds since the epoch) leaves older lines out; `timestamps` puts the time
    before each.
    """

    previous: bool = False
    tail_lines: int = ALL_LINES
    since_s: float = 0.0
    timestamps: bool = False
    container_id: str = ""
    offset: int = 0
    wait_s: float = 0.0
    """If there is nothing new, something may come within so many seconds: answer then. The kubelet may answer earlier."""


class PodLogRead(Answer, frozen=True, gc=False):
    """A piece of a log, as the answer to `ReadPodLog`.

    `offset` is where to read on, and `end` how far the log reached when this was read, both in the runtime's own measure. `ended` tells
    that the container has ended, so that nothing comes after `end`. A pod that is not scheduled yet has said nothing: an empty answer.
    """

    content: bytes = b""
    offset: int = 0
    end: int = 0
    ended: bool = False
    container_id: str = ""


class ExecInPod(_InPod, frozen=True, gc=False):
    """Carry a command out in a running container, with `stdin` as its whole input. Answered by `ExecDone`, or `Refused` with code 504 if it
    takes longer than `timeout_s` seconds: it and all that it has started are killed then."""

    command: tuple[str, ...] = ()
    stdin: bytes = b""
    timeout_s: float = 30.0


class ExecGoesOn(Answer, frozen=True, gc=False):
    """A kubelet tells the apiserver now and then that a command is under way, so that its own death is noticed long before the command's
    time is over. No answer yet."""


class ExecDone(Answer, frozen=True, gc=False):
    """A command has ended. Output beyond what an answer may hold is cut off; `truncated` tells so."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
