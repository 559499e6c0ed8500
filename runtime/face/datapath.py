"""How a user's request reaches a Service: through a simulated service proxy, or over a real connection.

Used by `Cluster` and `Simulation`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from callboard.models.dns import Resolution, questions, search_list
from callboard.models.errors import Timeout, Unavailable, WaitTimeout
from callboard.models.messages.dns import DNS, NameResolved, ResolveName
from callboard.models.messages.proxy import LocateService, ServiceLocated
from callboard.models.messages.runtime import Routed, RouteRequest
from callboard.runtime.errors import RealTimeOnly
from callboard.runtime.face.contract import Response, api_request
from callboard.runtime.systems import ComponentFailed, System

PAUSE_S = 0.05
Pause = Callable[[float], None]


def through_proxies(
    system: System, namespace: str, service: str, port: str, request: api_request, timeout_s: float, pause: Pause
) -> Response:
    """Ask the service proxies that run, one after the other, until one answers or the time is over.

    Raises:
        Unavailable: no endpoint answered, or no proxy runs; says what was seen last.
    """
    fields: dict[str, Any] = {"namespace": namespace, "service": service, "port": port}
    fields |= {"method": request.method, "path": request.path, "headers": request.headers, "body": request.body}
    deadline_s = system.now() + timeout_s
    problem = "no service proxy runs"
    while True:
        for name in [name for name in system.names() if name.partition("/")[0] == "proxy" and system.alive(name)]:
            left_s = max(deadline_s - system.now(), PAUSE_S)
            try:
                routed = system.ask(name, lambda number, me: RouteRequest(number, me, **fields), left_s)
            except (WaitTimeout, ComponentFailed) as failure:
                problem = str(failure)
                continue
            assert isinstance(routed, Routed)
            if not routed.problem:
                return Response(routed.status, routed.headers, routed.body, routed.endpoint)
            problem = routed.problem
        if system.now() >= deadline_s:
            raise Unavailable(f"service/{service} in namespace {namespace}: {problem}")
        pause(PAUSE_S)


def locate(system: System, data_plane: str, namespace: str, service: str, port: str, timeout_s: float, pause: Pause) -> str:
    """Where a Service's port really listens, as `http://address:port`.

    Raises:
        Unavailable: it does not listen within `timeout_s`; says why.
    """
    deadline_s = system.now() + timeout_s
    while True:
        left_s = max(deadline_s - system.now(), PAUSE_S)
        try:
            found = system.ask(data_plane, lambda number, me: LocateService(number, me, namespace, service, port), left_s)
        except (WaitTimeout, ComponentFailed) as failure:
            problem = str(failure)
        else:
            assert isinstance(found, ServiceLocated)
            if not found.problem:
                return f"http://{found.address}:{found.port}"
            problem = found.problem
        if system.now() >= deadline_s:
            raise Unavailable(f"service/{service} in namespace {namespace}: {problem}")
        pause(PAUSE_S)


def resolve(system: System, name: str, kind: str, namespace: str, timeout_s: float, pause: Pause) -> Resolution:
    """What a name means to a pod of a namespace: one search domain after the other, until a name exists.

    Raises:
        Unavailable: the name service did not answer; says what was seen last.
    """
    deadline_s = system.now() + timeout_s
    asked = questions(name, search_list(namespace))
    for whole in asked:
        question = partial(ResolveName, name=whole, type=kind)
        while True:
            left_s = max(deadline_s - system.now(), PAUSE_S)
            try:
                found = system.ask(DNS, question, left_s)
            except (WaitTimeout, ComponentFailed) as failure:
                problem = str(failure)
            else:
                assert isinstance(found, NameResolved)
                if found.reply.code in ("NOERROR", "NXDOMAIN"):
                    break
                problem = f"it answers {found.reply.code} for {whole}"
            if system.now() >= deadline_s:
                raise Unavailable(f"the name {name} can't be looked up: {problem}")
            pause(PAUSE_S)
        if found.reply.code == "NOERROR":
            return Resolution(whole, "NOERROR", found.reply.answers)
    return Resolution(asked[-1], "NXDOMAIN")


def over_http(url: str, request: api_request, timeout_s: float) -> Response:
    """One HTTP request on a connection of its own.

    Raises:
        Unavailable: nobody answered, or not in HTTP.
        Timeout: nobody answered in time.
    """
    import http.client  # with ssl and email it is a fifth of all that is imported, and simulations never need it

    address, _, port = url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(address, int(port), timeout=timeout_s)
    try:
        connection.request(
            request.method, request.path, body=request.body or None, headers={"Connection": "close", **dict(request.headers)}
        )
        answer = connection.getresponse()
        return Response(answer.status, tuple(answer.getheaders()), answer.read())
    except TimeoutError:
        raise Timeout(f"{request.method} {url}{request.path} got no answer within {timeout_s:g} s") from None
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(f"{request.method} {url}{request.path} failed: {problem!r}") from None
    finally:
        connection.close()


def nothing_to_open(service: str) -> RealTimeOnly:
    """The refusal of `url` where containers are simulated."""
    return RealTimeOnly(
        f'service/{service} has no address that a program can open, since containers are simulated; use request("service/{service}")'
    )
