"""Requests that an apiserver passes on: which container and node are meant, who answers for whom, and what is left of it afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.apiserver.forwarding import chosen_container, served_elsewhere
from callboard.actors.component import Component, handles
from callboard.models.api.core import Container, Node, Pod, PodSpec
from callboard.models.api.meta import ObjectMeta
from callboard.models.errors import BadRequest
from callboard.models.messages.api import CreateObject, GetObject, Got, Listed, ListObjects, Refused
from callboard.models.messages.base import Message
from callboard.models.messages.pods import ExecDone, ExecGoesOn, ExecInPod, PodLogRead, ReadPodLog

BEAT_S = 5.0


def made_pod(*names: str, init: tuple[str, ...] = (), node: str = "node-1") -> Pod:
    def containers(wanted: tuple[str, ...]) -> tuple[Container, ...]:
        return tuple(Container(name=name, image="i") for name in wanted)

    spec = PodSpec(containers=containers(names), init_containers=containers(init), node_name=node)
    return Pod(metadata=ObjectMeta(name="web", namespace="default"), spec=spec)


def test_the_only_container_is_meant_when_none_is_named() -> None:
    assert chosen_container(made_pod("a"), "") == "a"
    assert chosen_container(made_pod("a", init=("setup",)), "") == "a"
    assert chosen_container(made_pod("a", init=("setup",)), "setup") == "setup"


def test_of_several_containers_one_must_be_named_and_init_containers_are_named_too() -> None:
    with pytest.raises(BadRequest) as refused:
        chosen_container(made_pod("a", "b", init=("setup",)), "")
    assert str(refused.value) == "a container name must be specified for pod web, choose one of: [setup a b]"
    with pytest.raises(BadRequest) as refused:
        chosen_container(made_pod("a"), "x")
    assert str(refused.value) == "container x is not valid for pod web"


@pytest.mark.parametrize("resource", ["pods", "nodes", "deployments.apps", "metrics.k8s.io", "widgets.example.com"])
def test_only_an_aggregated_group_is_served_elsewhere(resource: str) -> None:
    assert served_elsewhere(resource) == ""
    assert served_elsewhere(f"{resource.partition('.')[0]}.metrics.k8s.io") == "metrics-server"


class Beat(Message, frozen=True, gc=False):
    """Timer: say that a command goes on."""

    id: int
    to: str


class Answerer(Component):
    """In the place of a kubelet or a metrics server; keeps what it was asked, and answers unless it is told not to."""

    asked: list[Any] = []
    silent = False
    beats = 0

    @handles(ReadPodLog, ExecInPod, GetObject, ListObjects)
    def _asked(self, request: Any) -> None:
        self.asked.append(request)
        if self.silent:
            for beat in range(self.beats):
                self.port.after((beat + 1) * BEAT_S, Beat(request.id, request.reply_to))
            return
        answers: dict[type, Any] = {
            ReadPodLog: PodLogRead(request.id, b"said\n", 5, 5, False, "life"),
            ExecInPod: ExecDone(request.id, 3, b"out"),
            GetObject: Refused(request.id, 404, "NotFound", "no such metrics"),
            ListObjects: Listed(request.id, (), 7),
        }
        self.port.send(request.reply_to, answers[type(request)])

    @handles(Beat)
    def _beat(self, timer: Beat) -> None:
        self.port.send(timer.to, ExecGoesOn(timer.id))


class Cast:
    """A world with one node and one pod, and with answerers."""

    def __init__(self, world: Any) -> None:
        self.system = world.system
        self.answerer: Any = type("Own", (Answerer,), {"asked": [], "silent": False})
        for name in ("kubelet/node-1", "metrics-server"):
            self.system.start(name, self.answerer, machine=name)
        self.system.run_for(1)
        self.ask(CreateObject, resource="nodes", obj=Node(metadata=ObjectMeta(name="node-1")))
        self.uid = self.ask(CreateObject, resource="pods", obj=made_pod("a")).obj.metadata.uid

    def ask(self, request: Any, /, **fields: Any) -> Any:
        return self.system.ask("apiserver-0", lambda number, me: request(number, me, **fields), 120)

    def forwarded(self) -> int:
        return len(self.system.look("apiserver-0")._forwarded)


@pytest.fixture
def cast(world: Any) -> Cast:
    return Cast(world)


def test_a_request_into_a_pod_reaches_its_kubelet_under_another_number_and_its_answer_comes_back_under_its_own(cast: Cast) -> None:
    read = cast.ask(ReadPodLog, namespace="default", name="web")
    assert isinstance(read, PodLogRead)
    assert (read.content, read.container_id) == (b"said\n", "life")
    done = cast.ask(ExecInPod, namespace="default", name="web", command=("ls",))
    assert (done.exit_code, done.stdout) == (3, b"out")
    first, second = cast.answerer.asked
    assert (first.container, first.uid, first.reply_to.partition("#")[0]) == ("a", cast.uid, "apiserver-0")
    assert second.command == ("ls",)
    assert cast.forwarded() == 0


def test_a_pod_that_was_just_created_is_found_and_another_of_its_name_is_not_taken_for_it(cast: Cast) -> None:
    refused = cast.ask(ReadPodLog, namespace="default", name="web", uid="other")
    assert (refused.code, refused.reason) == (409, "Conflict")
    assert cast.ask(ReadPodLog, namespace="default", name="gone").message == 'pods "gone" not found'
    assert not cast.answerer.asked


def test_a_silent_kubelet_is_a_time_out_and_nothing_of_the_request_is_kept(cast: Cast) -> None:
    cast.answerer.silent = True
    began_s = cast.system.now()
    refused = cast.ask(ExecInPod, namespace="default", name="web", command=("ls",), timeout_s=2.0)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.reason) == (504, "Timeout")
    assert 3 <= cast.system.now() - began_s < 4
    refused = cast.ask(ReadPodLog, namespace="default", name="web")
    assert refused.code == 504
    assert cast.forwarded() == 0


def test_a_long_command_is_waited_for_as_long_as_its_kubelet_says_that_it_goes_on(cast: Cast) -> None:
    cast.answerer.silent, cast.answerer.beats = True, 6
    began_s = cast.system.now()
    refused = cast.ask(ExecInPod, namespace="default", name="web", command=("ls",), timeout_s=3600.0)
    assert (refused.code, refused.reason) == (504, "Timeout")
    assert "did not answer within 24 s" in refused.message
    assert 6 * BEAT_S + 24 <= cast.system.now() - began_s < 6 * BEAT_S + 25
    cast.answerer.beats = 100
    assert cast.ask(ExecInPod, namespace="default", name="web", command=("ls",), timeout_s=10.0).code == 504
    assert 6 * BEAT_S + 24 + 11 <= cast.system.now() - began_s < 6 * BEAT_S + 25 + 12
    assert cast.forwarded() == 0


def test_an_answer_that_comes_too_late_is_not_given_to_anybody(cast: Cast) -> None:
    cast.system.links.delay("kubelet/*", "apiserver-*", 30.0)
    assert cast.ask(ExecInPod, namespace="default", name="web", command=("ls",), timeout_s=1.0).code == 504
    cast.system.run_for(60)
    cast.system.links.clear()
    assert cast.ask(ExecInPod, namespace="default", name="web", command=("ls",), timeout_s=1.0).exit_code == 3


def test_an_aggregated_api_is_read_through_the_apiserver_and_unavailable_without_its_component(cast: Cast) -> None:
    listed = cast.ask(ListObjects, resource="nodes.metrics.k8s.io")
    assert isinstance(listed, Listed)
    refused = cast.ask(GetObject, resource="pods.metrics.k8s.io", namespace="default", name="web")
    assert (refused.code, refused.message) == (404, "no such metrics")
    assert isinstance(cast.ask(GetObject, resource="pods", namespace="default", name="web"), Got)
    cast.system.crash("metrics-server")
    refused = cast.ask(ListObjects, resource="nodes.metrics.k8s.io")
    words = "the server is currently unable to handle the request (get nodes.metrics.k8s.io)"
    assert (refused.code, refused.reason, refused.message) == (503, "ServiceUnavailable", words)
    assert cast.forwarded() == 0


ABSURD = [
    (ExecInPod, {"timeout_s": float("inf")}),
    (ExecInPod, {"timeout_s": float("nan")}),
    (ExecInPod, {"timeout_s": -1.0}),
    (ExecInPod, {"timeout_s": 1e9}),
    (ReadPodLog, {"offset": -(2**80)}),
    (ReadPodLog, {"offset": 1 << 20_000}),
    (ReadPodLog, {"tail_lines": -2}),
    (ReadPodLog, {"tail_lines": 2**63}),
    (ReadPodLog, {"since_s": float("nan")}),
    (ReadPodLog, {"wait_s": float("inf")}),
]


@pytest.mark.parametrize(("request_type", "fields"), ABSURD, ids=range(len(ABSURD)))
def test_numbers_that_make_no_sense_are_refused_before_they_reach_a_kubelet(cast: Cast, request_type: Any, fields: Any) -> None:
    refused = cast.ask(request_type, namespace="default", name="web", **fields)
    assert (refused.code, refused.reason) == (400, "BadRequest")
    assert refused.message.startswith(f"{next(iter(fields))}: Invalid value: must be a number from ")
    assert not cast.answerer.asked
    assert isinstance(cast.ask(ReadPodLog, namespace="default", name="web"), PodLogRead)
