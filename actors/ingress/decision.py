"""What is to be done about one Ingress, and which endpoints its backends have: pure functions. Called by the Ingress controller."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from callboard.actors import actions as act
from callboard.actors.proxy.endpoints import Backend, candidates
from callboard.models.api.core import Secret, Service
from callboard.models.api.discovery import EndpointSlice
from callboard.models.base import EMPTY_MAP, FrozenMap, freeze
from callboard.models.generic import GenericObject
from callboard.models.ingress import INGRESSES, TLS_TYPE, Conflict, Ownership, Rules, Target
from callboard.models.messages.ingress import Certificate, IngressListening

HTTP_PORT, HTTPS_PORT = 80, 443
CERTIFICATE_KEYS = ("tls.crt", "tls.key")


class Problem(msgspec.Struct, frozen=True, gc=False):
    """Something that whoever wrote an Ingress ought to know: an Event of type Warning."""

    reason: str
    message: str


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What an Ingress is judged by: Services and Secrets of its namespace by name, lost paths, refused Secrets (`namespace/name`) with
    why, and where requests are accepted (None: nowhere yet)."""

    services: Callable[[str], Service | None]
    secrets: Callable[[str], Secret | None]
    conflicts: tuple[Conflict, ...] = ()
    refused: Mapping[str, str] = EMPTY_MAP
    listening: IngressListening | None = None


# -- status and Events ------------------------------------------------------------------------------------------------------------------


def decide(
    ingress: GenericObject,
    owned: Ownership,
    problems: tuple[Problem, ...],
    told: tuple[Problem, ...],
    listening: IngressListening | None,
) -> tuple[act.Action, ...]:
    """The status that an Ingress lacks, and Events about problems that have not been told yet."""
    actions: list[act.Action] = [
        act.TellUser(resource=INGRESSES, obj=ingress, type="Warning", reason=one.reason, message=one.message)
        for one in problems
        if one not in told
    ]
    wanted = wanted_status(ingress, owned.ours, listening)
    if wanted is not None:
        meta = ingress.metadata
        actions.append(act.SetStatus(resource=INGRESSES, namespace=meta.namespace, name=meta.name, uid=meta.uid, status=wanted))
    return tuple(actions)


def wanted_status(ingress: GenericObject, ours: bool, listening: IngressListening | None) -> Any:
    """The status that an Ingress should get; None if it has it, or has another's. One that is ours no more loses what we wrote."""
    if listening is None:
        return None
    current = ingress.content.get("status", EMPTY_MAP)
    addresses = current.get("loadBalancer", EMPTY_MAP).get("ingress", ())
    if not ours:
        mine = any(one.get("ip") == listening.address for one in addresses)
        return freeze({**current, "loadBalancer": {}}) if mine else None
    own: dict[str, Any] = {"ip": listening.address}
    ports = (listening.http, listening.https)
    if ports != (HTTP_PORT, HTTPS_PORT):
        own["ports"] = [{"port": port, "protocol": "TCP"} for port in ports if port]
    wanted = freeze([own])
    return None if addresses == wanted else FrozenMap({**current, "loadBalancer": freeze({"ingress": [own]})})


def problems_of(rules: Rules, owned: Ownership, around: Surroundings) -> tuple[Problem, ...]:
    """All that is wrong with an Ingress as things stand, in order."""
    if not owned.ours:
        return (Problem("IngressClassNotFound", owned.problem),) if owned.problem else ()
    found = [problem for target in rules.targets if (problem := _problem_of(target, around.services)) is not None]
    for entry in rules.tls:
        if entry.secret:
            words = _tls_problem(entry.secret, around) or around.refused.get(f"{rules.name.partition('/')[0]}/{entry.secret}", "")
            if words:
                found.append(Problem("TLSSecretInvalid", f'secret "{entry.secret}" can\'t be used for TLS: {words}'))
    for conflict in around.conflicts:
        if conflict.loser == rules.name:
            where = f"path {conflict.path} of " + (f"host {conflict.host}" if conflict.host else "all hosts")
            found.append(Problem("PathConflict", f"{where} is taken by the older Ingress {conflict.winner}, which gets its requests"))
    if around.listening is not None:
        found.extend(Problem("FailedToListen", words) for words in around.listening.problems)
    return tuple(dict.fromkeys(found))


def _problem_of(target: Target, services: Callable[[str], Service | None]) -> Problem | None:
    told = "; its requests are answered 503"
    if target.problem:
        return Problem("BackendInvalid", target.problem + told)
    service = services(target.service)
    if service is None:
        return Problem("ServiceNotFound", f'service "{target.service}" not found{told}')
    if service.spec is not None and service.spec.type == "ExternalName":
        return Problem("BackendInvalid", f'service "{target.service}" is an ExternalName, which has no endpoints{told}')
    if _port_of(service, target.port) is None:
        return Problem("ServicePortNotFound", f'service "{target.service}" has no port {target.port}{told}')
    return None


def _tls_problem(name: str, around: Surroundings) -> str:
    secret = around.secrets(name)
    if secret is None:
        return "it is not found"
    if secret.type != TLS_TYPE:
        return f'it is of type "{secret.type or "Opaque"}", not {TLS_TYPE}'
    return "" if _pair(secret) is not None else "its tls.crt and tls.key are missing, empty, or no PEM"


# -- endpoints --------------------------------------------------------------------------------------------------------------------------


def _port_of(service: Service, wanted: str) -> Any:
    ports = service.spec.ports if service.spec is not None else ()
    return next((port for port in ports if wanted in (port.name, str(port.port)) and port.protocol in ("", "TCP")), None)


def backends_of(target: Target, service: Service | None, slices: Iterable[EndpointSlice]) -> tuple[Backend, ...]:
    """The endpoints behind a target; none if there is no such Service or port. Headless Services have theirs, too."""
    if service is None or target.problem or service.spec is None or service.spec.type == "ExternalName":
        return ()
    port = _port_of(service, target.port)
    if port is None:
        return ()
    families = ("IPv4", "IPv6")
    return candidates(port, tuple(slices), lambda family: family in families).everywhere().backends


# -- encryption -------------------------------------------------------------------------------------------------------------------------


def certificate_of(secret_name: str, hosts: tuple[str, ...], secret: Secret | None) -> Certificate | None:
    """What a Secret gives to the server; None if it isn't one for TLS."""
    if secret is None or secret.type != TLS_TYPE:
        return None
    pair = _pair(secret)
    return None if pair is None else Certificate(secret_name, hosts, *pair)


def _pair(secret: Secret) -> tuple[bytes, bytes] | None:
    try:
        chain, key = (base64.b64decode(secret.data.get(name, ""), validate=True) for name in CERTIFICATE_KEYS)
    except (binascii.Error, ValueError):
        return None
    return (chain, key) if b"-----BEGIN " in chain and b"-----BEGIN " in key else None
