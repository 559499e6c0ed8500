"""The verb `resolve`: what names mean to pods, in a cluster and under faults in a simulation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from callboard import BadRequest, Cluster, Simulation, Unavailable, connect

HEADLESS = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: db}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: db}]}
"""


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}


def addresses(s: Simulation) -> list[str]:
    """Of the pods that are ready."""
    ready = [pod for pod in s.list("pods") if any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)]
    return sorted(pod.status.pod_ip for pod in ready if not pod.metadata.deletion_timestamp)


@pytest.mark.parametrize("system", ["realtime", "threaded"])
def test_a_service_is_found_by_its_short_and_long_names(system: Any) -> None:
    with Cluster(nodes=1, system=system, timing="fast") as c:
        (made,) = c.apply(service())
        own = (made.spec.cluster_ip,)
        for name in ("web", "web.default", "web.default.svc", "web.default.svc.cluster.local", "web.default.svc.cluster.local."):
            found = c.resolve(name)
            assert (found.name, found.code, found.addresses) == ("web.default.svc.cluster.local", "NOERROR", own)
        assert c.namespace("kube-system").resolve("web").code == "NXDOMAIN"
        assert c.resolve("web.default", namespace="kube-system").addresses == own
        (target,) = c.resolve("_http._tcp.web", type="SRV").records
        assert (target.data, target.port) == ("web.default.svc.cluster.local", 80)
        assert c.resolve("example.com").code == "NXDOMAIN"
        with connect(c.serve()) as other_program:
            assert other_program.resolve("web") == c.resolve("web")
            with pytest.raises(BadRequest):
                other_program.resolve("web", type="B")


@pytest.mark.parametrize(("name", "type_"), [("", "A"), (".", "A"), ("a..b", "A"), ("web", "a"), (7, "A"), ("web", None)])
def test_what_is_no_name_or_type_is_refused(name: Any, type_: Any) -> None:
    with Simulation(nodes=1, seed=1) as s, pytest.raises(BadRequest):
        s.resolve(name, type=type_)


def test_an_external_name_is_an_alias_and_an_alias_within_the_cluster_has_its_addresses() -> None:
    with Simulation(nodes=1, seed=2) as s:
        s.apply([service(), service("out", type="ExternalName", externalName="example.com")])
        s.apply(service("near", type="ExternalName", externalName="web.default.svc.cluster.local"))
        assert [(one.type, one.data) for one in s.resolve("out").records] == [("CNAME", "example.com")]
        assert s.resolve("near").addresses == (s.get("service/web").spec.cluster_ip,)


def test_a_headless_service_means_its_ready_pods_and_follows_them() -> None:
    with Simulation(nodes=2, seed=3) as s:
        s.apply(HEADLESS)
        s.wait("replicaset/db")
        s.settle()
        assert sorted(s.resolve("db").addresses) == addresses(s)
        assert len(s.resolve("_sql._tcp.db", type="SRV").records) == 2
        s.scale("replicaset/db", 4)
        s.settle()
        assert len(s.resolve("db").addresses) == 4
        assert sorted(s.resolve("db").addresses) == addresses(s)
        s.scale("replicaset/db", 0)
        s.settle()
        assert s.resolve("db").code == "NXDOMAIN"


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "names.md").read_text(encoding="utf-8")


def test_what_the_page_says_is_answered() -> None:
    (manifests,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    rows = re.findall(r"^\| (\S+) \| ([A-Z]+) \| (.+) \|$", PAGE, re.M)
    assert len(rows) > 15
    with Simulation(nodes=1, seed=6) as s:
        s.apply(manifests)
        s.settle()
        for name, kind, said in rows:
            found = s.resolve(name, type=kind)
            data = " ".join(sorted(record.data for record in found.records))
            assert (data or found.code) == said, (name, kind)


@pytest.mark.parametrize("seed", range(6))
def test_names_are_right_again_after_any_part_was_lost(seed: int) -> None:
    with Simulation(nodes=3, seed=seed, apiservers=2, timing="chaos") as s:
        s.apply(HEADLESS)
        s.apply(service())
        s.wait("replicaset/db")
        s.resolve("web")
        s.links.delay("apiserver-*", "dns", 0.4)
        dropped = iter(range(1_000_000))
        s.links.drop("apiserver-*", "dns", lambda _passage, _message: next(dropped) % 3 == 0)
        s.scale("replicaset/db", 5)
        s.components["dns" if seed % 2 else "apiserver-0"].restart()
        s.nodes["node-1"].crash()
        s.delete("service/web")
        s.apply(service("late"))
        s.advance("20s")
        s.links.clear()
        s.nodes["node-1"].restart()
        s.settle()
        s.advance("30s")
        assert sorted(s.resolve("db").addresses) == addresses(s)
        assert s.resolve("web").code == "NXDOMAIN"
        assert s.resolve("late").addresses == (s.get("service/late").spec.cluster_ip,)


def test_without_a_name_service_the_verb_says_so() -> None:
    with Simulation(nodes=1, seed=4) as s:
        s.components["dns"].crash()
        with pytest.raises(Unavailable, match="web can't be looked up"):
            s.resolve("web", timeout=2)


def test_nobody_asks_so_nobody_watches() -> None:
    with Simulation(nodes=1, seed=5) as s:
        s.apply(service())
        s.settle()
        (row,) = [row for row in s.stats().components if row.name == "dns"]
        assert row.messages == 0
