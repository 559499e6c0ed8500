"""The verb that looks names up: `resolve`. A group of `Verbs`."""

from __future__ import annotations

from callboard.models.dns import TYPES, Resolution
from callboard.models.errors import BadRequest
from callboard.runtime.face.contract import Seconds, check_texts, seconds
from callboard.runtime.face.reading import Reading


class Naming(Reading):
    """See `Cluster` for the contract of each verb."""

    def resolve(self, name: str, *, type: str = "A", namespace: str | None = None, timeout: Seconds = 10.0) -> Resolution:
        """What a name means to a pod of the namespace, by the cluster's name service: `web`, `web.default`, `_http._tcp.web`, or whole,
        with a last dot: `web.default.svc.cluster.local.`. `type` is that of DNS. A name that doesn't exist comes back with the code
        NXDOMAIN, one that has no records of this type with NOERROR and no records.

        Raises:
            BadRequest: there is no such type, or the name is none.
            Unavailable: the name service does not answer.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     s.resolve("web").addresses == (s.get("service/web").spec.cluster_ip,)
        True
        """
        check_texts(name=name, type=type)
        if type not in TYPES:
            raise BadRequest(f"type={type!r}: names are looked up as one of {', '.join(TYPES)}")
        if not name.strip(".") or ".." in name:
            raise BadRequest(f"name={name!r}: it is no name; write for example web, web.default or web.default.svc.cluster.local.")
        if namespace is not None:
            check_texts(namespace=namespace)
        return self._host.resolve(name, type, namespace or self._namespace, seconds(timeout))
