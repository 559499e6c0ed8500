"""The verbs that tell people what is going on: `describe` and `events`. A group of `Verbs`.

What a description needs beside the object is read here, through the apiserver as everything else; the text is made in `models/describe/`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from callboard.models.api.core import Event
from callboard.models.selectors import compile_selector
from callboard.runtime.face.contract import Seconds, seconds
from callboard.runtime.face.reading import DEFAULT_TIMEOUT_S, Located, Reading
from callboard.runtime.face.references import Reference

if TYPE_CHECKING:
    from callboard.models.describe import Related

NODE_LEASES = "kube-node-lease"
SERVICE_LABEL = "kubernetes.io/service-name"


class Insight(Reading):
    """See `Cluster` for the contract of each verb."""

    def describe(self, what: Any, *, events: bool = True, timeout: Seconds = DEFAULT_TIMEOUT_S) -> str:
        """An object in words, with what belongs to it and its Events, in the layout of `kubectl describe`. A Secret's content stays hidden.

        `events=False` leaves the Events away.

        Raises:
            NotFound: there is no such object.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     text = s.describe("deployment/web")
        >>> print(text.splitlines()[0])
        Name:                   web
        >>> [line for line in text.splitlines() if line.startswith("Replicas:")]
        ['Replicas:               3 desired | 3 updated | 3 total | 3 available | 0 unavailable']
        """
        reference = self._refer(what)
        timeout_s = seconds(timeout)
        obj = self.get(Located(reference), timeout=timeout_s)
        found = tuple(self._events_of(reference, obj, timeout_s)) if events else None
        related = self._related(reference, obj, found, timeout_s)
        from callboard.models.describe import describe_object  # half of what shows objects to people: for who looks at one

        return describe_object(obj, related, self._host.now())

    def events(
        self,
        what: Any = None,
        *,
        namespace: str | None = None,
        types: str | Sequence[str] = (),
        timeout: Seconds = DEFAULT_TIMEOUT_S,
    ) -> builtins.list[Event]:
        """Events, the newest last: of one object, or without `what` of a namespace (`namespace=""`: of all). `types` keeps only those,
        for example "Warning". `events_text` makes a table of them.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     event = s.events("deployment/web")[0]
        >>> event.type, event.reason, event.message.split()[-4:]
        ('Normal', 'ScalingReplicaSet', ['from', '0', 'to', '3'])
        """
        timeout_s = seconds(timeout)
        if what is None:
            found = self.list("events", namespace=namespace, timeout=timeout_s)
        else:
            reference = self._refer(what)
            found = self._events_of(reference, self._look(reference), timeout_s)
        wanted = [one.lower() for one in ([types] if isinstance(types, str) else types)]
        from callboard.models.describe.events import in_order

        return in_order(one for one in found if not wanted or one.type.lower() in wanted)

    def events_text(
        self,
        what: Any = None,
        *,
        namespace: str | None = None,
        types: str | Sequence[str] = (),
        timeout: Seconds = DEFAULT_TIMEOUT_S,
    ) -> str:
        """The same as text: LAST SEEN, TYPE, REASON, OBJECT and MESSAGE, as `kubectl events` prints them.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     print(s.events_text("deployment/web").splitlines()[0])
        LAST SEEN   TYPE     REASON              OBJECT           MESSAGE
        """
        found = self.events(what, namespace=namespace, types=types, timeout=timeout)
        from callboard.models.describe import event_rows
        from callboard.models.tabulate import aligned

        lines, _widths = aligned(event_rows(found, self._host.now(), with_namespace=what is None and namespace == ""))
        return "".join(f"{line}\n" for line in lines)

    # -- what belongs to an object ----------------------------------------------------------------------------------------------------

    def _events_of(self, reference: Reference, obj: Any, timeout_s: float) -> builtins.list[Event]:
        """The Events about one object; of a former one of its name too if it is gone (kubectl's searchEvents)."""
        wanted = f"involvedObject.kind={reference.resource.kind},involvedObject.name={reference.name}"
        found = self.list("events", fields=wanted, namespace=reference.namespace, timeout=timeout_s)
        uid = obj.metadata.uid if obj is not None else ""
        return [one for one in found if one.involved_object is not None and _is_about(one.involved_object.uid, uid, reference.name)]

    def _related(self, reference: Reference, obj: Any, events: tuple[Any, ...] | None, timeout_s: float) -> Related:
        gather = _GATHERERS.get(reference.resource.kind) if reference.resource.definition else None
        more = gather(self, reference, obj, timeout_s) if gather is not None else {}
        from callboard.models.describe import Related

        return Related(events=events, **more)

    def _selected(self, kind: str, namespace: str, selector: Any, timeout_s: float) -> tuple[Any, ...]:
        chosen = compile_selector(selector)
        if selector is None or chosen.empty:
            return ()
        return tuple(one for one in self.list(kind, namespace=namespace, timeout=timeout_s) if chosen.matches(one.metadata.labels))

    def _all(self, kind: str, namespace: str, timeout_s: float, *, selector: str = "", fields: str = "") -> tuple[Any, ...]:
        return tuple(self.list(kind, namespace=namespace, selector=selector, fields=fields, timeout=timeout_s))


def _is_about(event_uid: str, uid: str, name: str) -> bool:
    """Whether an Event speaks of the object of this UID; kubelets name nodes by their name instead."""
    return not uid or not event_uid or event_uid in (uid, name)


Gatherer = Callable[[Insight, Reference, Any, float], dict[str, Any]]


def _of_deployment(verbs: Insight, reference: Reference, obj: Any, timeout_s: float) -> dict[str, Any]:
    selector = obj.spec.selector if obj.spec is not None else None
    return {"replica_sets": verbs._selected("replicasets.apps", reference.namespace, selector, timeout_s)}


def _of_replica_set(verbs: Insight, reference: Reference, obj: Any, timeout_s: float) -> dict[str, Any]:
    selector = obj.spec.selector if obj.spec is not None else None
    return {"pods": verbs._selected("pods", reference.namespace, selector, timeout_s)}


def _of_other_workload(verbs: Insight, reference: Reference, _obj: Any, timeout_s: float) -> dict[str, Any]:
    return {"pods": verbs._all("pods", reference.namespace, timeout_s)}


def _of_node(verbs: Insight, reference: Reference, _obj: Any, timeout_s: float) -> dict[str, Any]:
    fields = f"spec.nodeName={reference.name},status.phase!=Succeeded,status.phase!=Failed"
    lease = f"metadata.name={reference.name}"
    leases = verbs._all("leases.coordination.k8s.io", NODE_LEASES, timeout_s, fields=lease)
    return {"pods": verbs._all("pods", "", timeout_s, fields=fields), "lease": leases[0] if leases else None}


def _of_service(verbs: Insight, reference: Reference, _obj: Any, timeout_s: float) -> dict[str, Any]:
    label = f"{SERVICE_LABEL}={reference.name}"
    return {"slices": verbs._all("endpointslices.discovery.k8s.io", reference.namespace, timeout_s, selector=label)}


def _of_ingress(verbs: Insight, reference: Reference, _obj: Any, timeout_s: float) -> dict[str, Any]:
    slices = verbs._all("endpointslices.discovery.k8s.io", reference.namespace, timeout_s)
    return {"slices": slices, "services": verbs._all("services", reference.namespace, timeout_s)}


def _of_namespace(verbs: Insight, reference: Reference, _obj: Any, timeout_s: float) -> dict[str, Any]:
    quotas = verbs._all("resourcequotas", reference.name, timeout_s)
    return {"quotas": quotas, "limits": verbs._all("limitranges", reference.name, timeout_s)}


_GATHERERS: dict[str, Gatherer] = {
    "Deployment": _of_deployment,
    "ReplicaSet": _of_replica_set,
    "StatefulSet": _of_other_workload,
    "DaemonSet": _of_other_workload,
    "Node": _of_node,
    "Service": _of_service,
    "Ingress": _of_ingress,
    "Namespace": _of_namespace,
}
