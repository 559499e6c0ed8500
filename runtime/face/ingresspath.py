"""How a user's request reaches the Ingress: through its controller, where containers are simulated, or over a real connection.

Used by `Cluster` and `Simulation`, beside `datapath.py`, which is the way to Services.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from callboard.models.errors import Unavailable, WaitTimeout
from callboard.models.messages.ingress import INGRESS, IngressLocated, LocateIngress, RouteIngress
from callboard.models.messages.runtime import Routed
from callboard.models.traffic import Response, api_request
from callboard.runtime.errors import RealTimeOnly
from callboard.runtime.face.datapath import PAUSE_S, Pause, over_http
from callboard.runtime.systems import ComponentFailed, System

Gate = tuple[str, int, int]
"""Where requests are accepted: address, port of http, port of https (0: not there)."""


def through_controller(system: System, host: str, request: api_request, timeout_s: float, pause: Pause) -> Response:
    """Ask the Ingress controller until it answers or the time is over.

    Raises:
        Unavailable: it doesn't; says what was seen last.
    """
    fields: dict[str, Any] = {
        "host": host,
        "method": request.method,
        "path": request.path,
        "headers": request.headers,
        "body": request.body,
    }
    routed = _asked(system, partial(RouteIngress, **fields), timeout_s, pause)
    assert isinstance(routed, Routed)
    return Response(routed.status, routed.headers, routed.body, routed.endpoint)


def gate(system: System, timeout_s: float, pause: Pause) -> Gate:
    """Where a program can connect to the Ingress.

    Raises:
        Unavailable: nowhere within this time; says why.
    """
    located = _asked(system, LocateIngress, timeout_s, pause)
    assert isinstance(located, IngressLocated)
    return located.address, located.http, located.https


def over_connection(found: Gate, host: str, request: api_request, timeout_s: float) -> Response:
    """One HTTP request at the Ingress, as a client outside makes it. Raises as `over_http`."""
    named = api_request(request.method, request.path, (("Host", host), *request.headers), request.body)
    return over_http(f"http://{found[0]}:{found[1]}", named, timeout_s)


def nothing_to_open() -> RealTimeOnly:
    """The refusal of `url` where containers are simulated."""
    return RealTimeOnly(
        'an Ingress has no address that a program can open, since containers are simulated; use request("ingress/name", host="...")'
    )


def _asked(system: System, question: Callable[..., Any], timeout_s: float, pause: Pause) -> Any:
    deadline_s = system.now() + timeout_s
    while True:
        left_s = max(deadline_s - system.now(), PAUSE_S)
        try:
            answer = system.ask(INGRESS, question, left_s)
        except (WaitTimeout, ComponentFailed) as failure:
            problem = str(failure)
        else:
            problem = getattr(answer, "problem", "")
            if not problem:
                return answer
        if system.now() >= deadline_s:
            raise Unavailable(f"the Ingress does not answer: {problem}")
        pause(PAUSE_S)
