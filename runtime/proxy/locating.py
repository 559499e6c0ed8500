"""Which entry of a table whoever asks for a port of a Service means. Pure; used by the data planes."""

from __future__ import annotations

from collections.abc import Sequence

from callboard.models.messages.proxy import LocateService, ServicePort


def name_of(port: ServicePort) -> str:
    """The port's name in its Service, "" if it has none."""
    return port.service_key.partition(":")[2]


def matching(services: Sequence[ServicePort], request: LocateService) -> tuple[list[ServicePort], str]:
    """The entries that are meant, the Service's own before those of nodes; if there are none, why."""
    own = f"{request.namespace}/{request.service}"
    every = [port for port in services if port.service_key.partition(":")[0] == own]
    if not every:
        return [], "it is not served (yet); only Services with an address of their own are"
    ports = [port for port in every if not port.node]
    chosen = [port for port in ports if request.port in ("", name_of(port), str(port.port))]
    chosen = chosen or [port for port in every if request.port == str(port.port if port.node else port.node_port)]
    if not chosen:
        known = ", ".join(f"{name_of(port)} ({port.port})" if name_of(port) else str(port.port) for port in ports)
        return [], f"it has no port {request.port}; it has {known}"
    return chosen, ""


def choose(services: Sequence[ServicePort], request: LocateService) -> tuple[ServicePort | None, str]:
    """The first entry that is meant, or why there is none."""
    chosen, problem = matching(services, request)
    return (chosen[0] if chosen else None), problem
