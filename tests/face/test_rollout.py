"""`c.rollout` as users see it: what it does, and what it refuses in kubectl's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from callboard import Behaviour, Simulation
from callboard.models.errors import ApiError, BadRequest, Conflict, NotFound, WaitTimeout

WEB = "deployment/web"


def _web(**spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "web:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    full = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": full}


def _roll(s: Simulation, image: str) -> None:
    containers = [{"name": "web", "image": image}]
    cause = {"kubernetes.io/change-cause": f"now {image}"}
    s.patch(WEB, {"metadata": {"annotations": cause}, "spec": {"template": {"spec": {"containers": containers}}}})
    s.rollout.status(WEB)


def _images(s: Simulation) -> list[str]:
    return [pod.spec.containers[0].image for pod in s.list("pods") if not pod.metadata.deletion_timestamp]


def _image(template: Any) -> str:
    return str(template.spec.containers[0].image)


@pytest.fixture
def s() -> Iterator[Simulation]:
    with Simulation(nodes=2, seed=5, images={"broken:*": Behaviour(ready_after="24h"), "slow:*": Behaviour(ready_after="3s")}) as made:
        made.apply(_web(revisionHistoryLimit=2, progressDeadlineSeconds=60))
        made.rollout.status(WEB)
        yield made


def test_a_rollback_gives_the_old_template_a_new_number_and_its_own_cause(s: Simulation) -> None:
    _roll(s, "web:2")
    _roll(s, "web:3")
    assert s.rollout.undo(WEB).words == "rolled back"
    s.rollout.status(WEB)
    assert _images(s) == ["web:2"] * 3
    told = [(one.revision, one.change_cause) for one in s.rollout.history(WEB)]
    assert told == [(1, ""), (3, "now web:3"), (4, "now web:2")]
    found = s.get(WEB)
    assert found.metadata.annotations["kubernetes.io/change-cause"] == "now web:2"
    assert found.metadata.annotations["deployment.kubernetes.io/revision"] == "4"
    (newest,) = [one for one in s.list("replicasets") if one.spec.replicas]
    assert newest.metadata.annotations["deployment.kubernetes.io/revision-history"] == "2"


def test_a_revision_that_the_history_limit_has_dropped_can_not_be_gone_back_to(s: Simulation) -> None:
    for number in (2, 3, 4):
        _roll(s, f"web:{number}")
    s.settle()
    assert [one.revision for one in s.rollout.history(WEB)] == [2, 3, 4]
    with pytest.raises(NotFound, match="^unable to find specified revision 1 in history$"):
        s.rollout.undo(WEB, to_revision=1)
    assert _image(s.rollout.history(WEB, 3)[0].template) == "web:3"
    with pytest.raises(NotFound, match="^unable to find the specified revision$"):
        s.rollout.history(WEB, 1)


def test_a_rollback_to_the_present_template_is_skipped(s: Simulation) -> None:
    _roll(s, "web:2")
    before = s.get(WEB)
    undone = s.rollout.undo(WEB, to_revision=2)
    assert undone.words == "skipped rollback (current template already matches revision 2)"
    assert s.get(WEB).metadata.generation == before.metadata.generation


def test_a_paused_deployment_changes_nothing_until_it_is_resumed(s: Simulation) -> None:
    s.rollout.pause(WEB)
    s.patch(WEB, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}})
    s.settle()
    assert _images(s) == ["web:1"] * 3
    s.scale(WEB, 5)
    s.settle()
    assert _images(s) == ["web:1"] * 5, "scaling goes on while a Deployment is paused"
    s.rollout.resume(WEB)
    s.rollout.status(WEB)
    assert _images(s) == ["web:2"] * 5


def test_a_restart_replaces_all_pods_and_not_twice_within_a_second(s: Simulation) -> None:
    before = {pod.metadata.uid for pod in s.list("pods")}
    s.rollout.restart(WEB)
    with pytest.raises(BadRequest, match="if restart has already been triggered within the past second"):
        s.rollout.restart(WEB)
    s.rollout.status(WEB)
    s.settle()
    assert not before & {pod.metadata.uid for pod in s.list("pods")}


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (lambda s: s.rollout.pause(WEB), 'deployments.apps "web" is already paused'),
        (lambda s: s.rollout.restart(WEB), 'deployments.apps "web" can\'t restart paused deployment (run rollout resume first)'),
        (
            lambda s: s.rollout.undo(WEB),
            "cannot rollback a paused deployment; resume it first with 'callboard rollout resume deployment/web'",
        ),
    ],
)
def test_what_a_paused_deployment_refuses(s: Simulation, verb: Callable[[Simulation], Any], words: str) -> None:
    _roll(s, "web:2")
    s.rollout.pause(WEB)
    with pytest.raises(BadRequest) as refused:
        verb(s)
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    ("verb", "error", "words"),
    [
        (lambda s: s.rollout.resume(WEB), BadRequest, 'deployments.apps "web" is not paused'),
        (lambda s: s.rollout.undo(WEB), NotFound, 'no rollout history found for deployment "web"'),
        (lambda s: s.rollout.history("deployment/none"), NotFound, 'deployments.apps "none" not found'),
        (lambda s: s.rollout.history("node/node-1"), BadRequest, 'no history viewer has been implemented for {"" "Node"}'),
        (lambda s: s.rollout.undo("rs/web"), BadRequest, 'no rollbacker has been implemented for {"apps" "ReplicaSet"}'),
        (lambda s: s.rollout.status("rs/web"), BadRequest, "no status viewer has been implemented for ReplicaSet.apps"),
        (lambda s: s.rollout.pause("node/node-1"), BadRequest, 'nodes "node-1" pausing is not supported'),
        (lambda s: s.rollout.resume("rs/web"), BadRequest, 'replicasets.apps "web" resuming is not supported'),
        (lambda s: s.rollout.restart("pod/a"), BadRequest, 'pods "a" restarting is not supported'),
        (lambda s: s.rollout.status(WEB, revision=7), Conflict, "desired revision (7) is different from the running revision (1)"),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_kubectl(
    s: Simulation, verb: Callable[[Simulation], Any], error: type[ApiError], words: str
) -> None:
    with pytest.raises(error) as refused:
        verb(s)
    assert str(refused.value) == words


def test_the_status_tells_every_step_once_and_a_look_does_not_wait(s: Simulation) -> None:
    s.components["controller/deployment"].crash()  # so that nobody observes the change before the first look
    s.patch(WEB, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "slow:1"}]}}}})
    assert s.rollout.status(WEB, wait=False) == "Waiting for deployment spec update to be observed..."
    s.components["controller/deployment"].restart()
    told: list[str] = []
    assert s.rollout.status(WEB, tell=told.append) == told[-1] == 'deployment "web" successfully rolled out'
    assert told[0].startswith("Waiting for deployment")
    assert all(one != other for one, other in pairwise(told))


def test_a_rollout_without_progress_fails_when_its_deadline_is_over_and_not_before(s: Simulation) -> None:
    began_s = s.now
    s.patch(WEB, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "broken:1"}]}}}})
    with pytest.raises(WaitTimeout, match="^timed out waiting for the condition after 20 s: Waiting for deployment"):
        s.rollout.status(WEB, timeout="20s")
    with pytest.raises(WaitTimeout, match='^deployment "web" exceeded its progress deadline$'):
        s.rollout.status(WEB)
    assert 60 <= s.now - began_s < 70


def test_a_deployment_that_is_deleted_meanwhile_ends_the_wait(s: Simulation) -> None:
    s.patch(WEB, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "broken:1"}]}}}})
    told: list[str] = []

    def delete(line: str) -> None:
        told.append(line)
        if len(told) == 1:
            s.delete(WEB)

    with pytest.raises(NotFound, match='^deployments.apps "web": object has been deleted$'):
        s.rollout.status(WEB, tell=delete)


def test_a_rollout_that_a_quota_stops_says_so_and_goes_on_when_there_is_room() -> None:
    """Condition ReplicaFailure: it comes from the ReplicaSet whose pods are refused, and goes when none is refused any more."""
    with Simulation(nodes=2, seed=3, timing="chaos") as s:
        s.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "3"}}})
        s.wait("resourcequota/few", lambda quota: "used" in (quota.to_dict().get("status") or {}), timeout="30s")
        s.apply(_web(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}))
        s.rollout.status(WEB)
        s.patch(WEB, {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}})
        s.advance("10s")
        (told,) = [one for one in s.get(WEB).status.conditions if one.type == "ReplicaFailure"]
        assert (told.status, told.reason) == ("True", "FailedCreate")
        assert "exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3" in told.message
        assert _images(s) == ["web:1"] * 3, "nothing has gone for what can't come"
        s.patch("resourcequota/few", {"spec": {"hard": {"pods": "4"}}})
        s.rollout.status(WEB)
        assert _images(s) == ["web:2"] * 3
        assert "ReplicaFailure" not in [one.type for one in s.get(WEB).status.conditions]
