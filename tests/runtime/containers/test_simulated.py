"""Simulated containers as their kubelet sees them: lives, ends, readiness, answers, addresses."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from callboard.models.api.core import (
    ConfigMapVolumeSource,
    Container,
    ContainerPort,
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    Pod,
    PodSpec,
    Probe,
    Volume,
)
from callboard.models.api.meta import ObjectMeta
from callboard.models.behaviour import Behaviour, ContainerCommand, ContainerRequest, Usage
from callboard.models.messages.runtime import (
    CommandDone,
    ContainerExited,
    ContainerReadiness,
    ContainerStarted,
    ContainerUsage,
    ListSandboxes,
    LogRead,
    ProbeContainer,
    ReadLog,
    ReadUsage,
    RemoveSandbox,
    RunCommand,
    RunSandbox,
    RuntimeRefused,
    RuntimeStarted,
    SandboxRunning,
    Served,
    ServeRequest,
    StartContainer,
    StopContainer,
    UpdateVolumes,
)
from callboard.runtime.containers.simulated import SimulatedRuntime
from callboard.runtime.containers.simulated_addresses import NoAddressLeft, SimulatedAddresses
from callboard.runtime.systems import SimulatedSystem

RUNTIME = "runtime/node-1"


def pod(name: str = "web", *containers: Container, **spec: Any) -> Pod:
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}")
    return Pod(metadata=meta, spec=PodSpec(containers=containers or (Container(name="c", image="web:1"),), **spec))


class Node:
    """A runtime alone on its machine; what it pushes to the kubelet is kept."""

    def __init__(self, images: dict[str, Behaviour] | None = None, cidr: str = "10.128.0.0/22") -> None:
        self.system = SimulatedSystem(seed=1)
        self.pushed: list[Any] = []
        self.system.outlet(self.pushed.append, "kubelet/node-1")
        self.system.start(RUNTIME, SimulatedRuntime, "node-1", cidr, "172.16.0.1", tuple((images or {}).items()), machine="node-1")

    def ask(self, request: Any, *fields: Any) -> Any:
        return self.system.ask(RUNTIME, lambda number, me: request(number, me, *fields), 60)

    def sandbox(self, made: Pod, *configs: Any) -> SandboxRunning:
        answer = self.ask(RunSandbox, made, configs)
        assert isinstance(answer, SandboxRunning), answer
        return answer

    def start(self, made: Pod, attempt: int = 0, name: str = "c") -> ContainerStarted:
        assert made.spec is not None
        container = next(one for one in made.spec.containers if one.name == name)
        answer = self.ask(StartContainer, made.metadata.uid, name, attempt, container, ())
        assert isinstance(answer, ContainerStarted), answer
        return answer

    def exits(self) -> list[tuple[str, int, int]]:
        self.system.run_for(0.01)
        return [(one.name, one.exit_code, one.signal) for one in self.pushed if isinstance(one, ContainerExited)]

    def get(self, ip: str, port: int = 80, path: str = "/") -> Served:
        answer = self.ask(ServeRequest, ip, port, "GET", path, (), b"")
        assert isinstance(answer, Served)
        return answer

    def probe(self, started: ContainerStarted, probe: Probe, purpose: str) -> bool:
        ok: bool = self.ask(ProbeContainer, started.pod_uid, started.container_id, started.name, "", probe, 80, 1.0, purpose).ok
        return ok


def test_a_container_starts_when_its_behaviour_says_and_answers_with_its_pods_name() -> None:
    node = Node({"slow:*": Behaviour(start="2s")})
    made = pod("web", Container(name="c", image="slow:1"))
    ip = node.sandbox(made).ip
    before = node.system.now()
    started = node.start(made)
    assert node.system.now() - before == pytest.approx(2, abs=0.1)
    assert started.started_at_s == pytest.approx(before + 2, abs=0.1)
    served = node.get(ip)
    assert (served.connected, served.status, served.body) == (True, 200, b"web")


def test_asking_twice_for_the_same_does_it_once() -> None:
    node = Node({"job:*": Behaviour(exits=[3])})
    made = pod("web", Container(name="c", image="job:1"))
    assert node.sandbox(made).ip == node.sandbox(made).ip
    first = node.start(made)
    assert node.exits() == [("c", 3, 0)]
    again = node.start(made)
    assert (again.container_id, again.started_at_s) == (first.container_id, first.started_at_s)
    assert node.exits() == [("c", 3, 0)] * 2, "whoever asks again has perhaps not heard of the end either"
    assert len(node.ask(ListSandboxes).sandboxes[0].containers) == 1


def test_each_life_ends_with_its_own_code_and_later_ones_run_on() -> None:
    node = Node({"flaky:*": Behaviour(exits=[1, 2], runs_for="1s", ready_after="0.5s")})
    made = pod("web", Container(name="c", image="flaky:1"))
    node.sandbox(made)
    for attempt in range(3):
        node.start(made, attempt)
        node.system.run_for(2)
    assert node.exits() == [("c", 1, 0), ("c", 2, 0)]
    readiness = [one for one in node.pushed if isinstance(one, ContainerReadiness)]
    assert len(readiness) == 3
    assert all(one.ready for one in readiness)
    assert node.ask(ListSandboxes).sandboxes[0].containers[0].ready


def test_a_life_that_ends_at_once_is_never_ready() -> None:
    node = Node({"job:*": Behaviour(exits=[0])})
    made = pod("web", Container(name="c", image="job:1"))
    node.sandbox(made)
    assert node.start(made).ready is False


def test_a_running_container_keeps_the_next_attempt_away() -> None:
    node = Node()
    made = pod()
    node.sandbox(made)
    node.start(made)
    refused = node.ask(StartContainer, "uid-web", "c", 1, made.spec.containers[0], ())  # type: ignore[union-attr]
    assert isinstance(refused, RuntimeRefused)
    assert refused.reason == "CreateContainerError"


@pytest.mark.parametrize(
    ("stops_in", "grace_s", "after_s", "code"), [("0s", 30, 0, 143), ("2s", 30, 2, 143), ("9s", 3, 3, 137), ("1s", 0, 0, 137)]
)
def test_a_container_that_is_asked_to_end_ends_in_time_or_is_killed(stops_in: str, grace_s: float, after_s: float, code: int) -> None:
    node = Node({"web:*": Behaviour(stops_in=stops_in)})
    made = pod()
    node.sandbox(made)
    started = node.start(made)
    node.ask(StopContainer, "uid-web", started.container_id, grace_s)
    node.system.run_for(max(after_s - 0.5, 0))
    assert after_s == 0 or node.exits() == []
    node.system.run_for(0.6)
    assert node.exits() == [("c", code, code - 128)]


def test_a_shorter_grace_period_counts_and_a_longer_one_does_not() -> None:
    node = Node({"web:*": Behaviour(stops_in="1h")})
    made = pod()
    node.sandbox(made)
    started = node.start(made)
    for grace_s in (20.0, 2.0, 30.0):
        node.ask(StopContainer, "uid-web", started.container_id, grace_s)
    node.system.run_for(3)
    assert node.exits() == [("c", 137, 9)]


def test_nothing_is_heard_of_a_removed_sandbox_and_nobody_answers_there() -> None:
    node = Node({"job:*": Behaviour(exits=[1], runs_for="5s")})
    made = pod("web", Container(name="c", image="job:1"))
    ip = node.sandbox(made).ip
    node.start(made)
    for _ in range(2):
        assert node.ask(RemoveSandbox, "uid-web").pod_uid == "uid-web"
    node.system.run_for(10)
    assert node.exits() == []
    assert not node.get(ip).connected
    assert node.ask(ListSandboxes).sandboxes == ()


def test_containers_listen_on_the_ports_that_they_declare() -> None:
    node = Node({"b:*": Behaviour(serve=lambda request: f"b {request.path}")})
    ports = (ContainerPort(container_port=80),)
    made = pod("web", Container(name="a", image="a:1", ports=ports), Container(name="b", image="b:1"))
    ip = node.sandbox(made).ip
    node.start(made, name="a")
    assert not node.get(ip, 9000).connected
    node.start(made, name="b")
    assert node.get(ip, 80).body == b"web"
    assert node.get(ip, 9000, "/x").body == b"b /x"


def test_what_serve_returns_becomes_the_answer() -> None:
    answers: list[Any] = ["text", b"bytes", (404, "no"), (201, {"X-A": "1"}, b"made")]
    node = Node({"web:*": Behaviour(serve=lambda _request: answers.pop(0))})
    made = pod()
    ip = node.sandbox(made).ip
    node.start(made)
    found = [node.get(ip) for _ in range(4)]
    assert [(one.status, one.body) for one in found] == [(200, b"text"), (200, b"bytes"), (404, b"no"), (201, b"made")]
    assert found[3].headers == (("X-A", "1"),)


@pytest.mark.parametrize("answer", [None, 7, 8, object()])
def test_a_server_that_raises_or_returns_nonsense_dies_with_the_traceback_in_its_log(answer: Any) -> None:
    def serve(_request: Any) -> Any:
        if answer == 7:
            raise LookupError("nobody home")
        if answer == 8:
            sys.exit("enough")
        return answer

    node = Node({"web:*": Behaviour(serve=serve)})
    made = pod()
    ip = node.sandbox(made).ip
    node.start(made)
    assert not node.get(ip).connected
    assert node.exits() == [("c", 1, 0)]
    log = node.ask(ReadLog, "uid-web", "c")
    assert isinstance(log, LogRead)
    assert log.ended
    assert log.content.startswith(b"Traceback")
    why = {7: "LookupError: nobody home", 8: "SystemExit: enough"}.get(answer, "TypeError: serve returned a")
    assert why in log.content.decode()
    node.start(made, 1)
    assert node.ask(ReadLog, "uid-web", "c").content == b""
    assert node.ask(ReadLog, "uid-web", "c", log.container_id).content == log.content
    assert len(node.ask(ReadLog, "uid-web", "c", log.container_id, 1).content.splitlines()) == 1


def test_probes_see_what_runs_what_is_ready_and_what_serve_answers() -> None:
    health = {"/live": 200, "/ready": 503}
    node = Node({"web:*": Behaviour(ready_after="5s", serve=lambda request: (health[request.path], ""))})
    made = pod()
    node.sandbox(made)
    started = node.start(made)
    command = Probe(exec=ExecAction(command=("true",)))
    live, ready = (Probe(http_get=HTTPGetAction(path=path, port=80)) for path in health)
    assert node.probe(started, command, "liveness")
    assert not node.probe(started, command, "readiness")
    assert node.probe(started, live, "liveness")
    node.system.run_for(6)
    assert node.probe(started, command, "readiness")
    assert not node.probe(started, ready, "readiness")
    health["/ready"] = 302
    assert node.probe(started, ready, "readiness")
    node.ask(StopContainer, "uid-web", started.container_id, 10.0)
    assert not node.probe(started, command, "liveness")


def test_usage_is_a_function_of_the_time_that_a_container_has_run() -> None:
    node = Node({"web:*": Behaviour(usage=lambda seconds: Usage(100 + int(seconds), 2**20)), "broken:*": Behaviour(usage=lambda _: 1 / 0)})  # type: ignore[arg-type, return-value]
    made, broken = pod(), pod("broken", Container(name="c", image="broken:1"))
    for one in (made, broken):
        node.sandbox(one)
        node.start(one)
    node.system.run_for(20)
    (used,) = node.ask(ReadUsage).pods
    assert used.pod_uid == "uid-web"
    assert used.containers == (ContainerUsage("c", 120, 2**20),)
    assert node.exits() == [("c", 1, 0)]


def test_a_sandbox_needs_its_configs() -> None:
    node = Node()
    made = pod(volumes=(Volume(name="page", config_map=ConfigMapVolumeSource(name="page")),))
    refused = node.ask(RunSandbox, made, (("configmaps/default/page", None),))
    assert isinstance(refused, RuntimeRefused)
    assert (refused.reason, refused.message) == ("FailedMount", 'MountVolume.SetUp failed for volume "page" : configmap "page" not found')
    optional = pod(volumes=(Volume(name="page", config_map=ConfigMapVolumeSource(name="page", optional=True)),))
    node.sandbox(optional, ("configmaps/default/page", None))
    assert node.ask(UpdateVolumes, "uid-web", ()).pod_uid == "uid-web"
    assert node.ask(UpdateVolumes, "uid-other", ()).reason == "NotFound"


def test_pods_on_the_nodes_own_network_share_its_address() -> None:
    node = Node()
    one, two = pod("one", host_network=True), pod("two", host_network=True)
    assert node.sandbox(one).ip == node.sandbox(two).ip == "172.16.0.1"
    node.start(two)
    assert node.get("172.16.0.1").body == b"two"
    node.ask(RemoveSandbox, "uid-two")
    assert not node.get("172.16.0.1").connected


def test_no_address_is_given_to_two_live_pods_and_released_ones_come_last() -> None:
    node = Node(cidr="10.128.0.0/29")
    first = [node.sandbox(pod(name)).ip for name in "abc"]
    node.ask(RemoveSandbox, "uid-a")
    later = [node.sandbox(pod(name)).ip for name in "defg" if name < "g"]
    assert first == ["10.128.0.2", "10.128.0.3", "10.128.0.4"]
    assert later == ["10.128.0.5", "10.128.0.6", "10.128.0.2"]
    refused = node.ask(RunSandbox, pod("g"), ())
    assert (refused.reason, refused.message) == ("FailedCreatePodSandBox", "all addresses of 10.128.0.0/29 are in use")


def test_addresses_run_out_only_when_all_are_taken() -> None:
    pool = SimulatedAddresses("10.128.4.0/22")
    taken = [pool.take() for _ in range(1021)]
    assert len(set(taken)) == 1021
    with pytest.raises(NoAddressLeft):
        pool.take()
    pool.release(taken[5])
    assert pool.take() == taken[5]


def test_what_ran_outlives_nothing_but_the_kubelet() -> None:
    node = Node()
    made = pod()
    node.sandbox(made)
    first = node.start(made)
    node.system.crash_machine("node-1")
    node.pushed.clear()
    node.system.restart_machine("node-1")
    assert node.ask(ListSandboxes).sandboxes == ()
    assert [type(one) for one in node.pushed] == [RuntimeStarted]
    node.sandbox(made)
    assert node.start(made).container_id != first.container_id, "what ran before is never taken for what runs now"


def test_probes_that_are_commands_or_grpc_are_answered_as_the_behaviour_says() -> None:
    healthy = {"shop": 200}

    def serve(request: ContainerRequest) -> tuple[int, str]:
        assert (request.method, request.path) == ("POST", "/grpc.health.v1.Health/Check")
        return healthy.get(request.text, 503), ""

    images = {"shell:*": Behaviour(exec=lambda asked: (0 if asked.command == ("true",) else 1, "said")), "grpc:*": Behaviour(serve=serve)}
    node = Node(images)
    one = pod(
        "web",
        Container(name="shell", image="shell:1"),
        Container(name="grpc", image="grpc:1"),
        Container(name="c", image="plain:1", ports=(ContainerPort(container_port=80),)),
    )
    node.sandbox(one)
    started = {name: node.start(one, name=name).container_id for name in ("shell", "grpc", "c")}

    def probe(name: str, port: int = 0, **action: Any) -> tuple[bool, str]:
        probed = node.ask(ProbeContainer, "uid-web", started[name], name, "", Probe(**action), port, 1.0)
        return probed.ok, probed.message

    assert probe("shell", exec=ExecAction(command=("true",))) == (True, "said")
    assert probe("shell", exec=ExecAction(command=("false",))) == (False, "said")
    assert probe("c", exec=ExecAction(command=("false",))) == (True, ""), "nothing says what commands do there"
    assert probe("grpc", 5000, grpc=GRPCAction(port=5000, service="shop")) == (True, "")
    assert probe("grpc", 5000, grpc=GRPCAction(port=5000)) == (False, 'service unhealthy (responded with "NOT_SERVING")')
    assert probe("c", 80, grpc=GRPCAction(port=80)) == (True, "")
    assert "connection refused" in probe("c", 81, grpc=GRPCAction(port=81))[1]


def test_a_command_that_raises_or_returns_nonsense_fails_with_the_traceback_and_its_container_goes_on() -> None:
    def confused(asked: ContainerCommand) -> Any:
        if asked.command == ("exit",):
            sys.exit(3)
        return object() if asked.command == ("nonsense",) else dict[str, int]()["x"]

    node = Node({"web:*": Behaviour(exec=confused)})
    one = pod()
    node.sandbox(one)
    identity = node.start(one).container_id
    ends = {"nonsense": b"TypeError: exec returned a object", "raise": b"KeyError: 'x'", "exit": b"SystemExit: 3"}
    for command, words in (((name,), text) for name, text in ends.items()):
        done = node.ask(RunCommand, "uid-web", identity, "c", command)
        assert isinstance(done, CommandDone)
        assert done.exit_code == 1
        assert words in done.stderr
    assert node.exits() == []
    assert node.ask(RunCommand, "uid-web", "other", "c", ("ls",)).problem == 'container not found ("c")'


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        ("text", (0, b"text", b"")),
        (b"\xff", (0, b"\xff", b"")),
        (None, (0, b"", b"")),
        (7, (7, b"", b"")),
        ((2, "out"), (2, b"out", b"")),
        ((2, b"out", "err"), (2, b"out", b"err")),
    ],
)
def test_what_an_exec_function_returns_is_an_exit_code_and_two_streams(returned: Any, result: tuple[int, bytes, bytes]) -> None:
    node = Node({"web:*": Behaviour(exec=lambda _asked: returned)})
    one = pod()
    node.sandbox(one)
    done = node.ask(RunCommand, "uid-web", node.start(one).container_id, "c", ("x",))
    assert (done.exit_code, done.stdout, done.stderr) == result
