"""The verbs that look into pods: `logs` and `exec`. A group of `Verbs`.

As with kubectl, a workload or Service stands for one of its pods, and a container that isn't named is the pod's default one. Text is
decoded here, at the edge, with replacement characters for what is no UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, overload

import msgspec

from callboard.models.api.core import Pod
from callboard.models.errors import BadRequest, NotFound
from callboard.models.messages.pods import ALL_LINES, ExecDone, ExecInPod, PodLogRead, ReadPodLog
from callboard.models.podchoice import best_pod, default_container, selector_of_workload
from callboard.models.podstatus import is_finished, phase_of
from callboard.runtime.face.contract import Seconds, seconds
from callboard.runtime.face.reading import DEFAULT_TIMEOUT_S, Located, Reading

ANSWER_SLACK_S = 3.0
"""The answer to a command may take this much longer than the command: whoever carries it out tells of a time-out himself."""
FOLLOW_WAIT_S = 10.0


class CommandOutput(msgspec.Struct, frozen=True):
    """What a command came to: its exit code, and its output as bytes and as text. `truncated`: it said more than an answer can hold."""

    exit_code: int
    stdout_bytes: bytes = b""
    stderr_bytes: bytes = b""
    truncated: bool = False

    @property
    def stdout(self) -> str:
        """What it wrote to its standard output."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """What it wrote to its standard error."""
        return self.stderr_bytes.decode("utf-8", "replace")


class InPods(Reading):
    """See `Cluster` for the contract of each verb."""

    @overload
    def logs(
        self,
        what: Any,
        *,
        container: str | None = None,
        previous: bool = False,
        tail: int | None = None,
        since: Seconds | None = None,
        timestamps: bool = False,
        follow: Literal[False] = False,
        timeout: Seconds | None = None,
    ) -> str: ...

    @overload
    def logs(
        self,
        what: Any,
        *,
        container: str | None = None,
        previous: bool = False,
        tail: int | None = None,
        since: Seconds | None = None,
        timestamps: bool = False,
        follow: Literal[True],
        timeout: Seconds | None = None,
    ) -> Iterator[str]: ...

    def logs(
        self,
        what: Any,
        *,
        container: str | None = None,
        previous: bool = False,
        tail: int | None = None,
        since: Seconds | None = None,
        timestamps: bool = False,
        follow: bool = False,
        timeout: Seconds | None = None,
    ) -> str | Iterator[str]:
        """What a container has written, of `pod/name` or of one pod of a workload. `previous`: the life before the newest; `tail`: only
        the last lines; `since`: only what is newer than so many seconds; `timestamps`: each line with its time.

        With `follow=True` an iterator of lines that ends when the container has ended, when the caller stops, or when nothing was written
        for `timeout`.

        Raises:
            NotFound: there is no such pod, or nothing is kept of what it wrote.
            BadRequest: there is no such container, it has not started yet, or the runtime can't tell (real processes have no times).
            Timeout: its node does not answer.

        >>> from callboard import Behaviour, Simulation
        >>> pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "talker"}]}}
        >>> with Simulation(nodes=1, seed=1, images={"talker": Behaviour(says=["warming up", "listening"])}) as s:
        ...     _ = s.apply(pod)
        ...     _ = s.wait("pod/a")
        ...     print(s.logs("pod/a", tail=1), end="")
        ...     next(s.logs("pod/a", follow=True))
        listening
        'warming up'
        """
        if tail is not None and tail < 0:
            raise BadRequest("tail must be greater than or equal to 0")
        limit_s = None if timeout is None else seconds(timeout)
        pod = pod_of(self, what, for_logs=True)
        fields = {
            **_address(pod, container),
            "previous": previous,
            "tail_lines": ALL_LINES if tail is None else tail,
            "since_s": 0.0 if since is None else max(self._host.now() - seconds(since), 0.0),
            "timestamps": timestamps,
        }
        if follow:
            return self._follow(fields, self._read_log(fields, DEFAULT_TIMEOUT_S), limit_s)
        return self._all_of(fields, DEFAULT_TIMEOUT_S if limit_s is None else limit_s)

    def exec(
        self,
        what: Any,
        command: Sequence[str],
        *,
        container: str | None = None,
        stdin: bytes | str = b"",
        timeout: Seconds = DEFAULT_TIMEOUT_S,
    ) -> CommandOutput:
        """Carry a command out in a running container of `pod/name`, or of one pod of a workload; returns its exit code and output. When it
        has ended, or takes longer than `timeout`, all that it has started is killed.

        Raises:
            NotFound: there is no such pod.
            BadRequest: there is no such container, or the pod is completed.
            InternalError: the container does not run.
            Timeout: the command took too long, or the node does not answer.

        >>> from callboard import Behaviour, Cluster
        >>> shell = Behaviour(exec=lambda asked: f"{asked.pod} does {asked.command[0]}")
        >>> pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "shell"}]}}
        >>> with Cluster(nodes=1, images={"shell": shell}) as c:
        ...     _ = c.apply(pod)
        ...     _ = c.wait("pod/a")
        ...     c.exec("pod/a", ["date"]).stdout
        'a does date'
        """
        if isinstance(command, str | bytes) or not command or not all(isinstance(word, str) for word in command):
            raise BadRequest(f'command={command!r}: give its words as a list, for example ["cat", "/etc/config/a"]')
        timeout_s = seconds(timeout)
        pod = pod_of(self, what, for_logs=False)
        if is_finished(pod):
            raise BadRequest(f"cannot exec into a container in a completed pod; current phase is {phase_of(pod)}")
        answer = self._host.ask(
            ExecInPod,
            timeout_s + ANSWER_SLACK_S,
            **_address(pod, container),
            command=tuple(command),
            stdin=stdin.encode() if isinstance(stdin, str) else bytes(stdin),
            timeout_s=timeout_s,
        )
        assert isinstance(answer, ExecDone)
        return CommandOutput(answer.exit_code, answer.stdout, answer.stderr, answer.truncated)

    # -- logs -----------------------------------------------------------------------------------------------------------------------

    def _read_log(self, fields: dict[str, Any], timeout_s: float) -> PodLogRead:
        answer = self._host.ask(ReadPodLog, timeout_s, **fields)
        assert isinstance(answer, PodLogRead)
        return answer

    def _all_of(self, fields: dict[str, Any], timeout_s: float) -> str:
        """All that was written when it was first asked for: what comes while it is read is left for the next time."""
        deadline_s = self._host.now() + timeout_s
        piece = self._read_log(fields, timeout_s)
        end, read = piece.end, [piece.content]
        while piece.offset < end and piece.content:
            left_s = max(deadline_s - self._host.now(), 0.001)
            piece = self._read_log(_after(fields, piece), left_s)
            read.append(piece.content)
        return b"".join(read).decode("utf-8", "replace")

    def _follow(self, fields: dict[str, Any], piece: PodLogRead, quiet_s: float | None) -> Iterator[str]:
        """Line by line, as they come; a last line without its end is told when nothing can follow any more."""
        rest = b""
        heard_at_s = self._host.now()
        while True:
            *lines, rest = (rest + piece.content).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
            if piece.content:
                heard_at_s = self._host.now()
            is_over = not piece.container_id or (piece.ended and piece.offset >= piece.end)
            left_s = FOLLOW_WAIT_S if quiet_s is None else heard_at_s + quiet_s - self._host.now()
            if is_over or left_s <= 0:
                break
            try:
                piece = self._read_log({**_after(fields, piece), "wait_s": min(left_s, FOLLOW_WAIT_S)}, DEFAULT_TIMEOUT_S)
            except NotFound:  # the pod is gone, and with it what it wrote
                break
        if rest:
            yield rest.decode("utf-8", "replace")


def pod_of(verbs: Reading, what: Any, *, for_logs: bool) -> Pod:
    """The pod that `logs` (or `exec`) means by `what`: itself, or the one of a workload or Service that says most.

    Raises:
        NotFound: there is no such object, or no pod of it.
        BadRequest: it is of a kind that has no pods.
    """
    reference = verbs._refer(what)
    obj = verbs.get(Located(reference))
    if isinstance(obj, Pod):
        return obj
    selector = selector_of_workload(reference.resource.kind, obj.to_dict())
    if selector is None:
        raise BadRequest(f"{reference} selects no pods; give pod/name, or a workload")
    pods = [pod for pod in verbs.list("pods", namespace=reference.namespace) if selector.matches(pod.metadata.labels)]
    chosen = best_pod(pods, for_logs=for_logs)
    if chosen is None:
        raise NotFound(f"no pod of {reference} was found")
    return chosen


def _address(pod: Pod, container: str | None) -> dict[str, Any]:
    meta = pod.metadata
    name = default_container(pod)[0] if container is None else container
    return {"namespace": meta.namespace, "name": meta.name, "container": name, "uid": meta.uid}


def _after(fields: dict[str, Any], piece: PodLogRead) -> dict[str, Any]:
    return {**fields, "tail_lines": ALL_LINES, "container_id": piece.container_id, "offset": piece.offset}
