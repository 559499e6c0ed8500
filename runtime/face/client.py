"""The user's own client: asks apiservers, waits, tries again where that is safe. Used by `Cluster` and `Simulation`.

It is a process outside with a link and time-outs of its own, never a reference to an apiserver. Requests that may be carried out
twice without harm (reads, applies, merge patches) are sent again, to the next apiserver, when no answer comes; of others the outcome is
unknown then, and the error says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from callboard.actors.usercontroller.actor import UserController
from callboard.models.base import replace
from callboard.models.errors import Timeout, WaitTimeout, error_of
from callboard.models.messages import api
from callboard.models.messages.base import Answer, Request
from callboard.models.messages.pods import ExecInPod, ReadPodLog
from callboard.runtime.systems import ComponentFailed, System
from callboard.runtime.systems.giveup import check_given_up
from callboard.runtime.systems.process import ProcessStats

TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
_REPEATABLE = (api.GetObject, api.ListObjects, api.ApplyObject, ReadPodLog)
PAUSE_S = 0.05


class ApiClient:
    """Sends requests to the apiservers of one system."""

    def __init__(self, system: System, servers: tuple[str, ...], try_s: float, pause: Callable[[float], None]) -> None:
        self._system = system
        self._servers = servers
        self._try_s = try_s
        self._pause = pause
        self._turn = 0

    def ask(self, request: type[Request], timeout_s: float, /, **fields: Any) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            ApiError: the refusal, as Kubernetes words it.
            Timeout: no answer in `timeout_s`; for writes the outcome is unknown.
            SystemStopped: the cluster has been stopped.
        """
        now = self._system.now
        deadline_s = now() + timeout_s
        may_repeat = issubclass(request, _REPEATABLE) or (request is api.PatchObject and fields.get("type") != "json")
        try_s = timeout_s if request is ExecInPod else self._try_s  # a command takes as long as it takes
        refused: api.Refused | None = None
        while True:
            check_given_up()
            left_s = deadline_s - now()
            server = self._servers[self._turn % len(self._servers)]
            try:
                answer = self._system.ask(server, lambda number, me: request(number, me, **fields), max(min(left_s, try_s), 0.001))
            except (WaitTimeout, ComponentFailed) as problem:
                self._turn += 1
                if refused is not None and now() >= deadline_s:  # the last try was cut short: what was heard before tells more
                    raise _error(refused) from problem
                if not may_repeat or now() >= deadline_s:
                    raise _timeout(request, fields, server, problem) from problem
                self._pause(PAUSE_S)
                continue
            if not isinstance(answer, api.Refused):
                assert isinstance(answer, Answer)
                return answer
            refused = answer
            if not _try_again(request, answer, may_repeat) or now() + answer.retry_after_s >= deadline_s:
                raise _error(answer)
            self._turn += 1
            self._pause(max(answer.retry_after_s, PAUSE_S))


def _try_again(request: type[Request], refused: api.Refused, may_repeat: bool) -> bool:
    """Whether a refusal may be over soon: it says so, nobody could serve a request that does no harm twice, or a kubelet was too slow."""
    if refused.code == TOO_MANY_REQUESTS or (refused.code == UNAVAILABLE and refused.retry_after_s > 0):
        return True
    return (may_repeat and refused.code == UNAVAILABLE) or (request is ReadPodLog and refused.code == Timeout.code)


def _error(refused: api.Refused) -> Exception:
    return error_of(refused.code, refused.reason, refused.message, refused.details)


def _timeout(request: type[Request], fields: dict[str, Any], server: str, problem: Exception) -> Timeout:
    what = f"{request.__name__} of {fields.get('resource', 'pods')} {fields.get('name', '')}".rstrip()
    reading = request in (api.GetObject, api.ListObjects, ReadPodLog)
    advice = "" if reading else "; whether it was carried out is unknown: read before you try again"
    return Timeout(f"{what} got no answer from {server}: {problem}{advice}")


class ComponentStats(msgspec.Struct, frozen=True):
    """Figures of one component over all its lives.

    `restarts` counts its new incarnations, `messages` what it has handled, `mailbox_high_water` the most messages that ever waited,
    `relists` how often its informers had to list again. Of a user's controller, in its present life: `failures` decisions that its code
    failed, `slow_turns` that took long (see `Cluster.add`), `longest_turn_s` seconds of the longest one.
    """

    name: str
    alive: bool
    incarnation: int
    restarts: int
    messages: int
    mailbox_high_water: int
    relists: int
    failures: int = 0
    slow_turns: int = 0
    longest_turn_s: float = 0.0


class Stats(msgspec.Struct, frozen=True):
    """Figures of a whole cluster or simulation."""

    components: tuple[ComponentStats, ...]
    messages: int
    restarts: int
    relists: int
    mailbox_high_water: int


def stats_of(system: System) -> Stats:
    """Collect the figures of every component."""
    rows = tuple(_row(one, system.look(one.name) if one.alive else None) for one in system.stats())
    return Stats(
        rows,
        sum(row.messages for row in rows),
        sum(row.restarts for row in rows),
        sum(row.relists for row in rows),
        max((row.mailbox_high_water for row in rows), default=0),
    )


def _row(one: ProcessStats, actor: Any) -> ComponentStats:
    relists = sum(informer.relists for informer in getattr(actor, "informers", ()))
    row = ComponentStats(one.name, one.alive, one.incarnation, one.restarts, one.handled, one.high_water, relists)
    if not isinstance(actor, UserController):
        return row
    return replace(row, failures=actor.failures, slow_turns=actor.slow_turns, longest_turn_s=actor.longest_turn_s)
