"""Ingresses where containers are simulated: whose they are, where requests go, what is told, and what faults cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from callboard import Behaviour, Invalid, Simulation, Unavailable

API = "networking.k8s.io/v1"
OURS = "callboard.dev/ingress"


def backend(service: str, port: int | str = 80) -> dict[str, Any]:
    return {"service": {"name": service, "port": {"name": port} if isinstance(port, str) else {"number": port}}}


def ingress(name: str = "shop", host: str = "shop.local", service: str = "web", **more: Any) -> dict[str, Any]:
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend(service)}]
    rules = {"rules": [{"host": host, "http": {"paths": paths}}]}
    return {"apiVersion": API, "kind": "Ingress", "metadata": {"name": name}, "spec": {**rules, **more}}


def ingress_class(name: str, controller: str, default: bool = False) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name}
    if default:
        meta["annotations"] = {"ingressclass.kubernetes.io/is-default-class": "true"}
    return {"apiVersion": API, "kind": "IngressClass", "metadata": meta, "spec": {"controller": controller}}


def service(name: str = "web") -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def pod(name: str, node: str, app: str = "web", image: str = "web:1") -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "web", "image": image, "ports": [{"containerPort": 8080}]}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


def opened(s: Simulation, *objects: dict[str, Any]) -> None:
    """Have these, with their pods ready and known."""
    s.apply(list(objects))
    for one in objects:
        if one["kind"] == "Pod":
            s.wait(f"pod/{one['metadata']['name']}", "Ready", timeout="1m")
    s.settle()


def reasons(s: Simulation, name: str = "shop") -> Counter[str]:
    return Counter(event.reason for event in s.events(f"ingress/{name}"))


def test_requests_go_round_the_endpoints_and_say_where_they_come_from() -> None:
    heard: list[dict[str, str]] = []

    def serve(request: Any) -> str:
        heard.append({name.lower(): value for name, value in request.headers})
        return str(request.path)

    with Simulation(nodes=2, seed=1, images={"web:*": Behaviour(serve=serve)}) as s:
        opened(s, service(), ingress(), pod("a", "node-1"), pod("b", "node-2"))
        answers = [s.request("ingress/shop", "/cart?id=1", headers={"X-Forwarded-For": "6.6.6.6", "A": "b"}) for _ in range(4)]
        assert sorted(Counter(one.endpoint for one in answers).values()) == [2, 2]
        assert {one.text.strip() for one in answers} == {"/cart?id=1"}
        assert heard[0]["x-forwarded-for"] == "127.0.0.1"
        assert (heard[0]["x-forwarded-host"], heard[0]["x-forwarded-proto"], heard[0]["a"]) == ("shop.local", "http", "b")


def test_404_is_for_no_rule_503_for_no_endpoint_and_502_for_one_that_refuses() -> None:
    with Simulation(nodes=1, seed=1) as s:
        opened(s, service(), ingress())
        assert s.request("ingress/shop", host="other.local").status == 404
        assert s.request("ingress/shop").status == 503
        opened(s, pod("a", "node-1"))
        assert s.request("ingress/shop").status == 200
        s.components["kubelet/node-1"].crash()  # nobody tells that the container is gone
        runtime = s._system.look("runtime/node-1")
        for sandbox in runtime.sandboxes.values():
            sandbox.containers.clear()
        assert s.request("ingress/shop").status == 502


def test_an_endpoint_that_keeps_silent_is_followed_by_another_unless_the_request_might_be_carried_out_twice() -> None:
    with Simulation(nodes=2, seed=1) as s:
        opened(s, service(), ingress(), pod("a", "node-1"), pod("b", "node-2"))
        s.links.partition("ingress", "runtime/node-1")
        assert [s.request("ingress/shop", timeout="30s").status for _ in range(2)] == [200, 200]
        posted = [s.request("ingress/shop", method="POST", timeout="30s").status for _ in range(2)]
        assert sorted(posted) == [200, 504]
        s.links.heal("ingress", "runtime/node-1")
        assert s.request("ingress/shop", method="POST").status == 200


def test_an_ingress_of_another_controller_is_left_alone() -> None:
    with Simulation(nodes=1, seed=1) as s:
        opened(s, ingress_class("theirs", "example.com/theirs"), service(), ingress(ingressClassName="theirs"), pod("a", "node-1"))
        with pytest.raises(Unavailable, match="carried out by nobody"):
            s.request("ingress/shop", timeout="5s")
        assert not reasons(s)


def test_a_class_that_is_missing_is_told_and_the_ingress_is_served_once_it_is_there() -> None:
    with Simulation(nodes=1, seed=1) as s:
        opened(s, service(), ingress(ingressClassName="ours"), pod("a", "node-1"))
        assert reasons(s)["IngressClassNotFound"] == 1
        opened(s, ingress_class("ours", OURS))
        assert s.request("ingress/shop").status == 200


def test_a_new_ingress_without_a_class_gets_the_default_one() -> None:
    with Simulation(nodes=1, seed=1) as s:
        opened(s, ingress("before"), ingress_class("theirs", "example.com/theirs", default=True), ingress("after", "after.local"))
        assert "ingressClassName" not in s.get("ingress/before").content["spec"]
        assert s.get("ingress/after").content["spec"]["ingressClassName"] == "theirs"
        assert not s.get("ingress/after").content.get("status")


def test_a_missing_service_is_told_once_and_served_when_it_appears() -> None:
    with Simulation(nodes=1, seed=1) as s:
        opened(s, ingress(), pod("a", "node-1"))
        assert s.request("ingress/shop").status == 503
        s.advance("10m")
        assert reasons(s) == {"ServiceNotFound": 1}
        opened(s, service())
        assert s.request("ingress/shop").status == 200


def test_of_two_ingresses_with_one_path_the_older_one_has_it_until_it_goes() -> None:
    with Simulation(nodes=1, seed=1) as s:
        opened(s, service(), service("other"), pod("a", "node-1"), pod("b", "node-1", "other"), ingress("first"))
        s.advance("2s")
        opened(s, ingress("second", service="other"))
        assert reasons(s, "second") == {"PathConflict": 1}
        assert s.request("ingress/second").text.strip() == "a"
        s.delete("ingress/first", wait=True)
        s.settle()
        assert s.request("ingress/second").text.strip() == "b"


def test_a_secret_that_is_none_for_tls_is_told_without_its_content() -> None:
    wrong = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"}, "stringData": {"tls.crt": "canary"}}
    with Simulation(nodes=1, seed=1) as s:
        opened(s, wrong, service(), ingress(tls=[{"hosts": ["shop.local"], "secretName": "cert"}]))
        (event,) = s.events("ingress/shop")
        assert event.reason == "TLSSecretInvalid"
        assert 'it is of type "Opaque", not kubernetes.io/tls' in event.message
        assert "canary" not in event.message


def test_the_controller_may_be_restarted_and_says_nothing_twice() -> None:
    with Simulation(nodes=1, seed=1) as s:
        opened(s, service(), ingress(), pod("a", "node-1"))
        revision = s.get("ingress/shop").metadata.resource_version
        s.components["ingress"].restart()
        s.settle()
        assert s.request("ingress/shop").status == 200
        assert s.get("ingress/shop").metadata.resource_version == revision


def test_a_lost_node_costs_no_request_once_its_endpoints_are_gone() -> None:
    with Simulation(nodes=2, seed=1, timing="fast") as s:
        opened(s, service(), ingress(), pod("a", "node-1"), pod("b", "node-2"))
        s.nodes["node-1"].crash()
        assert [s.request("ingress/shop", timeout="30s").text.strip() for _ in range(4)] == ["b"] * 4  # by trying the other one
        s.wait("node/node-1", "Ready=Unknown", timeout="1m")
        s.settle()
        before_s = s.now
        assert s.request("ingress/shop").text.strip() == "b"
        assert s.now - before_s < 1.0


def test_an_ingress_that_makes_no_sense_is_refused() -> None:
    with Simulation(nodes=1, seed=1) as s, pytest.raises(Invalid, match="either `defaultBackend` or `rules` must be specified"):
        s.apply({"apiVersion": API, "kind": "Ingress", "metadata": {"name": "x"}, "spec": {}})
