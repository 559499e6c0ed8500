"""The node's own object and lease: registered, kept true, and given up when the runtime is gone."""

from __future__ import annotations

from callboard.actors.component import Component, handles
from callboard.actors.kubelet.nodestatus import new_node
from callboard.actors.kubelet.settings import KubeletSettings
from callboard.models.api.core import NodeCondition, ResourceRequirements, Taint
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import DeleteObject, WriteStatus
from callboard.models.messages.runtime import ListSandboxes, ReadUsage, RuntimeStarted, SandboxesListed, UsageRead
from callboard.models.podstatus import condition, with_condition
from callboard.models.timing import CHAOS, KUBERNETES
from tests.actors.kubelet.kit import API, KUBELET, NODE, RUNTIME, World, container, pod


def test_a_node_is_registered_with_what_it_has() -> None:
    world = World(cpu="16", labels=FrozenMap({"disk": "ssd"}))
    node = world.node()
    assert node.status is not None
    assert dict(node.status.capacity) == {"cpu": "16", "ephemeral-storage": "100Gi", "memory": "8Gi", "pods": "110"}
    assert node.status.allocatable == node.status.capacity
    assert {one.type: one.address for one in node.status.addresses} == {"InternalIP": "172.16.0.1", "Hostname": NODE}
    wanted = {"disk": "ssd", "kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    assert wanted.items() <= node.metadata.labels.items()
    assert [(one.type, one.status) for one in node.status.conditions] == [
        ("MemoryPressure", "False"),
        ("DiskPressure", "False"),
        ("PIDPressure", "False"),
        ("Ready", "True"),
    ]


def test_a_node_is_not_registered_before_its_runtime_has_answered() -> None:
    world = World(seed=3)
    world.system.crash(KUBELET)
    world.system.crash(RUNTIME)
    world.ask(DeleteObject, resource="nodes", namespace="", name=NODE)
    world.system.restart(KUBELET)
    world.run(20)
    assert world.find(NODE, "nodes", "") is None
    world.system.restart(RUNTIME)
    world.run(3)
    assert condition(world.node(), "Ready").status == "True"


def test_a_kubelet_that_restarts_keeps_what_others_wrote_on_its_node() -> None:
    world = World()
    node = world.node()
    marked = replace(node, metadata=replace(node.metadata, labels=FrozenMap({"mine": "yes"})))
    world.update(marked, "nodes")
    world.system.restart(KUBELET)
    world.run(2)
    found = world.node()
    assert found.metadata.labels["mine"] == "yes"
    assert found.metadata.labels["kubernetes.io/hostname"] == NODE
    assert condition(found, "Ready").last_transition_time == condition(node, "Ready").last_transition_time


def test_the_lease_is_renewed() -> None:
    world = World()
    before = world.find(NODE, "leases.coordination.k8s.io", "kube-node-lease")
    assert before.spec.holder_identity == NODE
    assert before.spec.lease_duration_seconds == 40
    world.run(KUBERNETES.lease_renew_s + 1)
    after = world.find(NODE, "leases.coordination.k8s.io", "kube-node-lease")
    assert after.spec.renew_time > before.spec.renew_time


def test_an_unchanged_status_is_only_written_as_a_heartbeat() -> None:
    world = World()
    before = world.node()
    world.run(250)
    assert world.node().metadata.resource_version == before.metadata.resource_version
    world.run(80)
    after = world.node()
    assert after.metadata.resource_version > before.metadata.resource_version
    old, new = condition(before, "Ready"), condition(after, "Ready")
    assert new.last_heartbeat_time > old.last_heartbeat_time
    assert new.last_transition_time == old.last_transition_time


def test_a_node_that_somebody_called_unknown_says_at_once_that_it_lives() -> None:
    world = World()
    node = world.node()
    assert node.status is not None
    lost = NodeCondition(type="Ready", status="Unknown", reason="NodeStatusUnknown", last_transition_time="2026-01-01T00:00:01Z")
    own = NodeCondition(type="NetworkUnavailable", status="False", last_transition_time="2026-01-01T00:00:01Z")
    status = replace(node.status, conditions=(own, *with_condition(node.status.conditions, lost)))
    world.ask(WriteStatus, resource="nodes", namespace="", name=NODE, status=status)
    world.run(1)
    found = world.node()
    assert condition(found, "Ready").status == "True"
    assert condition(found, "NetworkUnavailable") == own, "what others wrote stays"


def test_a_node_says_that_it_lives_though_its_kubelet_does_not_hear_what_others_wrote_on_it() -> None:
    world = World(timing=CHAOS)
    node = world.node()
    assert node.status is not None
    world.system.links.drop(API, KUBELET, lambda passage, _: passage.type == "WatchBatch")
    lost = NodeCondition(type="Ready", status="Unknown", reason="NodeStatusUnknown", last_transition_time="2026-01-01T00:00:01Z")
    status = replace(node.status, conditions=with_condition(node.status.conditions, lost))
    world.ask(WriteStatus, resource="nodes", namespace="", name=NODE, status=status)
    world.run(2 * CHAOS.node_status_s)
    assert condition(world.node(), "Ready").status == "True"


def test_a_node_is_not_ready_while_its_runtime_is_down() -> None:
    world = World(timing=CHAOS)
    world.system.crash(RUNTIME)
    world.run(8)
    ready = condition(world.node(), "Ready")
    assert (ready.status, ready.reason, ready.message) == ("False", "KubeletNotReady", "container runtime is down")
    world.system.restart(RUNTIME)
    world.run(1)
    assert condition(world.node(), "Ready").status == "True"


def test_what_could_not_be_told_is_told_when_the_apiserver_is_back() -> None:
    world = World()
    world.system.links.partition(NODE, API)
    world.create(pod())
    world.run(60)
    assert world.phase() == "Pending"
    world.system.links.heal()
    world.run(60)
    assert world.phase() == "Running"


def test_a_status_whose_answer_is_lost_is_written_again() -> None:
    world = World()
    world.system.links.drop(API, KUBELET, lambda passage, _: passage.type == "Written")
    world.create(pod())
    world.run(2)
    assert world.phase() == "Running"
    world.system.links.clear()
    world.delete("web")
    world.run(60)
    assert world.find("web") is None


def test_a_node_that_registers_unready_is_tainted_from_its_first_moment() -> None:
    """plugin/pkg/admission/nodetaint: no pod may be bound to a new node before the node lifecycle controller has seen that it is ready."""
    own = KubeletSettings(node_name="node-1", runtime="runtime/node-1", taints=(Taint(key="example.org/a", effect="NoExecute"),))
    ready, unready = new_node(own, "10.0.0.1", "", 0.0), new_node(own, "10.0.0.1", "container runtime is down", 0.0)
    assert ready.spec is not None
    assert unready.spec is not None
    assert [one.key for one in ready.spec.taints] == ["example.org/a"]
    assert [(one.key, one.effect) for one in unready.spec.taints] == [
        ("example.org/a", "NoExecute"),
        ("node.kubernetes.io/not-ready", "NoSchedule"),
    ]


class BrokenRuntime(Component):
    """A container runtime that answers, and can start nothing until it is well."""

    well = False

    @handles(ListSandboxes)
    def _list(self, request: ListSandboxes) -> None:
        self.port.send(request.reply_to, SandboxesListed(request.id, (), "172.16.0.1", "" if self.well else "its daemon is gone"))

    @handles(ReadUsage)
    def _read_usage(self, request: ReadUsage) -> None:
        self.port.send(request.reply_to, UsageRead(request.id, ()))


def test_a_runtime_that_says_that_it_can_start_nothing_makes_its_node_not_ready_until_it_can() -> None:
    world = World()
    world.system.remove(RUNTIME)
    world.system.start(RUNTIME, BrokenRuntime, machine=NODE)
    world.system.post(KUBELET, RuntimeStarted(NODE))
    world.run(1)
    ready = condition(world.node(), "Ready")
    assert (ready.status, ready.reason, ready.message) == ("False", "KubeletNotReady", "container runtime is down")
    world.run(60)
    assert condition(world.node(), "Ready").status == "False"
    broken = world.system.look(RUNTIME)
    assert isinstance(broken, BrokenRuntime)
    broken.well = True
    world.run(KUBERNETES.lease_renew_s * 1.1)
    assert condition(world.node(), "Ready").status == "True"


def test_a_pod_runs_on_a_resource_that_was_patched_into_its_node() -> None:
    world = World()
    node = world.node()
    assert node.status is not None
    status = replace(
        node.status,
        capacity=FrozenMap({**node.status.capacity, "example.org/gpu": "1"}),
        allocatable=FrozenMap({**node.status.allocatable, "example.org/gpu": "1"}),
    )
    world.ask(WriteStatus, resource="nodes", namespace="", name=NODE, status=status, uid=node.metadata.uid)
    gpu = ResourceRequirements(requests=FrozenMap({"example.org/gpu": "1"}), limits=FrozenMap({"example.org/gpu": "1"}))
    world.create(pod("a", container(resources=gpu)))
    world.create(pod("b", container(resources=gpu)))
    world.run(600)  # with heartbeats of the node's status in between
    assert sorted([world.phase("a"), world.phase("b")]) == ["Failed", "Running"]
    found = world.node().status
    assert found is not None
    assert found.capacity["example.org/gpu"] == found.allocatable["example.org/gpu"] == "1"
