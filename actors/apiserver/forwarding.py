"""Requests that an apiserver passes on: into pods to their kubelets, and those of an aggregated API to the component that serves it.

Each is sent on under a number of this apiserver's own and remembered until it is answered or its time is over; then the client hears 504
(a kubelet) or 503 (an aggregated API), never nothing. Sources: pkg/registry/core/pod/strategy.go (which container, which node) and
kube-aggregator, pkg/apiserver/handler_proxy.go.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from callboard.actors.apiserver.cache import WatchCache
from callboard.actors.apiserver.settings import ApiServerSettings
from callboard.actors.component import Component, Port, Timer, handles
from callboard.actors.heard import Heard
from callboard.models.api.core import Pod, PodSpec
from callboard.models.errors import ApiError, BadRequest, MethodNotAllowed, Timeout, TooManyRequests, Unavailable, conflict, not_found
from callboard.models.messages.api import GetObject, Got, Listed, ListObjects, Refused, object_key
from callboard.models.messages.base import Address, Message, Request
from callboard.models.messages.pods import ALL_LINES, ExecDone, ExecGoesOn, ExecInPod, PodLogRead, ReadPodLog

AGGREGATED = {"metrics.k8s.io": "metrics-server"}
"""API groups that another component serves, and its name (the APIServices of a real cluster)."""
SLACK_S = 1.0
"""A kubelet has this much longer than the command that it carries out."""

EXEC_LIMIT_S = 7 * 24 * 3600.0
"""Longest `timeout_s` of a command."""
FARTHEST = 2**63 - 1
"""Largest offset and number of lines: those of Kubernetes' `PodLogOptions` are int64."""
EXEC_PATIENCE = 3
"""A kubelet that carries a command out may be silent for so many time-outs of a read: a command is not sent again, so haste costs more."""

InPod = ReadPodLog | ExecInPod


class ForwardExpired(Message, frozen=True, gc=False):
    """Timer: a request that was passed on has had its time."""

    number: int


class _Forwarded(msgspec.Struct, frozen=True, gc=False):
    request: Any
    to: Address
    timer: Timer
    patience_s: float
    """How long it may be silent."""
    until_s: float
    """When its time is over whatever it says, in seconds since the epoch."""


def served_elsewhere(resource: str) -> Address:
    """The component that serves this resource, "" if it is the apiserver itself.

    >>> served_elsewhere("pods.metrics.k8s.io")
    'metrics-server'
    """
    return AGGREGATED.get(resource.partition(".")[2], "")


def containers_of(spec: PodSpec) -> list[str]:
    """The names of all containers of a pod, init containers first, as `podutil.VisitContainers` goes."""
    return [one.name for one in (*spec.init_containers, *spec.containers)] + [one.name for one in spec.ephemeral_containers]


def chosen_container(pod: Pod, wanted: str) -> str:
    """The container that a request means (validateContainer).

    Raises:
        BadRequest: it names none although there are several, or one that the pod doesn't have.
    """
    spec = pod.spec or PodSpec()
    names = containers_of(spec)
    if wanted:
        if wanted in names:
            return wanted
        raise BadRequest(f"container {wanted} is not valid for pod {pod.metadata.name}")
    if len(spec.containers) == 1:
        return spec.containers[0].name
    raise BadRequest(f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{' '.join(names)}]")


def check_numbers(request: InPod) -> None:
    """Numbers of a request into a pod come from outside and go as far as the container runtime: none that makes no sense gets there.

    Raises:
        BadRequest: which one, and what it may be. Words and bounds of the log follow ValidatePodLogOptions (pkg/apis/core/validation).
    """
    if isinstance(request, ExecInPod):
        _check("timeout_s", request.timeout_s, 0.0, EXEC_LIMIT_S)
        return
    _check("offset", request.offset, 0, FARTHEST)
    _check("tail_lines", request.tail_lines, ALL_LINES, FARTHEST)
    _check("since_s", request.since_s, 0.0, FARTHEST)
    _check("wait_s", request.wait_s, 0.0, FARTHEST)


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most or not math.isfinite(value):  # the comparison is false for what is no number
        raise BadRequest(f"{name}: Invalid value: must be a number from {least:g} to {most:g}")  # itself it may be too long to be shown


def target_of(request: InPod, cache: WatchCache) -> tuple[Address, InPod] | None:
    """Where a request into a pod goes, and as what; None: the pod has no node yet and so has written nothing.

    Raises:
        NotFound: there is no such pod, or its node is gone.
        Conflict: it is another pod than the client means.
        BadRequest: it names no container of the pod, or a command is to run in a pod without a node.
    """
    pod = cache.get(object_key("pods", request.namespace, request.name))
    if pod is None:
        raise not_found("pods", request.name)
    uid = pod.metadata.uid
    if request.uid not in ("", uid):
        why = f"the UID in the precondition ({request.uid}) does not match the UID in record ({uid})"
        raise conflict("pods", request.name, why)
    container = chosen_container(pod, request.container)
    node = pod.spec.node_name if pod.spec is not None else ""
    if not node:
        if isinstance(request, ReadPodLog):
            return None
        raise BadRequest(f"pod {request.name} does not have a host assigned")
    if cache.get(object_key("nodes", "", node)) is None:
        raise not_found("nodes", node)
    return f"kubelet/{node}", msgspec.structs.replace(request, container=container, uid=uid)


