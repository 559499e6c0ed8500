"""A kubelet's part that lets others look into its pods: output of containers, and commands carried out in them. A base of `Kubelet`.

It finds the container, asks the runtime by the pod's UID, and hands the answer back. Which life of a container a log is read of follows
kubernetes pkg/kubelet/kubelet_pods.go (validateContainerLogStatus); how long anybody waits is bounded, so nothing is kept of a runtime that
has died.
"""

from __future__ import annotations

import msgspec

from callboard.actors.component import Port, Timer, handles
from callboard.actors.heard import Heard
from callboard.actors.informer import ClientSettings
from callboard.actors.kubelet.health import PodHealth
from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.actors.kubelet.status import status_of
from callboard.models.api.core import ContainerStatus, PodStatus
from callboard.models.errors import ApiError, BadRequest, InternalError, NotFound, Timeout, TooManyRequests, Unavailable
from callboard.models.messages.api import Refused
from callboard.models.messages.base import Message
from callboard.models.messages.pods import ExecDone, ExecGoesOn, ExecInPod, PodLogRead, ReadPodLog
from callboard.models.messages.runtime import CommandDone, LogRead, ReadLog, RunCommand, RuntimeRefused

IN_FLIGHT_LIMIT = 256
"""Requests into pods that a kubelet has under way; more are refused."""
SLACK_S = 0.5
"""The runtime has this much longer than the command that it carries out."""
LOG_SHARE = 0.6
"""Part of a client's time-out after which the runtime does not answer; the apiserver has a little more patience."""
WAIT_SHARE = 0.4
"""Part of a client's time-out for which a follower's request may wait for something new."""
LOOK_AGAIN_S = 0.1
"""While somebody follows a log, the runtime is asked so often whether there is more."""
RETRY_AFTER_S = 0.2
BEAT_SHARE = 0.2
"""Part of a client's time-out after which, and then again and again, a command that runs still is reported."""
PULL_WORDS = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


class InsideExpired(Message, frozen=True, gc=False):
    """Timer: the runtime has not answered a request into a pod."""

    number: int


class LookAgain(Message, frozen=True, gc=False):
    """Timer: is there more of a log that somebody follows?"""

    request: ReadPodLog
    until_s: float


class TellThatItGoesOn(Message, frozen=True, gc=False):
    """Timer: does somebody's command run still?"""

    number: int


class TryAgain(Message, frozen=True, gc=False):
    """Timer: is the pod of this request known by now?"""

    request: ReadPodLog | ExecInPod
    since_s: float


class _Inside(msgspec.Struct, frozen=True, gc=False):
    request: ReadPodLog | ExecInPod
    timer: Timer
    until_s: float = 0.0
    """Until when a follower's request may wait for something new, in seconds since the epoch."""


def container_status(status: PodStatus, name: str) -> ContainerStatus | None:
    """The status of the container of this name."""
    return next((one for one in (*status.init_container_statuses, *status.container_statuses) if one.name == name), None)


def life_to_read(status: ContainerStatus | None, pod: str, container: str, previous: bool) -> str:
    """The id of the container whose log is meant: the newest one that has run, or the one before.

    Raises:
        BadRequest: there is none, in the kubelet's words.
    """
    if status is None:
        raise BadRequest(f'container "{container}" in pod "{pod}" is not available')
    state, last = status.state, status.last_state
    ended = last.terminated if last is not None else None
    if previous:
        if ended is None or not ended.container_id:
            raise BadRequest(f'previous terminated container "{container}" in pod "{pod}" not found')
        return ended.container_id
    if state is not None and state.running is not None:
        return status.container_id
    terminated = state.terminated if state is not None else None
    for one in (terminated, ended):
        if one is not None and one.container_id:
            return one.container_id
    if terminated is not None or ended is not None:
        raise BadRequest(f'container "{container}" in pod "{pod}" is terminated')
    if state is not None and state.waiting is not None:
        reason = state.waiting.reason
        raise BadRequest(f'container "{container}" in pod "{pod}" is waiting to start: {PULL_WORDS.get(reason, reason)}')
    raise BadRequest(f'container "{container}" in pod "{pod}" is waiting to start - no logs yet')


