"""The verbs that `Cluster` and `Simulation` share, and `namespace(...)` views of them: those that write, and traffic.

Groups of verbs have files of their own: `reading`, on which all stand, and those that `Verbs` takes in.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, get_args

from callboard.models.errors import ApiError, BadRequest
from callboard.models.messages import api
from callboard.runtime.face.calling import Calling
from callboard.runtime.face.conditions import DELETED, ROLLED_OUT
from callboard.runtime.face.contract import Applied, Host, Response, Seconds, plain_tree, seconds
from callboard.runtime.face.inpods import InPods
from callboard.runtime.face.insight import Insight
from callboard.runtime.face.manifests import Manifest, manifests
from callboard.runtime.face.naming import Naming
from callboard.runtime.face.reading import DEFAULT_TIMEOUT_S, Located, Reading
from callboard.runtime.face.references import Reference
from callboard.runtime.face.rollout import Rollouts
from callboard.runtime.face.usage import TopUsage


class Verbs(InPods, Insight, TopUsage, Naming, Calling, Reading):
    """See `Cluster` for the contract of each verb."""

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
        return self._patch(self._refer(what), plain_tree(patch, "the patch"), type, timeout, subresource)

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
        answer = self._host.ask(
            api.DeleteObject,
            timeout_s,
            resource=reference.resource_name,
            namespace=reference.namespace,
            name=reference.name,
            grace_period_s=-1 if grace is None else int(seconds(grace)),
            propagation=propagation,
        )
        if wait:
            assert isinstance(answer, api.Written)
            self._await(reference, DELETED, answer.obj.metadata.uid if answer.obj is not None else "", timeout_s)

    def evict(self, what: Any, *, grace: Seconds | None = None, timeout: Seconds = DEFAULT_TIMEOUT_S) -> None:
        """Delete a pod unless a PodDisruptionBudget forbids it now: the subresource pods/eviction. An object means that very pod.

        Raises:
            TooManyRequests: a budget forbids it; try again later.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
        ...     _ = s.apply(pod)
        ...     _ = s.wait("pod/a")
        ...     s.evict("pod/a")
        ...     s.wait("pod/a", "Deleted")
        """
        reference = self._refer(what)
        if reference.resource.kind != "Pod":
            raise BadRequest(f"{reference} can't be evicted; give pod/name")
        self._host.ask(
            api.EvictPod,
            seconds(timeout),
            resource=reference.resource_name,
            namespace=reference.namespace,
            name=reference.name,
            uid="" if isinstance(what, str | Located) else what.metadata.uid,
            grace_period_s=-1 if grace is None else int(seconds(grace)),
        )

    @property
    def rollout(self) -> Rollouts:
        """The rollouts of workloads: `history`, `undo`, `pause`, `resume`, `restart`, `status`; what `kubectl rollout` does.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     s.rollout.status("deployment/web")
        'deployment "web" successfully rolled out'
        """
        return Rollouts(self, self._host, self._namespace)

    # -- traffic ----------------------------------------------------------------------------------------------------------------

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

    # -- names ------------------------------------------------------------------------------------------------------------------

    def namespace(self, name: str) -> Verbs:
        """The same verbs with another default namespace.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     c.namespace("kube-system").list("pods")
        []
        """
        return Verbs(self._host, name)


__all__ = ["ROLLED_OUT", "Applied", "Host", "Response", "Verbs"]
