"""`logs` and `exec` as users call them: on real and on virtual time, and when what stands between user and container fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard import BadRequest, Behaviour, Cluster, NotFound, Simulation, Timeout, Unavailable
from callboard.models.behaviour import ContainerCommand
from callboard.models.errors import ApiError, InternalError
from callboard.models.messages.pods import ExecInPod

TALKER = Behaviour(says=["warming up", "listening"], exec=lambda asked: (int(asked.command[1]), asked.stdin, "said " + asked.command[0]))
CRASHER = Behaviour(says="trying", exits=[3], runs_for="1s")
IMAGES = {"talker": TALKER, "crasher": CRASHER, "slow": Behaviour(start="1h"), "plain": Behaviour()}
Made = Callable[[], Cluster | Simulation]


def pod(name: str, *images: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": chr(ord("a") + number), "image": image} for number, image in enumerate(images)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


@pytest.fixture(params=["cluster", "simulation"])
def made(request: pytest.FixtureRequest) -> Made:
    if request.param == "cluster":
        return lambda: Cluster(nodes=1, images=IMAGES, timing="fast")
    return lambda: Simulation(nodes=1, seed=5, images=IMAGES)


def test_what_a_container_says_and_does_on_both_kinds_of_time(made: Made) -> None:
    with made() as c:
        c.apply([pod("web", "talker"), pod("idle", "plain")])
        c.wait("pod/web")
        c.wait("pod/idle")
        assert c.logs("pod/web") == "warming up\nlistening\n"
        assert c.logs("pod/web", tail=1) == "listening\n"
        assert c.logs("pod/web", tail=0) == ""
        assert c.logs("pod/idle") == ""
        stamped = c.logs("pod/web", timestamps=True, since="1h").splitlines()
        assert [line.partition("Z ")[2] for line in stamped] == ["warming up", "listening"]
        assert all(len(line.partition("Z ")[0]) == len("2026-01-01T00:00:00.000000000") for line in stamped)
        done = c.exec("pod/web", ["deploy", "4"], stdin="€\n")
        assert (done.exit_code, done.stdout, done.stderr) == (4, "€\n", "said deploy")
        missing = c.exec("pod/idle", ["cat", "/etc/config/a"])
        assert missing.exit_code == 127
        assert 'exec: "cat": executable file not found in $PATH' in missing.stderr


def test_a_follower_hears_every_line_until_the_container_ends_and_each_life_has_a_log_of_its_own(made: Made) -> None:
    with made() as c:
        c.apply([pod("once", "crasher", restartPolicy="Never"), pod("again", "crasher", restartPolicy="OnFailure")])
        c.wait("pod/once", lambda it: it.status.phase in ("Running", "Failed"))
        assert list(c.logs("pod/once", follow=True)) == ["trying"]
        assert c.wait("pod/once", lambda it: it.status.phase == "Failed").status.container_statuses[0].state.terminated.exit_code == 3
        c.wait("pod/again", lambda it: it.status.container_statuses and it.status.container_statuses[0].restart_count == 1)
        assert c.logs("pod/again", previous=True) == "trying\n"
        assert list(c.logs("pod/again", follow=True, timeout="1s")) == ["trying"]


def test_a_workload_stands_for_the_pod_that_says_most(made: Made) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "talker"}]}}
    web = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [{"port": 80}]}}
    with made() as c:
        c.apply([web, service])
        c.wait("deployment/web")
        assert c.logs("deployment/web", tail=1) == "listening\n"
        assert c.exec("service/web", ["x", "0"]).exit_code == 0
        with pytest.raises(BadRequest, match="selects no pods"):
            c.logs("node/node-1")
        c.scale("deployment/web", 0)
        c.wait("deployment/web")
        assert c.still_there(c.list("pods")) == []  # the deployment doesn't count those that are terminating
        with pytest.raises(NotFound, match="no pod of"):
            c.logs("deployment/web")


def test_refusals_have_kubernetes_words() -> None:
    with Simulation(nodes=1, seed=5, images=IMAGES) as s:
        s.apply([pod("slow", "slow"), pod("two", "talker", "plain"), pod("far", "talker", nodeSelector={"disk": "none"})])
        s.wait("pod/two")
        with pytest.raises(BadRequest, match='container "a" in pod "slow" is waiting to start: ContainerCreating'):
            s.logs("pod/slow")
        with pytest.raises(BadRequest, match='previous terminated container "a" in pod "two" not found'):
            s.logs("pod/two", previous=True)
        with pytest.raises(BadRequest, match="container x is not valid for pod two"):
            s.exec("pod/two", ["x", "0"], container="x")
        with pytest.raises(BadRequest, match=r"a container name must be specified for pod two, choose one of: \[a b\]"):
            s.logs("pod/two", container="")
        assert s.logs("pod/two", tail=1) == "listening\n"  # as kubectl, the verb takes the first
        with pytest.raises(InternalError, match='container not found \\("a"\\)'):
            s.exec("pod/slow", ["x", "0"])
        with pytest.raises(NotFound, match='pods "gone" not found'):
            s.logs("pod/gone")
        assert s.logs("pod/far") == ""
        assert list(s.logs("pod/far", follow=True)) == []
        with pytest.raises(BadRequest, match="pod far does not have a host assigned"):
            s.exec("pod/far", ["x", "0"])
        with pytest.raises(BadRequest, match="give its words as a list"):
            s.exec("pod/two", "ls -l")
        with pytest.raises(BadRequest, match="tail must be greater than or equal to 0"):
            s.logs("pod/two", tail=-1)


def test_a_command_in_a_completed_pod_is_refused_and_its_log_is_still_there() -> None:
    images = {"job": Behaviour(says="done", exits=[0])}
    with Simulation(nodes=1, seed=5, images=images) as s:
        s.apply(pod("job", "job", restartPolicy="Never"))
        s.wait("pod/job", lambda it: it.status.phase == "Succeeded")
        assert s.logs("pod/job") == "done\n"
        with pytest.raises(BadRequest, match="cannot exec into a container in a completed pod; current phase is Succeeded"):
            s.exec("pod/job", ["ls"])


def _nothing_is_kept(s: Simulation) -> None:
    """No apiserver and no kubelet remembers a request that nobody waits for any more."""
    system = s._system
    assert not system.look("apiserver-0")._forwarded
    if system.alive("kubelet/node-1"):
        assert not system.look("kubelet/node-1")._inside


def test_a_kubelet_that_dies_while_a_command_is_under_way_ends_in_an_error_and_the_next_one_carries_on() -> None:
    deaths: list[str] = []

    def deadly(asked: ContainerCommand) -> str:
        if asked.command == ("die",):
            deaths.append(asked.pod)
            s.components["kubelet/node-1"].crash()  # in the middle of it: the answer will find nobody
        return "done"

    with Simulation(nodes=1, seed=5, images={"deadly": Behaviour(exec=deadly)}, timing="chaos") as s:
        s.apply(pod("web", "deadly"))
        s.wait("pod/web")
        began_s = s.now
        with pytest.raises(Timeout, match="kubelet/node-1 did not answer within 3 s; whether the command was carried out is unknown"):
            s.exec("pod/web", ["die"], timeout="2s")
        assert (deaths, s.components["kubelet/node-1"].alive) == (["web"], False)
        assert s.now - began_s < 4
        s.components["kubelet/node-1"].restart()
        s.wait("node/node-1", "Ready")
        s.advance("5s")
        assert s.exec("pod/web", ["live"]).stdout == "done"
        _nothing_is_kept(s)


def test_a_node_that_is_cut_off_answers_with_a_time_out_not_with_silence() -> None:
    with Simulation(nodes=1, seed=5, images=IMAGES, timing="chaos") as s:
        s.apply(pod("web", "talker"))
        s.wait("pod/web")
        s.nodes["node-1"].partition()
        began_s = s.now
        calls: list[Callable[[], Any]] = [lambda: s.logs("pod/web", timeout="3s"), lambda: s.exec("pod/web", ["x", "0"], timeout="1s")]
        for call in calls:
            with pytest.raises(ApiError) as refused:
                call()
            assert refused.value.code == 504
            assert "kubelet/node-1 did not answer within" in str(refused.value)
        assert s.now - began_s < 10
        s.nodes["node-1"].heal()
        s.wait("pod/web")
        assert s.exec("pod/web", ["x", "0"]).exit_code == 0
        _nothing_is_kept(s)


def test_a_dead_runtime_is_told_as_unavailable() -> None:
    with Simulation(nodes=1, seed=5, images=IMAGES, timing="chaos") as s:
        s.apply(pod("web", "talker"))
        s.wait("pod/web")
        s.links.partition("runtime/node-1")
        with pytest.raises(Unavailable, match="the container runtime of node-1 does not answer"):
            s.exec("pod/web", ["x", "0"], timeout="1s")
        _nothing_is_kept(s)


def test_a_command_is_sent_once_whatever_becomes_of_its_answer() -> None:
    heard: list[tuple[str, ...]] = []
    images = {"once": Behaviour(exec=lambda asked: heard.append(asked.command))}
    with Simulation(nodes=1, seed=5, images=images, timing="chaos") as s:
        s.apply(pod("web", "once"))
        s.wait("pod/web")
        s.links.drop("apiserver-0", "*", lambda _passage, message: type(message).__name__ in ("ExecDone", "Refused"))
        with pytest.raises(Timeout, match=f"{ExecInPod.__name__} of pods web got no answer"):
            s.exec("pod/web", ["charge", "card"], timeout="1s")
        assert heard == [("charge", "card")]


@pytest.mark.parametrize(
    "link", [("*", "*"), ("*", "apiserver-0"), ("apiserver-0", "kubelet/node-1"), ("kubelet/node-1", "runtime/node-1")], ids="-".join
)
def test_a_command_is_carried_out_once_over_links_that_deliver_twice(link: tuple[str, str]) -> None:
    heard: list[tuple[str, ...]] = []
    images = {"once": Behaviour(exec=lambda asked: heard.append(asked.command))}
    with Simulation(nodes=1, seed=5, images=images) as s:
        s.apply(pod("web", "once"))
        s.wait("pod/web")
        s.links.duplicate(*link)
        for number in range(3):
            assert s.exec("pod/web", ["charge", str(number)]).exit_code == 0
        s.advance("5s")
        assert heard == [("charge", "0"), ("charge", "1"), ("charge", "2")]
        _nothing_is_kept(s)


def test_an_apiserver_that_has_just_started_passes_a_command_on_once_though_it_came_twice() -> None:
    heard: list[tuple[str, ...]] = []
    images = {"once": Behaviour(exec=lambda asked: heard.append(asked.command))}
    with Simulation(nodes=1, seed=5, images=images) as s:
        s.apply(pod("web", "once"))
        s.wait("pod/web")
        s.components["apiserver-0"].crash()
        s.links.duplicate("*", "*")
        s.links.delay("store", "apiserver-0", 2.0)  # it has no picture of the store when the command comes
        s.components["apiserver-0"].restart()
        s.exec("pod/web", ["charge", "card"], timeout="20s")
        s.advance("5s")
        assert heard == [("charge", "card")]


def test_one_seed_is_one_history_with_logs_and_commands_in_it() -> None:
    def history() -> str:
        with Simulation(nodes=2, seed=9, images=IMAGES) as s:
            s.apply([pod("web", "talker"), pod("bad", "crasher")])
            s.wait("pod/web")
            s.exec("pod/web", ["x", "0"])
            list(s.logs("pod/web", follow=True, timeout="2s"))
            return s.trace_hash

    assert history() == history()


def test_a_kubelet_that_has_just_started_is_waited_for_and_carries_a_command_out_once() -> None:
    heard: list[tuple[str, ...]] = []
    images = {"once": Behaviour(says="here", exec=lambda asked: heard.append(asked.command))}
    with Simulation(nodes=1, seed=5, images=images, timing="chaos") as s:
        s.apply(pod("web", "once"))
        s.wait("pod/web")
        s.components["kubelet/node-1"].crash()
        s.links.delay("runtime/node-1", "kubelet/node-1", 5.0)  # it can't know what runs here for a while
        s.components["kubelet/node-1"].restart()
        s.exec("pod/web", ["charge", "card"], timeout="20s")
        s.links.clear()
        assert heard == [("charge", "card")]
        assert s.logs("pod/web") == "here\n"
