"""StatefulSets as users see them: names, order, waits, rollouts, what is refused and what is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard import BadRequest, Behaviour, Cluster, Invalid, NotFound, Simulation, WaitTimeout
from callboard.models.podstatus import is_ready

DB = "statefulset/db"


def _db(**spec: Any) -> dict[str, Any]:
    labels = {"app": "db"}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "db", "image": "db:1", "ports": [{"containerPort": 5432}]}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    full = {"replicas": 3, "serviceName": "db", "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": full}


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db"},
    "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 5432}]},
}


def _roll(s: Simulation, image: str) -> None:
    cause = {"kubernetes.io/change-cause": f"now {image}"}
    template = {"spec": {"containers": [{"name": "db", "image": image}]}}
    s.patch(DB, {"metadata": {"annotations": cause}, "spec": {"template": template}}, type="strategic")


def _images(s: Simulation) -> dict[str, str]:
    return {pod.metadata.name: pod.spec.containers[0].image for pod in s.list("pods")}


@pytest.fixture
def s() -> Iterator[Simulation]:
    images = {"broken:*": Behaviour(ready_after="24h"), "slow:*": Behaviour(ready_after="3s")}
    with Simulation(nodes=2, seed=5, images=images) as made:
        yield made


def test_pods_have_names_labels_and_dns_names_of_their_own(s: Simulation) -> None:
    s.apply([SERVICE, _db(ordinals={"start": 5})])
    s.wait(DB)
    revision = s.get(DB).status.current_revision
    for ordinal in (5, 6, 7):
        pod = s.get(f"pod/db-{ordinal}")
        assert (pod.spec.hostname, pod.spec.subdomain) == (f"db-{ordinal}", "db")
        assert pod.metadata.labels["statefulset.kubernetes.io/pod-name"] == f"db-{ordinal}"
        assert pod.metadata.labels["apps.kubernetes.io/pod-index"] == str(ordinal)
        assert pod.metadata.labels["controller-revision-hash"] == revision
    s.settle()
    addresses = {pod.metadata.name: pod.status.pod_ip for pod in s.list("pods")}
    for name, address in addresses.items():
        assert s.resolve(f"{name}.db").addresses == (address,)
        assert s.resolve(f"{name}.db.default.svc.cluster.local").addresses == (address,)
    assert sorted(s.resolve("db").addresses) == sorted(addresses.values())


def test_pods_come_in_order_and_go_in_reverse(s: Simulation) -> None:
    come: list[str] = []
    gone: list[str] = []

    def watch(view: Simulation) -> bool:
        there = {pod.metadata.name: pod for pod in view.list("pods")}
        for name in there:
            if name not in come:
                assert all(is_ready(there[other]) for other in come), f"{name} came while another was not ready"
                come.append(name)
        gone.extend(name for name in come if name not in there and name not in gone)
        return True

    s.invariant(watch)
    s.apply(_db(replicas=4))
    s.wait(DB)
    assert come == ["db-0", "db-1", "db-2", "db-3"]
    s.scale(DB, 1)
    s.wait(DB)
    s.settle()
    assert gone == ["db-3", "db-2", "db-1"]


def test_a_deleted_pod_comes_again_under_its_name(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    before = s.get("pod/db-1").metadata.uid
    s.delete("pod/db-1", wait=True)
    s.settle()
    after = s.get("pod/db-1")
    assert after.metadata.uid != before
    assert is_ready(after)


def test_a_rollout_goes_from_the_last_to_the_first_and_back(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    _roll(s, "db:2")
    lines: list[str] = []
    last = s.rollout.status(DB, tell=lines.append)
    assert last == "partitioned roll out complete: 3 new pods have been updated..."
    assert "Waiting for partitioned roll out to finish: 1 out of 3 new pods have been updated..." in lines
    assert set(_images(s).values()) == {"db:2"}
    told = s.rollout.history(DB)
    assert [(one.revision, one.change_cause) for one in told] == [(1, ""), (2, "now db:2")]
    assert s.rollout.undo(DB).words == "rolled back"
    s.rollout.status(DB)
    assert set(_images(s).values()) == {"db:1"}
    assert [one.revision for one in s.rollout.history(DB)] == [2, 3]
    assert s.rollout.undo(DB, 3).words == "skipped rollback (current template already matches revision 3)"
    with pytest.raises(NotFound, match="unable to find specified revision 9 in history"):
        s.rollout.undo(DB, 9)


def test_there_is_nothing_to_go_back_to_before_the_second_revision(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    with pytest.raises(NotFound, match="no last revision to roll back to"):
        s.rollout.undo(DB)


def test_a_restart_replaces_every_pod_under_its_name(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    before = {pod.metadata.name: pod.metadata.uid for pod in s.list("pods")}
    s.rollout.restart(DB)
    s.rollout.status(DB)
    after = {pod.metadata.name: pod.metadata.uid for pod in s.list("pods")}
    assert sorted(after) == sorted(before)
    assert not set(after.values()) & set(before.values())


@pytest.mark.parametrize(("verb", "word"), [("pause", "pausing"), ("resume", "resuming")])
def test_a_stateful_set_can_not_be_paused(s: Simulation, verb: str, word: str) -> None:
    s.apply(_db(replicas=1))
    with pytest.raises(BadRequest, match=f'statefulsets.apps "db" {word} is not supported'):
        getattr(s.rollout, verb)(DB)


def test_a_partition_keeps_the_lower_ordinals_as_they_are(s: Simulation) -> None:
    s.apply(_db(updateStrategy={"rollingUpdate": {"partition": 2}}))
    s.wait(DB)
    _roll(s, "db:2")
    s.wait(DB, timeout="60s")
    assert s.rollout.status(DB) == "partitioned roll out complete: 1 new pods have been updated..."
    assert _images(s) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    s.delete("pod/db-0", wait=True)
    s.settle()
    assert _images(s)["db-0"] == "db:1", "a pod below the partition comes again as it was"
    status = s.get(DB).status
    assert status.current_revision != status.update_revision
    assert (status.current_replicas, status.updated_replicas) == (2, 1)


def test_on_delete_waits_for_the_user(s: Simulation) -> None:
    s.apply(_db(updateStrategy={"type": "OnDelete"}))
    s.wait(DB)
    _roll(s, "db:2")
    s.wait(DB, timeout="60s")
    assert set(_images(s).values()) == {"db:1"}
    s.delete("pod/db-1", wait=True)
    s.settle()
    assert _images(s) == {"db-0": "db:1", "db-1": "db:2", "db-2": "db:1"}
    with pytest.raises(BadRequest, match="rollout status is only available for RollingUpdate strategy type"):
        s.rollout.status(DB)


def test_what_may_not_change_is_refused(s: Simulation) -> None:
    s.apply(_db())
    with pytest.raises(Invalid, match="updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template'"):
        s.patch(DB, {"spec": {"serviceName": "other"}})


def test_a_pod_that_never_gets_ready_holds_the_others_up_and_the_wait_says_so(s: Simulation) -> None:
    tree = _db()
    tree["spec"]["template"]["spec"]["containers"][0]["image"] = "broken:1"
    s.apply(tree)
    with pytest.raises(WaitTimeout) as late:
        s.wait(DB, timeout="30s")
    assert "1 of 3 replicas are of the newest template" in late.value.message
    assert [pod.metadata.name for pod in s.list("pods")] == ["db-0"]


def test_claim_templates_are_refused_in_words_and_nothing_is_done_by_halves(s: Simulation) -> None:
    s.apply(_db(volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]))
    with pytest.raises(WaitTimeout) as late:
        s.wait(DB, timeout="5s")
    words = 'persistentvolumeclaim "data-db-0" can\'t be bound, since there are no PersistentVolumes here; use '
    assert f"VolumeClaimsBound=False: {words}" in late.value.message
    (told,) = [one for one in s.events(DB) if one.type == "Warning"]
    assert told.message.startswith(f"create Pod db-0 in StatefulSet db failed error: {words}")
    assert not s.list("pods")


def test_columns_and_description_are_kubectls(s: Simulation) -> None:
    s.apply(_db(replicas=2))
    s.wait(DB)
    text = s.describe(DB)
    assert "Pods Status:            2 Running / 0 Waiting / 0 Succeeded / 0 Failed" in text
    assert "create Pod db-1 in StatefulSet db successful" in text


def test_orphaned_pods_are_adopted_by_a_set_of_the_same_name(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    before = {pod.metadata.name: pod.metadata.uid for pod in s.list("pods")}
    s.delete(DB, propagation="Orphan", wait=True)
    s.settle()
    assert {pod.metadata.name: pod.metadata.uid for pod in s.list("pods")} == before
    s.apply(_db())
    s.wait(DB)
    s.settle()
    assert {pod.metadata.name: pod.metadata.uid for pod in s.list("pods")} == before
    uid = s.get(DB).metadata.uid
    assert {pod.metadata.owner_references[0].uid for pod in s.list("pods")} == {uid}
    (revision,) = s.list("controllerrevisions")
    assert revision.metadata.owner_references[0].uid == uid


def test_a_deleted_set_takes_pods_and_revisions_along(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    s.delete(DB, wait=True)
    s.settle()
    assert not s.list("pods")
    assert not s.list("controllerrevisions")


def test_a_drain_moves_the_pods_under_their_names(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    node = s.get("pod/db-0").spec.node_name
    s.nodes[node].drain()
    s.wait(DB, timeout="60s")
    s.settle()
    pods = s.list("pods")
    assert sorted(pod.metadata.name for pod in pods) == ["db-0", "db-1", "db-2"]
    assert all(pod.spec.node_name != node for pod in pods)


def test_a_pod_on_a_lost_node_is_not_replaced_before_it_is_really_gone(s: Simulation) -> None:
    """The node may still run it: only its return, or somebody who knows that it is gone for good, frees the name."""
    s.apply(_db())
    s.wait(DB)
    pod = s.get("pod/db-2")
    s.nodes[pod.spec.node_name].partition()
    s.wait("pod/db-2", lambda one: bool(one.metadata.deletion_timestamp), timeout="30m")
    s.advance("30m")
    assert s.get("pod/db-2").metadata.uid == pod.metadata.uid
    s.nodes[pod.spec.node_name].heal()
    s.wait("pod/db-2", "Deleted", timeout="10m")
    s.wait(DB, timeout="10m")
    assert s.get("pod/db-2").metadata.uid != pod.metadata.uid


def test_a_pod_of_a_node_that_somebody_deletes_comes_up_elsewhere(s: Simulation) -> None:
    s.apply(_db())
    s.wait(DB)
    pod = s.get("pod/db-2")
    node = pod.spec.node_name
    s.nodes[node].crash()
    s.delete(f"node/{node}")
    s.wait("pod/db-2", "Deleted", timeout="30m")
    s.wait("pod/db-2", "Ready", timeout="10m")
    assert s.get("pod/db-2").spec.node_name != node


@pytest.mark.parametrize("system", ["realtime", "threaded"])
def test_on_real_time_a_stateful_set_comes_up_is_rolled_out_and_scaled(system: str) -> None:
    with Cluster(nodes=2, timing="fast", system=system) as c:  # type: ignore[arg-type]
        c.apply([SERVICE, _db()])
        c.wait(DB, timeout="30s")
        assert [pod.metadata.name for pod in c.list("pods")] == ["db-0", "db-1", "db-2"]
        before = {pod.metadata.uid for pod in c.list("pods")}
        c.rollout.restart(DB)
        c.rollout.status(DB, timeout="60s")
        assert not before & {pod.metadata.uid for pod in c.list("pods")}
        address = c.get("pod/db-1").status.pod_ip
        c.wait("service/db", lambda _: c.resolve("db-1.db").addresses == (address,), timeout="30s")
        c.scale(DB, 1)
        c.wait(DB, timeout="30s")
        c.wait("pod/db-1", "Deleted", timeout="30s")


def test_a_set_and_its_pods_survive_a_restart_of_the_program(tmp_path: Path) -> None:
    with Cluster(nodes=1, timing="fast", data=tmp_path) as c:
        c.apply(_db(replicas=2))
        c.wait(DB, timeout="30s")
        revision = c.get(DB).status.current_revision
    with Cluster(nodes=1, timing="fast", data=tmp_path) as c:
        c.wait(DB, lambda one: one.status.available_replicas == 2, timeout="60s")
        assert c.get(DB).status.current_revision == revision
        assert [one.metadata.name for one in c.list("controllerrevisions")] == [revision]
        c.scale(DB, 3)
        c.wait(DB, timeout="60s")


def test_a_wait_for_the_end_of_a_pod_does_not_wait_for_its_successor() -> None:
    with Cluster(nodes=1, timing="fast") as c:
        c.apply(_db(replicas=1))
        c.wait(DB, timeout="30s")
        former = c.get("pod/db-0")
        for _ in range(3):
            c.delete("pod/db-0", wait=True, timeout="20s")
            c.wait(DB, lambda one: one.status.available_replicas == 1, timeout="30s")
        c.wait(former, "Deleted", timeout="1s")
        assert c.get("pod/db-0").metadata.uid != former.metadata.uid