def no_answer(request: Any, to: Address, waited_s: float) -> ApiError:
    """What the client hears when nobody has answered."""
    if isinstance(request, GetObject | ListObjects):
        words = "the server is currently unable to handle the request"
        return Unavailable(f"{words} (get {request.resource})")  # HTTP's verb, also of a list
    advice = "; whether the command was carried out is unknown" if isinstance(request, ExecInPod) else ""
    return Timeout(f"Timeout: {to} did not answer within {waited_s:g} s{advice}")


class Forwarding(Component):
    """The base of `ApiServer` that passes requests on. What it needs of the rest is declared here."""

    settings: ApiServerSettings
    cache: WatchCache
    _is_open: bool
    """Whether it serves already; what comes earlier is heard again then."""

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self._forwarded: dict[int, _Forwarded] = {}
        self._commands = Heard()

    def _next_id(self) -> int:
        raise NotImplementedError

    def _refuse(self, request: Any, refusal: ApiError) -> None:
        raise NotImplementedError

    def _has_room(self, request: Request) -> bool:
        raise NotImplementedError

    def _is_early(self, request: Request) -> bool:
        raise NotImplementedError

    def _wait_for_newest(self, item: Any) -> None:
        raise NotImplementedError

    @handles(ReadPodLog, ExecInPod)
    def _in_pod(self, request: InPod) -> None:
        """Look the pod up in a picture as new as the store's, so that one that was just created is found. A command is not carried
        out a second time because a link has delivered it twice."""
        if self._is_open and isinstance(request, ExecInPod) and self._commands.again(request):
            return
        try:
            check_numbers(request)
        except ApiError as refusal:
            self._refuse(request, refusal)
            return
        if self._has_room(request) and not self._is_early(request):
            self._wait_for_newest(request)

    def forward_into_pod(self, request: InPod) -> None:
        """The picture is new enough: pass the request on to the pod's kubelet."""
        try:
            target = target_of(request, self.cache)
        except ApiError as refusal:
            self._refuse(request, refusal)
            return
        if target is None:
            self.port.send(request.reply_to, PodLogRead(request.id))
            return
        to, wanted = target
        limit_s = wanted.timeout_s + SLACK_S if isinstance(wanted, ExecInPod) else self.settings.forward_timeout_s
        self._pass_on(request, wanted, to, limit_s)

    def forward_elsewhere(self, request: GetObject | ListObjects) -> bool:
        """Pass a read on if its resource is served by another component. Returns whether it is."""
        to = served_elsewhere(request.resource)
        if to:
            self._pass_on(request, request, to, self.settings.forward_timeout_s)
        return bool(to)

    def is_elsewhere(self, request: Request) -> bool:
        """Whether a write or watch is of a resource that another component serves; it is refused then, since such are only read."""
        if not served_elsewhere(getattr(request, "resource", "")):
            return False
        self._refuse(request, MethodNotAllowed("the server does not allow this method on the requested resource"))
        return True

    def _pass_on(self, request: Request, as_what: Any, to: Address, limit_s: float) -> None:
        if len(self._forwarded) >= self.settings.in_flight_limit:
            self._refuse(request, TooManyRequests("the server has received too many requests and has asked us to try again later"))
            return
        number = self._next_id()
        self._expect(number, request, to, self.port.now() + limit_s)
        self.port.send(to, msgspec.structs.replace(as_what, id=number, reply_to=self.port.me))

    def _expect(self, number: int, request: Any, to: Address, until_s: float) -> None:
        """Give whoever the request was passed on to a while to say something."""
        silence_s = self.settings.forward_timeout_s * (EXEC_PATIENCE if isinstance(request, ExecInPod) else 1)
        patience_s = min(silence_s, max(until_s - self.port.now(), 0.0))
        timer = self.port.after(patience_s, ForwardExpired(number))
        self._forwarded[number] = _Forwarded(request, to, timer, patience_s, until_s)

    @handles(ExecGoesOn)
    def _exec_goes_on(self, sign: ExecGoesOn) -> None:
        entry = self._forwarded.get(sign.id)
        if entry is not None:
            entry.timer.cancel()
            self._expect(sign.id, entry.request, entry.to, entry.until_s)

    @handles(PodLogRead, ExecDone, Got, Listed)
    def _forward_answered(self, answer: Any) -> None:
        self.answer_forwarded(answer)

    def answer_forwarded(self, answer: PodLogRead | ExecDone | Got | Listed | Refused) -> bool:
        """Hand an answer back to whoever asked. Returns whether a request that was passed on waits for it."""
        entry = self._forwarded.pop(answer.id, None)
        if entry is None:
            return False  # too late: the client has been told that nobody answered
        entry.timer.cancel()
        self.port.send(entry.request.reply_to, msgspec.structs.replace(answer, id=entry.request.id))
        return True

    @handles(ForwardExpired)
    def _forward_expired(self, timer: ForwardExpired) -> None:
        entry = self._forwarded.pop(timer.number, None)
        if entry is not None:
            self._refuse(entry.request, no_answer(entry.request, entry.to, entry.patience_s))


__all__ = ["Forwarding", "chosen_container", "containers_of", "no_answer", "served_elsewhere", "target_of"]