def outcome_of(request: ExecInPod, done: CommandDone) -> ExecDone | ApiError:
    """What the client hears of a command."""
    if done.timed_out:
        return Timeout(f"command {list(request.command)} timed out: timeout {request.timeout_s:g}s exceeded: context deadline exceeded")
    if done.problem:
        return InternalError(done.problem)
    return ExecDone(request.id, done.exit_code, done.stdout, done.stderr, done.truncated)


class InsidePods(PodHealth):
    """See `Kubelet`."""

    _adopted: bool
    """Whether it knows what runs here; kept by the subclass."""

    def __init__(self, port: Port, client: ClientSettings, own: KubeletSettings) -> None:
        super().__init__(port, client, own)
        self._inside: dict[int, _Inside] = {}
        self._commands = Heard()
        self._early = 0
        """Requests that wait until their pod is known here."""

    @handles(ReadPodLog)
    def _read_pod_log(self, request: ReadPodLog) -> None:
        if request.uid not in self.pods:
            self._wait_for_pod(request, self.port.now())
            return
        self._read(request, self.port.now() + min(request.wait_s, self.settings.request_timeout_s * WAIT_SHARE))

    @handles(LookAgain)
    def _look_again(self, timer: LookAgain) -> None:
        self._read(timer.request, timer.until_s)

    def _read(self, request: ReadPodLog, until_s: float) -> None:
        """Ask the runtime for a piece of a log."""
        try:
            pod = self._pod_for(request)
            identity = request.container_id
            if not identity:
                status = status_of(pod, self.port.now(), self.own)
                identity = life_to_read(container_status(status, request.container), request.name, request.container, request.previous)
            number = self._remember(request, self.settings.request_timeout_s * LOG_SHARE, until_s)
        except ApiError as refusal:
            self._refuse_inside(request, refusal)
            return
        lines, since_s, stamps, offset = request.tail_lines, request.since_s, request.timestamps, request.offset
        self.port.send(
            self.own.runtime, ReadLog(number, self.port.me, pod.uid, request.container, identity, lines, since_s, stamps, offset)
        )

    @handles(ExecInPod)
    def _exec_in_pod(self, request: ExecInPod) -> None:
        if not self._commands.again(request):
            self._carry_out(request)

    def _carry_out(self, request: ExecInPod) -> None:
        if request.uid not in self.pods:
            self._wait_for_pod(request, self.port.now())
            return
        try:
            pod = self._pod_for(request)
            one = pod.containers[request.container]
            if one.state != "running":
                raise InternalError(f'container not found ("{request.container}")')
            number = self._remember(request, request.timeout_s + SLACK_S)
        except ApiError as refusal:
            self._refuse_inside(request, refusal)
            return
        self.port.after(self.settings.request_timeout_s * BEAT_SHARE, TellThatItGoesOn(number))
        command = RunCommand(number, self.port.me, pod.uid, one.container_id, one.name, request.command, request.stdin, request.timeout_s)
        self.port.send(self.own.runtime, command)

    @handles(TellThatItGoesOn)
    def _tell_that_it_goes_on(self, timer: TellThatItGoesOn) -> None:
        entry = self._inside.get(timer.number)
        if entry is not None:
            self.port.send(entry.request.reply_to, ExecGoesOn(entry.request.id))
            self.port.after(self.settings.request_timeout_s * BEAT_SHARE, timer)

    def inside_lost(self) -> None:
        """The runtime is another incarnation: what the one before was asked is never answered."""
        lost, self._inside = self._inside, {}
        words = f"the container runtime of {self.own.node_name} has been started anew; what became of this is unknown"
        for entry in lost.values():
            entry.timer.cancel()
            self._refuse_inside(entry.request, Unavailable(words))

    def _wait_for_pod(self, request: ReadPodLog | ExecInPod, since_s: float) -> None:
        """The API has this pod on this node, and the kubelet doesn't know it: it has just been bound, or the kubelet has just started."""
        if self._early >= IN_FLIGHT_LIMIT or self.port.now() >= since_s + self.settings.request_timeout_s * WAIT_SHARE:
            if self._adopted:
                self._refuse_inside(request, NotFound("pod does not exist"))
            else:
                words = f"the kubelet of {self.own.node_name} has only just started; nothing was carried out, try again"
                self._refuse_inside(request, Unavailable(words), RETRY_AFTER_S)
            return
        self._early += 1
        self.port.after(LOOK_AGAIN_S, TryAgain(request, since_s))

    @handles(TryAgain)
    def _try_again(self, timer: TryAgain) -> None:
        self._early -= 1
        request = timer.request
        if request.uid not in self.pods:
            self._wait_for_pod(request, timer.since_s)
        elif isinstance(request, ReadPodLog):
            self._read_pod_log(request)
        else:
            self._carry_out(request)

    def _pod_for(self, request: ReadPodLog | ExecInPod) -> PodRecord:
        pod = self.pods.get(request.uid)
        if pod is None:
            raise NotFound("pod does not exist")
        if request.container not in pod.containers:
            raise NotFound(f'container "{request.container}" not found in pod "{request.name}"')
        return pod

    def _remember(self, request: ReadPodLog | ExecInPod, limit_s: float, until_s: float = 0.0) -> int:
        if len(self._inside) >= IN_FLIGHT_LIMIT:
            raise TooManyRequests(f"{IN_FLIGHT_LIMIT} requests into pods of {self.own.node_name} are under way already; try again later")
        number = self.next_id()
        self._inside[number] = _Inside(request, self.port.after(limit_s, InsideExpired(number)), until_s)
        return number

    def _asked_inside(self, number: int) -> _Inside | None:
        """The request that this answer is for; None if nobody waits for it any more."""
        entry = self._inside.pop(number, None)
        if entry is not None:
            entry.timer.cancel()
        return entry

    @handles(LogRead)
    def _log_read(self, answer: LogRead) -> None:
        entry = self._asked_inside(answer.id)
        if entry is None:
            return
        request = entry.request
        if isinstance(request, ReadPodLog) and not answer.content and not answer.ended and self.port.now() < entry.until_s:
            again = msgspec.structs.replace(request, container_id=answer.container_id, offset=answer.offset)
            self.port.after(LOOK_AGAIN_S, LookAgain(again, entry.until_s))
        else:
            piece = PodLogRead(request.id, answer.content, answer.offset, answer.end, answer.ended, answer.container_id)
            self.port.send(request.reply_to, piece)

    @handles(CommandDone)
    def _command_done(self, answer: CommandDone) -> None:
        entry = self._asked_inside(answer.id)
        if entry is None or not isinstance(entry.request, ExecInPod):
            return
        outcome = outcome_of(entry.request, answer)
        if isinstance(outcome, ApiError):
            self._refuse_inside(entry.request, outcome)
        else:
            self.port.send(entry.request.reply_to, outcome)

    def inside_refused(self, answer: RuntimeRefused) -> bool:
        """The runtime could not do something; returns whether it was asked for on behalf of somebody who looks into a pod."""
        entry = self._asked_inside(answer.id)
        if entry is None:
            return False
        kinds: dict[str, type[ApiError]] = {"NotFound": NotFound, "Unsupported": BadRequest}
        self._refuse_inside(entry.request, kinds.get(answer.reason, InternalError)(answer.message))
        return True

    @handles(InsideExpired)
    def _inside_expired(self, timer: InsideExpired) -> None:
        entry = self._inside.pop(timer.number, None)
        if entry is not None:
            self._refuse_inside(entry.request, Unavailable(f"the container runtime of {self.own.node_name} does not answer"))

    def _refuse_inside(self, request: ReadPodLog | ExecInPod, refusal: ApiError, retry_after_s: float = 0.0) -> None:
        refused = Refused(request.id, refusal.code, refusal.reason, refusal.message, refusal.details, retry_after_s)
        self.port.send(request.reply_to, refused)
