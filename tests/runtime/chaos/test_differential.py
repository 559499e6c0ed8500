"""Two ends of a schedule, with faults and without: what may differ, what may not, and that a program that forgets is noticed by it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from callboard.models.api.batch import Job, JobSpec
from callboard.models.api.core import ConfigMap, NodeSpec, PodTemplateSpec, Service
from callboard.models.api.discovery import Endpoint, EndpointConditions, EndpointSlice
from callboard.models.base import FrozenMap, freeze, replace
from callboard.models.jobs import CONTROLLER_UID, with_generated_selector
from callboard.runtime.chaos.differential import NAME, difference, end_state, is_comparable, judges, removed_pods
from callboard.runtime.chaos.oracles.base import Wrong
from callboard.runtime.chaos.portfolio import plan_of
from callboard.runtime.chaos.schedule import play
from callboard.runtime.chaos.user import User
from callboard.runtime.faults.plan import Apply, Change, Operation, Orphan, Plan, Remove, Undo
from callboard.runtime.faults.vocabulary import ControllerRestart, Fault, NodeReplace

from .oracles.fake import deployment, meta, node, pod, replica_set

RS = ("ReplicaSet", "web-1", "uid-web-1")
DEPLOYMENT = ("Deployment", "web", "uid-web")
WEB = {"app": "web"}


def _objects(*pods: Any, ready: int = 2, more: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    ends = tuple(Endpoint(addresses=(f"10.0.0.{number}",), conditions=EndpointConditions(ready=True)) for number in range(ready))
    labels = FrozenMap({"kubernetes.io/service-name": "web"})
    return {
        "deployments.apps/default/web": deployment("web", 2, (2, 2, 2)),
        "replicasets.apps/default/web-1": replica_set("web-1", 2, owner=DEPLOYMENT),
        "services/default/web": Service(metadata=meta("web")),
        "endpointslices.discovery.k8s.io/default/web-x": EndpointSlice(
            metadata=meta("web-x", "", ("Service", "web", "uid-web"), labels=labels), endpoints=ends
        ),
        **{f"pods/default/{one.metadata.name}": one for one in pods},
        **more,
    }


def _pods(*names: str, **more: Any) -> tuple[Any, ...]:
    return tuple(pod(name, owner=RS, labels=WEB, **more) for name in names)


def _wrong(one: dict[str, Any], other: dict[str, Any]) -> Wrong | None:
    return difference(end_state(one), end_state(other))


def test_names_uids_revisions_places_and_pods_that_are_over_make_no_difference() -> None:
    before = _objects(*_pods("web-1-a", "web-1-b"))
    after = _objects(*_pods("web-1-c", "web-1-d", node="node-2"), *_pods("web-1-e", phase="Failed"), *_pods("web-1-f", going=True))
    after = {
        key: replace(obj, metadata=replace(obj.metadata, uid=f"other-{obj.metadata.uid}", resource_version=99))
        for key, obj in after.items()
    }
    assert _wrong(before, after) is None


def test_the_uid_in_the_selector_of_a_job_makes_no_difference_and_another_size_does() -> None:
    def job(uid: str, completions: int) -> dict[str, Any]:
        spec = JobSpec(template=PodTemplateSpec(), completions=completions)
        made = Job(metadata=meta("mail", uid, labels=FrozenMap({CONTROLLER_UID: uid})), spec=spec)
        return {"jobs.batch/default/mail": with_generated_selector(made)}

    assert _wrong(job("uid-1", 2), job("uid-2", 2)) is None
    assert _wrong(job("uid-1", 2), job("uid-2", 3)) is not None


def test_a_pod_less_another_template_or_another_label_is_a_difference() -> None:
    before = _objects(*_pods("web-1-a", "web-1-b"))
    wrong = _wrong(before, _objects(*_pods("web-1-a")))
    assert wrong is not None
    assert wrong.object == "Deployment default/web"
    assert wrong.words == "it has 1 pods of web:1, and without faults 2 pods of web:1"
    other = pod("web-1-b", owner=RS, labels={"app": "web", "tier": "x"})
    assert _wrong(before, _objects(*_pods("web-1-a"), other)) is not None


def test_a_service_with_fewer_ready_endpoints_is_one_unless_pods_wait_for_room() -> None:
    before = _objects(*_pods("web-1-a", "web-1-b"))
    wrong = _wrong(before, _objects(*_pods("web-1-a", "web-1-b"), ready=1))
    assert wrong is not None
    assert wrong.object == "services/default/web"
    assert _wrong(before, _objects(*_pods("web-1-a"), *_pods("web-1-b", node=""), ready=1)) is None


def test_what_users_have_said_is_compared_and_what_the_cluster_says_is_not() -> None:
    def with_map(**data: str) -> dict[str, Any]:
        return _objects(more={"configmaps/default/a": ConfigMap(metadata=meta("a"), data=FrozenMap(data))})

    wrong = _wrong(with_map(k="two"), with_map(k="one"))
    assert wrong is not None
    assert wrong.words == "it is {'data': {'k': 'one'}}, and without faults {'data': {'k': 'two'}}"
    assert _wrong(with_map(k="two"), _objects()) is not None
    assert _wrong(_objects(), with_map(k="two")) is not None
    assert _wrong(_objects(), {**_objects(), "deployments.apps/default/web": deployment("web", 2, (2, 1, 1))}) is None, "its status"


def test_a_pod_that_nobody_makes_again_may_have_gone_or_stayed_but_not_if_users_removed_it() -> None:
    alone = {"pods/default/alone": pod("alone", labels=WEB)}
    assert _wrong(_objects(more=alone), _objects(ready=1)) is None
    assert _wrong(_objects(), _objects(more=alone)) is None
    assert difference(end_state(_objects()), end_state(_objects(more=alone)), ["pods/default/alone"]) is not None


def test_a_pod_that_was_made_again_after_its_deletion_is_none_that_users_removed() -> None:
    again = Apply(at_s=3.0, tree=freeze({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}))
    first, second = (Remove(at_s=at_s, resource="pods", name="a") for at_s in (1.0, 4.0))
    assert removed_pods((first,)) == {"pods/default/a"}
    assert removed_pods((again, first)) == set()
    assert removed_pods((first, again, second)) == {"pods/default/a"}


def test_a_cordon_that_was_lost_is_a_difference_and_what_kubelets_say_is_none() -> None:
    cordoned = replace(node("node-1"), spec=NodeSpec(unschedulable=True))
    assert _wrong({"nodes//node-1": cordoned}, {"nodes//node-1": node("node-1")}) is not None
    assert _wrong({"nodes//node-1": node("node-1")}, {"nodes//node-1": node("node-1", ready="False", cpu="9")}) is None


def test_endpoints_are_not_compared_where_containers_end() -> None:
    def restarted(*pods: Any) -> tuple[Any, ...]:
        statuses = [replace(one.status.container_statuses[0], restart_count=1) for one in pods]
        return tuple(replace(one, status=replace(one.status, container_statuses=(said,))) for one, said in zip(pods, statuses, strict=True))

    before = _objects(*_pods("web-1-a", "web-1-b"))
    assert _wrong(before, _objects(*restarted(*_pods("web-1-a", "web-1-b")), ready=1)) is None
    assert _wrong(before, _objects(*_pods("web-1-a", "web-1-b"), *_pods("web-1-c", phase="Failed"), ready=1)) is None


def test_what_is_applied_while_the_old_one_takes_a_while_to_go_is_not_compared() -> None:
    again = Apply(at_s=3.0, tree=freeze({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}))
    for propagation, at_s, comparable in (("Foreground", 1.0, False), ("Background", 1.0, True), ("Foreground", 4.0, True)):
        gone = Remove(at_s=at_s, resource="deployments.apps", name="web", propagation=propagation)  # type: ignore[arg-type]
        assert is_comparable(Plan(scenario="made", seed=1, nodes=1, operations=(gone, again), faults=(FAULT,))) == comparable


@pytest.mark.parametrize(
    ("operation", "fault", "comparable"),
    [
        (Remove(at_s=0, resource="pods", name="a"), ControllerRestart(target="scheduler"), True),
        (Undo(at_s=0, name="web"), ControllerRestart(target="scheduler"), False),
        (Orphan(at_s=0, labels="app=web"), ControllerRestart(target="scheduler"), False),
        (Remove(at_s=0, resource="pods", name="a", propagation="Orphan"), ControllerRestart(target="scheduler"), False),
        (Change(at_s=0, resource="nodes", name="node-1", patch=freeze({})), ControllerRestart(target="scheduler"), True),
        (Change(at_s=0, resource="nodes", name="node-1", patch=freeze({})), NodeReplace(target="node-1"), False),
    ],
)
def test_plans_whose_end_depends_by_right_on_the_moment_are_not_compared(operation: Operation, fault: Fault, comparable: bool) -> None:
    plan = Plan(scenario="made", seed=1, nodes=1, operations=(operation,), faults=(fault,))  # type: ignore[arg-type]
    assert is_comparable(plan) == comparable


def _config_map(at_s: float, value: str) -> Apply:
    return Apply(at_s=at_s, tree=freeze({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}}))


OPERATIONS = (_config_map(0.0, "one"), _config_map(2.0, "two"))
FAULT = ControllerRestart(target="apiserver-0", at_s=1.5, for_s=4.0)


def test_a_write_that_a_fault_swallows_is_noticed_by_nothing_but_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(scenario="made", seed=1, nodes=1, operations=OPERATIONS, faults=(FAULT,))
    assert play(plan, None, judges(plan, twice=True)).finding is None
    honest = User._refused

    def forgets(self: User, step: Any, answer: Any) -> None:
        """A user who takes a time-out for success."""
        self._over(step.number) if answer.code == 504 else honest(self, step, answer)

    monkeypatch.setattr(User, "_refused", forgets)
    assert play(plan, None, judges(plan, twice=False)).finding is None
    finding = play(plan, None, judges(plan, twice=True)).finding
    assert finding is not None
    assert (finding.oracle, finding.object) == (NAME, "configmaps/default/a")
    assert "without faults {'data': {'k': 'two'}}" in finding.words


def test_where_a_user_was_told_something_else_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(scenario="made", seed=1, nodes=1, operations=OPERATIONS, faults=(FAULT,))

    def gives_up(self: User, step: Any, answer: Any) -> None:
        """A user who lets be what was not done at once."""
        self.missed.append(step.number)
        self._over(step.number)

    monkeypatch.setattr(User, "_refused", gives_up)
    assert play(plan, None, judges(plan, twice=True)).finding is None


def test_to_be_played_twice_changes_nothing_of_the_history() -> None:
    plan = plan_of(7)
    assert play(plan, None, judges(plan, twice=True)).trace_hash == play(plan, None, judges(plan, twice=False)).trace_hash
