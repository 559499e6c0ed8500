"""The verbs that send requests into the cluster and say where it can be reached: `request`, `url`. A group of `Verbs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.models.errors import BadRequest, Unavailable
from callboard.models.look import look
from callboard.runtime.face.contract import Response, Seconds, api_request, check_texts, seconds
from callboard.runtime.face.reading import Reading
from callboard.runtime.face.references import Reference

CARRIED_OUT_S = 5.0
"""How long `url` waits for a new Ingress to get its address."""


class Calling(Reading):
    """See `Cluster` for the contract of each verb."""

    def request(
        self,
        what: str,
        path: str = "/",
        *,
        port: int | str = "",
        host: str = "",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: Seconds = 10.0,
    ) -> Response:
        """Send one HTTP request to `service/name` along the data path, real or simulated, or to `ingress/name` as a client outside does.

        Of an Ingress, `host` is the host that the client asks for (the first one that its rules name, if nothing is said); what no rule
        or no endpoint answers comes back with status 404, 502, 503 or 504.

        Raises:
            Unavailable: no endpoint of the Service answered; or nobody carries the Ingress out.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     s.request("service/web").status
        200
        """
        reference = self._callable(what)
        wanted = api_request(method, path, tuple((headers or {}).items()), body)
        timeout_s = seconds(timeout)
        if reference.resource.kind == "Service":
            if host:
                raise BadRequest(f'host={host!r} is for an Ingress; for {reference}, give headers={{"Host": ...}}')
            return self._host.carry(reference.namespace, reference.name, str(port), wanted, timeout_s)
        check_texts(host=host)
        if port != "":
            raise BadRequest(f"port={port!r}: {reference} is reached at the Ingress's own ports")
        ingress = self._carried_out(what, reference, timeout_s)
        return self._host.enter(host or _first_host(ingress), wanted, timeout_s)

    def url(self, what: str, *, port: int | str = "") -> str:
        """An address of a Service's port that this program can open; or that of an Ingress, by `https` if it names hosts for TLS. Who opens
        that has to name the host: by a `Host` header, and by SNI.

        Raises:
            RealTimeOnly: containers are simulated, so there is nothing to open; use `request`.
            Unavailable: nobody serves it.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1, containers="process") as c:
        ...     _ = c.apply("examples/web.yaml")
        ...     c.url("service/web").startswith("http://127.")
        True
        """
        reference = self._callable(what)
        if reference.resource.kind == "Service":
            return self._host.locate(reference.namespace, reference.name, str(port))
        if port != "":
            raise BadRequest(f"port={port!r}: {reference} is reached at the Ingress's own ports")
        tls = bool(look(self._carried_out(what, reference, CARRIED_OUT_S)).items("spec", "tls"))
        address, http, https = self._host.gate()
        scheme, number, usual = ("https", https, 443) if tls else ("http", http, 80)
        return f"{scheme}://{address}" if number == usual else f"{scheme}://{address}:{number}"

    def _callable(self, what: str) -> Reference:
        reference = self._refer(what)
        if (reference.resource.group, reference.resource.kind) not in (("", "Service"), ("networking.k8s.io", "Ingress")):
            raise BadRequest(f"{reference} can't be called; give service/name or ingress/name")
        return reference

    def _carried_out(self, what: Any, reference: Reference, timeout_s: float) -> Any:
        """The Ingress, once its status says where it is served. Raises `NotFound`, `Unavailable`."""
        seen: list[Any] = []

        def met() -> bool:
            seen[:] = [self.get(what)]
            return bool(look(seen[0]).items("status", "loadBalancer", "ingress"))

        if not self._host.await_change(reference, met, timeout_s):
            raise Unavailable(f"{reference} is carried out by nobody (its Events may say why): its status has no address")
        return seen[0]


def _first_host(ingress: Any) -> str:
    hosts = [rule.text("host") for rule in look(ingress).items("spec", "rules")]
    first = next((host for host in hosts if host), "")
    return first.replace("*", "any", 1)
