"""The verbs that `Cluster` and `Simulation` share, and `namespace(...)` views of them.

A verb speaks to an apiserver through its host, as a client process with a link and time-outs of its own; it holds no reference to any
component. Every verb that waits takes `timeout` in seconds or as "30s".
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec

from callboard.models.errors import ApiError, BadRequest, UnknownKind, WaitTimeout
from callboard.models.kinds import Resource
from callboard.models.messages import api
from callboard.models.selectors import parse_labels
from callboard.runtime.face.conditions import DELETED, ROLLED_OUT, Condition, default_condition, judge
from callboard.runtime.face.contract import Applied, Host, Response, Seconds, api_request, plain_tree, seconds
from callboard.runtime.face.manifests import Manifest, manifests
from callboard.runtime.face.references import Reference, refer

DEFAULT_TIMEOUT_S = 30.0


class Verbs:
    """See `Cluster` for the contract of each verb."""

    def __init__(self, host: Host, namespace: str) -> None:
        self._host = host
        self._namespace = namespace

    # -- reading ----------------------------------------------------------------------------------------------------------------

    def get(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """The object `kind/name`.

        Raises:
            NotFound: there is none.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     c.get("node/node-1").status.conditions[-1].type
        'Ready'
        """
        reference = self._refer(what)
        answer = self._host.ask(
            api.GetObject,
            seconds(timeout),
            resource=reference.resource_name,
            namespace=reference.namespace,
            name=reference.name,
        )
        assert isinstance(answer, api.Got)
        return answer.obj

    def list(
        self,
        kind: str,
        *,
        selector: str = "",
        fields: str = "",
        namespace: str | None = None,
        timeout: Seconds = DEFAULT_TIMEOUT_S,
    ) -> builtins.list[Any]:
        """All objects of a kind that match a label and a field selector; `namespace=""` means all namespaces.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=2) as c:
        ...     [node.metadata.name for node in c.list("nodes")]
        ['node-1', 'node-2']
        """
        resource = self._lookup(kind)
        answer = self._host.ask(
            api.ListObjects,
            seconds(timeout),
            resource=resource.name,
            namespace=self._where(resource, namespace),
            labels=selector,
            fields=fields,
        )
        assert isinstance(answer, api.Listed)
        return [*answer.objects]

    def watch(
        self, kind: str, *, selector: str = "", namespace: str | None = None, timeout: Seconds | None = None
    ) -> Iterator[api.WatchEvent]:
        """Changes of a kind, beginning with what is there (as ADDED): `type`, `key` and `obj` each. Ends when nothing has happened
        for `timeout`; without one it goes on until the caller stops or the cluster does.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     next(iter(c.watch("nodes"))).obj.metadata.name
        'node-1'
        """
        resource = self._lookup(kind)
        parse_labels(selector)  # a selector that is none is refused here, not in a stream that never says anything
        quiet_s = None if timeout is None else seconds(timeout)
        return self._host.stream(resource.name, self._where(resource, namespace), selector, quiet_s)

    def wait(self, what: Any, condition: Condition | None = None, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """Wait until an object meets a condition: the type of a status condition (`"Available"`), `"RolledOut"` (the default for
        workloads), `"Exists"`, `"Deleted"`, or a function of the object. Returns the object (None for `"Deleted"`).

        Raises:
            WaitTimeout: it did not within `timeout`; says what was last seen.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=7) as s:
        ...     s.wait("node/node-1", "Ready").metadata.name
        'node-1'
        """
        reference = self._refer(what)
        wanted = condition if condition is not None else default_condition(reference.resource.kind)
        timeout_s = seconds(timeout)
        seen: builtins.list[Any] = [None, ""]

        def met() -> bool:
            obj = self._look(reference)
            verdict = judge(obj, wanted)
            seen[:] = [obj, verdict.seen]
            return verdict.met

        if not self._host.await_change(reference, met, timeout_s):
            name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", "the given function")
            raise WaitTimeout(f"{reference} did not reach {name} within {timeout_s:g} s; last seen: {seen[1]}")
        return None if wanted == DELETED else seen[0]

    def _look(self, reference: Reference) -> Any:
        try:
            return self.get(f"{reference.resource_name}/{reference.name}" if not reference.namespace else _Located(reference))
        except ApiError as refusal:
            if refusal.code == 404 and not isinstance(refusal, UnknownKind):
                return None
            raise

    # -- writing ----------------------------------------------------------------------------------------------------------------

    def apply(self, source: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> builtins.list[Any]:
        """Create or patch everything in a path, YAML text, dict, object or list of these; returns the objects as stored.

        Raises:
            ApiError: of the first document that was refused; the others have been applied, and a note says what became of each.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}})[0].data["k"]
        'v'
        """
        results = self.apply_each(source, timeout=timeout)
        failed = [result for result in results if result.error is not None]
        if failed:
            error = failed[0].error
            assert error is not None
            for result in results:
                error.add_note(f"{result.origin}: {result.what} {result.verb}" + (f": {result.error}" if result.error else ""))
            raise error
        return [result.obj for result in results]

    def apply_each(self, source: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> builtins.list[Applied]:
        """As `apply`, but one document's error doesn't hide what became of the others."""
        timeout_s = seconds(timeout)
        return [self._apply_one(manifest, timeout_s) for manifest in manifests(source)]

    def _apply_one(self, manifest: Manifest, timeout_s: float) -> Applied:
        tree = manifest.tree
        meta = tree.get("metadata") if isinstance(tree.get("metadata"), Mapping) else {}
        what = f"{str(tree.get('kind', 'document')).lower()}/{meta.get('name', '?')}" if isinstance(meta, Mapping) else "document"
        try:
            reference = self._refer_tree(tree)
            before = self._look(reference)
            answer = self._host.ask(
                api.ApplyObject,
                timeout_s,
                resource=reference.resource_name,
                namespace=reference.namespace,
                name=reference.name,
                tree=plain_tree(tree, "the document"),
            )
        except ApiError as refusal:
            return Applied(manifest.origin, what, "failed", error=refusal)
        assert isinstance(answer, api.Written)
        unchanged = before is not None and before.metadata.resource_version == answer.obj.metadata.resource_version
        verb = "created" if before is None else "unchanged" if unchanged else "configured"
        return Applied(manifest.origin, what, verb, answer.obj)

    def scale(self, what: Any, replicas: int, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """Set `spec.replicas` of a workload; returns the object.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.scale("deployment/web", 2)
        ...     s.wait("deployment/web").status.available_replicas
        2
        """
        return self.patch(what, {"spec": {"replicas": replicas}}, timeout=timeout)

    def patch(
        self, what: Any, patch: Any, *, type: api.PatchType = "merge", subresource: str = "", timeout: Seconds = DEFAULT_TIMEOUT_S
    ) -> Any:
        """Patch an object: `type` is merge (RFC 7386), json (RFC 6902, a list of operations) or strategic; returns the object.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     c.patch("node/node-1", {"metadata": {"labels": {"disk": "ssd"}}}).metadata.labels["disk"]
        'ssd'
        """
        if type not in get_args(api.PatchType):
            raise BadRequest(f"type={type!r}: a patch is one of {', '.join(get_args(api.PatchType))}")
        reference = self._refer(what)
        answer = self._host.ask(
            api.PatchObject,
            seconds(timeout),
            resource=reference.resource_name,
            namespace=reference.namespace,
            name=reference.name,
            type=type,
            patch=plain_tree(patch, "the patch"),
            subresource=subresource,
        )
        assert isinstance(answer, api.Written)
        return answer.obj

    def delete(
        self,
        what: Any,
        *,
        wait: bool = False,
        grace: Seconds | None = None,
        propagation: api.Propagation = "Background",
        timeout: Seconds = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Delete an object; with `wait=True` come back when it is gone. `grace` overrides a pod's own grace period (0: at once).

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     s.delete("deployment/web")
        ...     s.settle()
        ...     s.list("pods")
        []
        """
        if propagation not in get_args(api.Propagation):
            raise BadRequest(f"propagation={propagation!r}: there are {', '.join(get_args(api.Propagation))}")
        reference = self._refer(what)
        timeout_s = seconds(timeout)
        self._host.ask(
            api.DeleteObject,
            timeout_s,
            resource=reference.resource_name,
            namespace=reference.namespace,
            name=reference.name,
            grace_period_s=-1 if grace is None else int(seconds(grace)),
            propagation=propagation,
        )
        if wait:
            self.wait(_Located(reference), DELETED, timeout=timeout_s)

    # -- traffic ----------------------------------------------------------------------------------------------------------------

    def request(
        self,
        what: str,
        path: str = "/",
        *,
        port: int | str = "",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: Seconds = 10.0,
    ) -> Response:
        """Send one HTTP request to `service/name` along the data path, real or simulated.

        Raises:
            Unavailable: no endpoint answered.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     s.request("service/web").status
        200
        """
        reference = self._service(what)
        wanted = api_request(method, path, tuple((headers or {}).items()), body)
        return self._host.carry(reference.namespace, reference.name, str(port), wanted, seconds(timeout))

    def url(self, what: str, *, port: int | str = "") -> str:
        """An address of a Service's port that this program can open.

        Raises:
            RealTimeOnly: containers are simulated, so there is nothing to open; use `request`.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1, containers="process") as c:
        ...     _ = c.apply("examples/web.yaml")
        ...     c.url("service/web").startswith("http://127.")
        True
        """
        reference = self._service(what)
        return self._host.locate(reference.namespace, reference.name, str(port))

    def _service(self, what: str) -> Reference:
        reference = self._refer(what)
        if reference.resource.kind != "Service":
            raise BadRequest(f"{reference} can't be called; give service/name")
        return reference

    # -- names ------------------------------------------------------------------------------------------------------------------

    def namespace(self, name: str) -> Verbs:
        """The same verbs with another default namespace.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     c.namespace("kube-system").list("pods")
        []
        """
        return Verbs(self._host, name)

    def _lookup(self, kind: str) -> Resource:
        return self._host.scheme().lookup(kind)

    def _where(self, resource: Resource, namespace: str | None) -> str:
        if not resource.namespaced:
            return ""
        return self._namespace if namespace is None else namespace

    def _refer(self, what: Any) -> Reference:
        return what.reference if isinstance(what, _Located) else refer(what, self._host.scheme(), self._namespace)

    def _refer_tree(self, tree: Mapping[str, Any]) -> Reference:
        for field in ("apiVersion", "kind"):
            if not isinstance(tree.get(field), str) or not tree[field]:
                raise BadRequest(f"{field} is missing; every document says which kind it is")
        meta = tree.get("metadata")
        if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str):
            raise BadRequest("metadata.name is missing; every object has a name")
        resource = self._host.scheme().resource(tree["apiVersion"], tree["kind"])
        namespace = str(meta.get("namespace") or self._namespace) if resource.namespaced else ""
        return Reference(resource, namespace, meta["name"])


class _Located(msgspec.Struct, frozen=True):
    """A reference that is resolved already."""

    reference: Reference


__all__ = ["ROLLED_OUT", "Applied", "Host", "Response", "Verbs"]
