"""Variables of Services in containers: which there are, and when a kubelet knows them."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.kubelet.environment import environment
from callboard.actors.kubelet.servicelinks import service_variables
from callboard.models.api.core import EnvVar, Service, ServicePort, ServiceSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.messages.api import Listed, ListObjects
from callboard.models.messages.runtime import StartContainer
from tests.actors.kubelet.kit import KUBELET, World, container, pod
from tests.actors.kubelet.records import record


def service(name: str, *ports: ServicePort, ip: str = "10.96.0.7", namespace: str = "default", type_: str = "") -> Service:
    chosen = ports or (ServicePort(port=80, protocol="TCP"),)
    spec = ServiceSpec(cluster_ip=ip, ports=chosen, type=type_, external_name="a.example" if type_ == "ExternalName" else "")
    return Service(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)


def test_a_service_gives_the_variables_of_kubernetes_and_those_of_dockers_links() -> None:
    ports = (ServicePort(name="http-alt", port=8080, protocol="TCP"), ServicePort(name="stats", port=90, protocol="UDP"))
    assert service_variables([service("my-web", *ports)]) == {
        "MY_WEB_SERVICE_HOST": "10.96.0.7",
        "MY_WEB_SERVICE_PORT": "8080",
        "MY_WEB_SERVICE_PORT_HTTP_ALT": "8080",
        "MY_WEB_SERVICE_PORT_STATS": "90",
        "MY_WEB_PORT": "tcp://10.96.0.7:8080",
        "MY_WEB_PORT_8080_TCP": "tcp://10.96.0.7:8080",
        "MY_WEB_PORT_8080_TCP_PROTO": "tcp",
        "MY_WEB_PORT_8080_TCP_PORT": "8080",
        "MY_WEB_PORT_8080_TCP_ADDR": "10.96.0.7",
        "MY_WEB_PORT_90_UDP": "udp://10.96.0.7:90",
        "MY_WEB_PORT_90_UDP_PROTO": "udp",
        "MY_WEB_PORT_90_UDP_PORT": "90",
        "MY_WEB_PORT_90_UDP_ADDR": "10.96.0.7",
    }


@pytest.mark.parametrize("made", [service("web", ip="None"), service("web", ip=""), service("web", ip="", type_="ExternalName"), Service()])
def test_a_service_without_an_address_of_its_own_gives_none(made: Service) -> None:
    assert service_variables([made]) == {}


def test_an_address_of_six_groups_is_written_in_brackets_before_a_port() -> None:
    found = service_variables([service("web", ip="fd00::7")])
    assert (found["WEB_SERVICE_HOST"], found["WEB_PORT"]) == ("fd00::7", "tcp://[fd00::7]:80")


def test_what_the_spec_says_comes_first_wins_and_may_refer_to_services() -> None:
    links = {"WEB_SERVICE_HOST": "10.96.0.7", "WEB_SERVICE_PORT": "80"}
    variables = (
        EnvVar(name="URL", value="http://$(WEB_SERVICE_HOST):$(WEB_SERVICE_PORT)/$(NONE)"),
        EnvVar(name="WEB_SERVICE_PORT", value="1"),
        EnvVar(name="THEN", value="$(WEB_SERVICE_PORT)"),
    )
    one = container("app", env=variables)
    assert environment(record(pod("web", one)), one, "node-1", {}, links) == (
        ("URL", "http://10.96.0.7:80/$(NONE)"),
        ("WEB_SERVICE_PORT", "1"),
        ("THEN", "1"),
        ("WEB_SERVICE_HOST", "10.96.0.7"),
    )
    plain = container("app")
    assert environment(record(pod("web", plain)), plain, "node-1", {}, links) == tuple(links.items())


class Watched(World):
    """Keeps what the kubelet asks and starts."""

    def __init__(self, **settings: Any) -> None:
        self.asked: list[str] = []
        self.started: dict[str, dict[str, str]] = {}
        super().__init__(**settings)

    def see(self) -> None:
        """Note from now on."""
        self.system.links.drop(KUBELET, "*", self._note)

    def _note(self, _passage: Any, message: Any) -> bool:
        if isinstance(message, ListObjects):
            self.asked.append(message.resource)
        if isinstance(message, StartContainer):
            self.started[message.pod_uid] = dict(message.env)
        return False

    def found(self, name: str) -> dict[str, str]:
        """The variables of a pod's container."""
        return self.started[self.pod(name).metadata.uid]


def linked(**settings: Any) -> Watched:
    world = Watched(service_links=True, **settings)
    world.see()
    world.create(service("web"), "services")
    return world


def test_containers_know_the_services_of_their_namespace_that_were_there_before_them() -> None:
    world = linked()
    world.create(service("far", ip="10.96.0.8", namespace="kube-system"), "services")
    world.create(pod("one"))
    world.run(3)
    assert {name: value for name, value in world.found("one").items() if "HOST" in name} == {"WEB_SERVICE_HOST": "10.96.0.7"}
    world.create(service("db", ip="10.96.0.9"), "services")
    world.run(1)
    world.create(pod("two"))
    world.run(3)
    assert world.found("two")["DB_SERVICE_HOST"] == "10.96.0.9"
    assert "DB_SERVICE_HOST" not in world.found("one")
    assert world.status("two").ready


def test_pods_that_want_no_links_get_none_and_nothing_is_watched_for_them() -> None:
    world = linked()
    world.create(pod("one", enable_service_links=False))
    world.run(3)
    assert world.found("one") == {}
    assert "services" not in world.asked


def test_a_kubelet_without_links_watches_no_services() -> None:
    world = Watched()
    world.see()
    world.create(service("web"), "services")
    world.create(pod("one"))
    world.run(3)
    assert world.found("one") == {}
    assert "services" not in world.asked


def test_a_container_waits_until_the_services_are_known() -> None:
    world = linked()
    silence = world.system.links.drop("*", KUBELET, _lists_services)
    world.create(pod("one"))
    world.run(5)
    assert not world.started
    assert not world.status("one").ready
    world.system.links.remove(silence)
    world.run(30)
    assert world.found("one")["WEB_SERVICE_HOST"] == "10.96.0.7"
    assert world.status("one").ready


def _lists_services(_passage: Any, message: Any) -> bool:
    return isinstance(message, Listed) and any(isinstance(one, Service) for one in message.objects)


def test_a_kubelet_that_begins_anew_starts_the_next_container_with_links_too() -> None:
    world = linked()
    world.create(pod("one"))
    world.run(3)
    world.system.crash(KUBELET)
    world.run(1)
    world.system.restart(KUBELET)
    world.create(pod("two"))
    world.run(20)
    assert world.found("two")["WEB_SERVICE_HOST"] == "10.96.0.7"
