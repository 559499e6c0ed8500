"""Oracles of promises, of evictions and of leaders: each with a history that breaks it, and one that is right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from callboard.models.api.coordination import Lease, LeaseSpec
from callboard.models.api.core import Taint, Toleration
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import freeze
from callboard.models.generic import GenericObject
from callboard.models.messages.api import CreateObject, DeleteObject, EvictPod, Propagation, WatchBatch, Written
from callboard.runtime.chaos.oracles import evictions, leaders, promises

from .fake import FakeWorld, deployment, meta, node, pod, replica_set

RS = ("ReplicaSet", "web", "uid-web")
SERVER = "apiserver-0#1"


def _pod_key(name: str) -> str:
    return f"pods/default/{name}"


def _budget(least: int) -> GenericObject:
    content = freeze({"spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}}})
    return GenericObject(metadata=meta("web"), api_version="policy/v1", kind="PodDisruptionBudget", content=content)


@pytest.mark.parametrize(("evicted", "least", "wrong"), [(1, 2, False), (2, 2, True), (0, 2, False)])
def test_an_eviction_below_the_budget_is_noticed_and_losses_by_themselves_are_not(evicted: int, least: int, wrong: bool) -> None:
    world, oracle = FakeWorld(), promises.BudgetsAreKept()
    world.put(oracle, "poddisruptionbudgets.policy/default/web", _budget(least))
    names = ("a", "b", "c")
    for name in names:
        world.put(oracle, _pod_key(name), pod(name, labels={"app": "web"}))
    found = []
    for number, name in enumerate(names[:2]):
        if number < evicted:
            oracle.delivered("user#1", SERVER, EvictPod(1, "user#1", "pods", "default", name), world)
        found.append(world.put(oracle, _pod_key(name), pod(name, labels={"app": "web"}, going=True)))
    assert any(found) == wrong


@pytest.mark.parametrize(("by_controller", "unavailable", "wrong"), [(True, 0, True), (True, 1, False), (False, 0, False)])
def test_a_rollout_that_takes_too_many_pods_is_noticed(by_controller: bool, unavailable: int, wrong: bool) -> None:
    world, oracle = FakeWorld(), promises.RolloutsKeepTheirPromise()
    world.put(oracle, "deployments.apps/default/web", deployment("web", 2, (2, 2, 2), unavailable=unavailable))
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 2, owner=("Deployment", "web", "uid-web")))
    for name in ("a", "b"):
        world.put(oracle, _pod_key(name), pod(name, owner=RS))
    world.now += 100.0
    if by_controller:
        oracle.delivered("controller/replicaset#1", SERVER, DeleteObject(1, "x", "pods", "default", "a"), world)
    assert (world.put(oracle, _pod_key("a"), pod("a", owner=RS, going=True)) is not None) == wrong


def test_a_pod_that_was_orphaned_a_moment_ago_counts_for_who_can_not_know_of_it() -> None:
    world, oracle = FakeWorld(), promises.RolloutsKeepTheirPromise()
    world.put(oracle, "deployments.apps/default/web", deployment("web", 3, (3, 3, 3), unavailable=1))
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 3, owner=("Deployment", "web", "uid-web")))
    for name in ("a", "b", "c"):
        world.put(oracle, _pod_key(name), pod(name, owner=RS))
    world.now += 100.0
    world.put(oracle, _pod_key("c"), pod("c"))
    oracle.delivered("controller/replicaset#1", SERVER, DeleteObject(1, "x", "pods", "default", "a"), world)
    assert world.put(oracle, _pod_key("a"), pod("a", owner=RS, going=True)) is None, "for its Deployment three are left"
    world.put(oracle, _pod_key("a"), pod("a", owner=RS))
    world.now += 100.0
    oracle.delivered("controller/replicaset#1", SERVER, DeleteObject(1, "x", "pods", "default", "a"), world)
    assert world.put(oracle, _pod_key("a"), pod("a", owner=RS, going=True)) is not None, "now everybody knows"


@pytest.mark.parametrize(("ready_for_s", "lost", "wrong"), [(100.0, 0, True), (1.0, 0, False), (100.0, 1, False)])
def test_the_end_of_a_pod_that_was_ready_only_just_and_where_there_were_too_few_already_breaks_no_promise(
    ready_for_s: float, lost: int, wrong: bool
) -> None:
    world, oracle = FakeWorld(), promises.RolloutsKeepTheirPromise()
    world.put(oracle, "deployments.apps/default/web", deployment("web", 2, (2, 2, 2)))
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 2, owner=("Deployment", "web", "uid-web")))
    for name in ("a", "b"):
        world.put(oracle, _pod_key(name), pod(name, owner=RS))
    if lost:
        world.put(oracle, _pod_key("b"), None)
    world.now += ready_for_s
    oracle.delivered("controller/replicaset#1", SERVER, DeleteObject(1, "x", "pods", "default", "a"), world)
    assert (world.put(oracle, _pod_key("a"), pod("a", owner=RS, going=True)) is not None) == wrong


@pytest.mark.parametrize("all_seen", [True, False])
def test_what_a_rollout_promised_before_its_change_had_been_seen_everywhere_counts(all_seen: bool) -> None:
    world, oracle = FakeWorld(), promises.RolloutsKeepTheirPromise()
    owner = ("Deployment", "web", "uid-web")
    world.put(oracle, "deployments.apps/default/web", deployment("web", 1, (1, 1, 1), observed=1))
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1, told=(1, 1), owner=owner))
    world.put(oracle, _pod_key("a"), pod("a", owner=RS))
    if all_seen:
        world.put(oracle, "deployments.apps/default/web", deployment("web", 2, (2, 2, 2), observed=2))
        world.put(oracle, "replicasets.apps/default/web", replica_set("web", 2, told=(2, 2), owner=owner))
    else:
        world.put(oracle, "deployments.apps/default/web", deployment("web", 2, (1, 1, 1), observed=0))
    world.put(oracle, _pod_key("b"), pod("b", owner=RS))
    world.now += promises.READY_IS_KNOWN_S
    oracle.delivered("controller/replicaset#1", SERVER, DeleteObject(1, "x", "pods", "default", "b"), world)
    assert (world.put(oracle, _pod_key("b"), pod("b", owner=RS, going=True)) is not None) == all_seen


def test_pods_of_a_replica_set_that_a_new_deployment_has_adopted_are_its_pods() -> None:
    world, oracle = FakeWorld(), promises.RolloutsKeepTheirPromise()
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 2, told=(2, 2)))
    for name in ("a", "b"):
        world.put(oracle, _pod_key(name), pod(name, owner=RS))
    world.put(oracle, "deployments.apps/default/web", deployment("web", 1, (2, 2, 2)))
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1, told=(2, 2), owner=("Deployment", "web", "uid-web")))
    world.now += promises.READY_IS_KNOWN_S
    for name, wrong in (("a", False), ("b", True)):
        oracle.delivered("controller/replicaset#1", SERVER, DeleteObject(1, "x", "pods", "default", name), world)
        assert (world.put(oracle, _pod_key(name), pod(name, owner=RS, going=True)) is not None) == wrong


@pytest.mark.parametrize(
    ("others", "since_s", "by", "wrong"),
    [
        ("Unknown", 100.0, "controller/nodelifecycle#1", True),
        ("True", 100.0, "controller/nodelifecycle#1", False),
        ("Unknown", 0.5, "controller/nodelifecycle#1", False),
        ("Unknown", 100.0, "controller/replicaset#1", False),
    ],
)
def test_who_is_evicted_while_all_nodes_are_silent_is_noticed(others: str, since_s: float, by: str, wrong: bool) -> None:
    world, oracle = FakeWorld(), evictions.NobodyIsEvictedInTheDark()
    world.put(oracle, "nodes//node-1", node("node-1", ready="Unknown"))
    world.put(oracle, "nodes//node-2", node("node-2", ready=others))
    world.put(oracle, "nodes//node-1", node("node-1", ready="Unknown"))
    world.put(oracle, _pod_key("a"), pod("a"))
    world.now += since_s
    delete = DeleteObject(1, "x", "pods", "default", "a", uid="uid-a")
    assert (oracle.delivered(by, SERVER, delete, world) is not None) == wrong


@pytest.mark.parametrize(("policy", "adopter", "wrong"), [("Orphan", RS, True), ("Background", RS, False), ("Orphan", None, False)])
def test_an_orphan_that_is_taken_back_by_who_let_it_go_is_noticed(
    policy: Propagation, adopter: tuple[str, str, str] | None, wrong: bool
) -> None:
    world, oracle = FakeWorld(), promises.OrphansLive()
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1))
    world.put(oracle, _pod_key("a"), pod("a", owner=RS))
    remove = DeleteObject(1, "x", "replicasets.apps", "default", "web", uid="uid-web", propagation=policy)
    assert oracle.delivered("user#1", SERVER, remove, world) is None
    assert world.put(oracle, _pod_key("a"), pod("a")) is None
    assert (world.put(oracle, _pod_key("a"), pod("a", owner=adopter)) is not None) == wrong


def test_an_orphan_of_another_may_be_adopted_by_who_is_going() -> None:
    world, oracle, other = FakeWorld(), promises.OrphansLive(), ("ReplicaSet", "other", "uid-other")
    world.put(oracle, "replicasets.apps/default/web", replica_set("web", 1))
    world.put(oracle, _pod_key("a"), pod("a", owner=other))
    remove = DeleteObject(1, "x", "replicasets.apps", "default", "web", uid="uid-web", propagation="Orphan")
    assert oracle.delivered("user#1", SERVER, remove, world) is None
    world.put(oracle, _pod_key("a"), pod("a"))
    assert world.put(oracle, _pod_key("a"), pod("a", owner=RS)) is None


OLD_TAINT = Taint(key="maintenance", effect="NoExecute")
FOREVER = (Toleration(key="maintenance", operator="Exists", effect="NoExecute"),)


@pytest.mark.parametrize(
    ("taints", "tolerations", "wrong"),
    [((OLD_TAINT,), (), False), ((), (), True), ((OLD_TAINT,), FOREVER, True)],
)
def test_an_eviction_that_no_taint_asks_for_is_noticed(taints: tuple[Taint, ...], tolerations: tuple[Toleration, ...], wrong: bool) -> None:
    world, oracle = FakeWorld(), evictions.EvictionsAreDue()
    world.put(oracle, "nodes//node-1", node("node-1", *taints))
    world.put(oracle, _pod_key("a"), pod("a", tolerations=tolerations))
    world.now += 100.0
    delete = DeleteObject(1, "x", "pods", "default", "a", uid="uid-a")
    assert (oracle.delivered("controller/nodelifecycle#1", SERVER, delete, world) is not None) == wrong


@pytest.mark.parametrize(("trouble", "wrong"), [((), True), (("node-1",), False)])
def test_a_node_that_is_called_unreachable_for_nothing_is_noticed(trouble: tuple[str, ...], wrong: bool) -> None:
    world, oracle = FakeWorld(), evictions.LivingNodesKeepTheirPods()
    world.in_trouble = trouble
    world.put(oracle, "nodes//node-1", node("node-1"))
    lost = Taint(key="node.kubernetes.io/unreachable", effect="NoExecute")
    assert (world.put(oracle, "nodes//node-1", node("node-1", lost)) is not None) == wrong


def test_an_acknowledged_write_that_is_not_there_is_noticed_and_one_that_was_removed_later_is_not() -> None:
    world, oracle = FakeWorld(), promises.AcknowledgedWritesStay()
    world.put(oracle, _pod_key("a"), pod("a"))
    stored = world.objects[_pod_key("a")]
    oracle.delivered(SERVER, "user#1", Written(1, stored, stored.metadata.resource_version), world)
    assert oracle.at_rest(world) is None
    lost = dict(world.objects)
    del world.objects[_pod_key("a")]
    found = oracle.at_rest(world)
    assert found is not None
    assert "nobody has removed it" in found.words
    world.objects = lost
    world.put(oracle, _pod_key("a"), None)
    assert oracle.at_rest(world) is None


SHORT = (Toleration(key="maintenance", operator="Exists", effect="NoExecute", toleration_seconds=3),)
LIFECYCLE = "controller/nodelifecycle#1"


@pytest.mark.parametrize(
    ("told_again", "new_pod", "after_s", "wrong"),
    [(False, False, 3.0, False), (False, False, 1.0, True), (True, False, 1.0, True), (True, False, 3.0, False), (False, True, 1.0, True)],
)
def test_an_eviction_before_the_time_of_a_toleration_is_over_is_noticed(
    told_again: bool, new_pod: bool, after_s: float, wrong: bool
) -> None:
    world, oracle = FakeWorld(), evictions.EvictionsWaitTheirTime()
    view = SimpleNamespace(resource="nodes", synced=True, objects={})
    controller = SimpleNamespace(informers=(view,), _pending={}, settings=SimpleNamespace(request_timeout_s=2.0))
    world._components["controller/nodelifecycle"] = controller
    world.put(oracle, _pod_key("a"), pod("a", uid="uid-old" if new_pod else "", tolerations=SHORT))

    def told(*taints: Taint) -> None:
        world.put(oracle, "nodes//node-1", node("node-1", *taints))
        view.objects["nodes//node-1"] = world.objects["nodes//node-1"]
        assert oracle.delivered(SERVER, LIFECYCLE, WatchBatch(1, 1, (), 1), world) is None

    told()
    told(OLD_TAINT)
    if told_again:
        world.now += 2.5
        told()
        told(OLD_TAINT)
    elif new_pod:
        world.now += 2.5
        world.put(oracle, _pod_key("a"), None)
        world.put(oracle, _pod_key("a"), pod("a", tolerations=SHORT))
    world.now += after_s
    controller._pending[7] = (world.now + 2.0, None, SERVER)
    world.now += 1.0  # on its way
    found = oracle.delivered(LIFECYCLE, SERVER, DeleteObject(7, "x", "pods", "default", "a", uid="uid-a"), world)
    assert (found is not None) == wrong


# -- leaders --------------------------------------------------------------------------------------------------------------------------

LEASE = "leases.coordination.k8s.io/kube-system/scheduler"


def _lease(holder: str) -> Lease:
    return Lease(metadata=ObjectMeta(name="scheduler", namespace="kube-system"), spec=LeaseSpec(holder_identity=holder))


def _competing() -> dict[str, Any]:
    election = SimpleNamespace(lease="scheduler", identity="", duration_s=3.0)
    return {name: SimpleNamespace(candidate=SimpleNamespace(election=election)) for name in ("scheduler", "scheduler-1")}


@pytest.mark.parametrize(
    ("after_s", "by", "jump", "wrong"),
    [
        (1.0, "scheduler-1#1", False, True),
        (3.0, "scheduler-1#1", False, False),
        (1.0, "scheduler#1", False, False),
        (1.0, "scheduler-1#1", True, False),
    ],
)
def test_a_lease_that_is_taken_before_it_has_run_out_is_noticed(after_s: float, by: str, jump: bool, wrong: bool) -> None:
    world, oracle = FakeWorld(components=_competing()), leaders.LeasesRunOut()
    world.put(oracle, LEASE, _lease("scheduler#1"))
    world.now += after_s
    if jump:
        world.active_faults = frozenset({"ClockJump"})
    assert (world.put(oracle, LEASE, _lease(by)) is not None) == wrong


@pytest.mark.parametrize(("writer", "wrong"), [("scheduler#1", True), ("scheduler-1#1", False), ("user#1", False)])
def test_what_a_former_leader_creates_is_noticed(writer: str, wrong: bool) -> None:
    world, oracle = FakeWorld(components=_competing()), leaders.FormerLeadersAreSilent()
    world.put(oracle, LEASE, _lease("scheduler#1"))
    world.put(oracle, LEASE, _lease("scheduler-1#1"))
    made = pod("a")
    assert oracle.delivered(writer, SERVER, CreateObject(5, writer, "pods", made), world) is None
    world.put(oracle, _pod_key("a"), made)
    stored = world.objects[_pod_key("a")]
    found = oracle.delivered(SERVER, writer, Written(5, stored, stored.metadata.resource_version), world)
    assert (found is not None) == wrong
