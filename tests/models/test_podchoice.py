"""Which pod and which container is meant when nobody says it: kubectl's rules."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.core import Container, ContainerStatus, Pod, PodCondition, PodSpec, PodStatus
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.errors import BadRequest
from callboard.models.podchoice import DEFAULT_CONTAINER, best_pod, default_container, selector_of_workload


def pod(
    name: str, *, node: str = "n", phase: str = "Running", ready: str = "", restarts: int = 0, created: str = "2026-01-01T00:00:00Z"
) -> Pod:
    conditions = (PodCondition(type="Ready", status="True", last_transition_time=ready),) if ready else ()
    statuses = (ContainerStatus(name="a", restart_count=restarts),)
    meta = ObjectMeta(name=name, namespace="default", creation_timestamp=created)
    return Pod(
        metadata=meta, spec=PodSpec(node_name=node), status=PodStatus(phase=phase, conditions=conditions, container_statuses=statuses)
    )


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (pod("a", phase="Pending"), pod("b", node="", phase="Running")),
        (pod("a"), pod("b", phase="Pending")),
        (pod("a", ready="2026-01-01T00:00:05Z"), pod("b")),
        (pod("a", ready="2026-01-01T00:00:05Z"), pod("b", ready="2026-01-01T00:00:06Z")),
        (pod("a", created="2026-01-01T00:00:00Z"), pod("b", created="2026-01-01T00:00:01Z")),
    ],
)
def test_assigned_running_ready_longest_and_oldest_pods_come_first(better: Pod, worse: Pod) -> None:
    """podutils.ByLogging and ActivePods agree on all but restarts."""
    for for_logs in (True, False):
        assert best_pod([worse, better], for_logs=for_logs) is better
        assert best_pod([better, worse], for_logs=for_logs) is better


def test_who_has_restarted_more_has_more_to_say_and_is_worse_to_work_in() -> None:
    calm, restless = pod("calm"), pod("restless", restarts=3)
    assert best_pod([calm, restless], for_logs=True) is restless
    assert best_pod([calm, restless], for_logs=False) is calm
    assert best_pod([], for_logs=True) is None


def containers(*names: str, init: tuple[str, ...] = (), annotation: str = "") -> Pod:
    meta = ObjectMeta(name="web", annotations=FrozenMap({DEFAULT_CONTAINER: annotation} if annotation else {}))
    made = tuple(Container(name=name) for name in names)
    return Pod(metadata=meta, spec=PodSpec(containers=made, init_containers=tuple(Container(name=name) for name in init)))


def test_the_annotated_container_is_the_default_else_the_first_with_a_note() -> None:
    assert default_container(containers("a")) == ("a", "")
    assert default_container(containers("a", "b", annotation="b")) == ("b", "")
    assert default_container(containers("a", "b", init=("setup",))) == ("a", 'Defaulted container "a" out of: a, b, setup (init)')
    assert default_container(containers("a", "b", annotation="gone"))[0] == "a"
    with pytest.raises(BadRequest, match="a container name must be specified for pod web"):
        default_container(containers())


@pytest.mark.parametrize(
    ("kind", "selector", "labels", "matches"),
    [
        ("Service", {"app": "web"}, {"app": "web"}, True),
        ("Deployment", {"matchLabels": {"app": "web"}}, {"app": "web", "x": "y"}, True),
        ("Deployment", {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, {"app": "web"}, False),
        ("StatefulSet", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"app": "web"}, True),
    ],
)
def test_workloads_and_services_select_their_pods(kind: str, selector: Any, labels: dict[str, str], matches: bool) -> None:
    found = selector_of_workload(kind, {"spec": {"selector": selector}})
    assert found is not None
    assert found.matches(labels) is matches


def test_what_has_no_selector_selects_nothing() -> None:
    assert selector_of_workload("Service", {"spec": {}}) is None
    assert selector_of_workload("ConfigMap", {"data": {}}) is None


@pytest.mark.parametrize("selector", ["app=web", ["app"], {"matchLabels": "app"}, {"matchExpressions": [{"key": 1}]}])
def test_what_a_kind_of_users_calls_a_selector_and_is_none_selects_nothing(selector: Any) -> None:
    assert selector_of_workload("Robot", {"spec": {"selector": selector}}) is None
    assert selector_of_workload("Robot", {"spec": selector}) is None
