"""The end of a namespace in whole simulations. Rules: kubernetes pkg/controller/namespace/deletion, doc page "Namespaces"."""

from __future__ import annotations

from typing import Any

from callboard import Simulation

DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gizmos.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gizmos", "kind": "Gizmo"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
HELD = {"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "g", "finalizers": ["example.com/hold"]}}
QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "5"}}}


def test_a_namespace_goes_with_all_kinds_in_it_and_waits_for_the_last_finalizer() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply([DEFINITION, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}])
        s.settle()
        shop = s.namespace("shop")
        shop.apply([QUOTA, "examples/web.yaml", HELD])
        s.settle()
        assert shop.list("events")
        s.delete("namespace/shop")
        s.advance("2m")
        status = s.get("namespace/shop").status
        assert status.phase == "Terminating"
        told = {one.type: one.message for one in status.conditions if one.status == "True"}
        assert told == {
            "NamespaceContentRemaining": "Some resources are remaining: gizmos.example.com has 1 resource instances",
            "NamespaceFinalizersRemaining": (
                "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
            ),
        }
        for kind in ("pods", "deployments", "replicasets", "services", "endpointslices", "resourcequotas", "events"):
            assert shop.list(kind) == [], kind
        s.patch(shop.get("gizmo/g"), {"metadata": {"finalizers": None}})
        s.wait("namespace/shop", "Deleted", timeout="1m")
        assert shop.list("events") == []
