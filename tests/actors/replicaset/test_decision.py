"""Decisions about a ReplicaSet, against the rules of Kubernetes' replica_set.go and controller_ref_manager.go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.actors import actions as act
from callboard.actors.replicaset.census import Census, index_of, tally_of
from callboard.actors.replicaset.decision import CREATES_LIMIT, View, decide, view_of
from callboard.models.api.apps import ReplicaSet, ReplicaSetStatus
from callboard.models.api.core import Pod
from callboard.models.base import FrozenMap, replace
from callboard.models.names import child_suffix
from callboard.models.owners import controller_of
from callboard.models.podstatus import is_active
from tests.actors.replicaset.kit import LONG_AGO, NOW, NOW_TEXT, carried_out, of_type, pod, stored


def test_missing_pods_are_created_from_the_template_with_their_owner() -> None:
    owner = stored(2)
    created = of_type(decide(view_of(owner, []), NOW), act.Create)
    assert [one.obj.metadata.name for one in created] == [f"web-{child_suffix('uid-web', index)}" for index in (0, 1)]
    for one in created:
        meta = one.obj.metadata
        assert (one.resource, one.trusted, meta.generate_name, meta.namespace) == ("pods", True, "web-", "default")
        assert meta.labels == {"app": "web"}
        assert one.obj.spec is owner.spec.template.spec
        reference = controller_of(one.obj)
        assert reference is not None
        assert (reference.kind, reference.uid, reference.controller, reference.block_owner_deletion) == (
            "ReplicaSet",
            "uid-web",
            True,
            True,
        )


def test_pods_that_failed_succeeded_or_terminate_do_not_count_and_stay() -> None:
    owner = stored(1)
    others = [pod("a", owner, phase="Failed"), pod("b", owner, phase="Succeeded"), pod("c", owner, deleted=True)]
    actions = decide(view_of(owner, others), NOW)
    assert len(of_type(actions, act.Create)) == 1
    assert not of_type(actions, act.Delete)


def test_the_next_name_follows_the_highest_index_that_was_ever_seen() -> None:
    owner = stored(2)
    (created,) = of_type(decide(view_of(owner, [pod("a", owner)], highest_index=41), NOW), act.Create)
    assert index_of(created.obj.metadata.name, "web", "uid-web") == 42


def test_a_creation_of_unknown_outcome_is_tried_again_under_its_own_name_first() -> None:
    owner = stored(3)
    created = of_type(decide(view_of(owner, [], highest_index=5, lost_indices=(7, 4)), NOW), act.Create)
    assert [index_of(one.obj.metadata.name, "web", "uid-web") for one in created] == [4, 7, 6]


def test_at_most_a_burst_is_created_or_deleted_at_once() -> None:
    owner = stored(2000)
    assert len(of_type(decide(view_of(owner, []), NOW), act.Create)) == CREATES_LIMIT
    none = stored(0)
    many = [pod(f"p{number}", none) for number in range(700)]
    assert len(of_type(decide(view_of(none, many), NOW), act.Delete)) == CREATES_LIMIT


def test_after_a_failure_one_pod_is_tried_and_the_condition_says_why() -> None:
    owner = stored(5)
    actions = decide(view_of(owner, [], creates_limit=1, failure=("FailedCreate", "exceeded quota")), NOW)
    assert len(of_type(actions, act.Create)) == 1
    (condition,) = of_type(actions, act.SetStatus)[0].status.conditions
    assert (condition.type, condition.status, condition.reason, condition.message) == (
        "ReplicaFailure",
        "True",
        "FailedCreate",
        "exceeded quota",
    )


def test_pods_that_keep_failing_are_not_replaced_before_their_pause_is_over() -> None:
    owner = stored(1)
    actions = decide(view_of(owner, [], create_not_before_s=NOW + 4), NOW)
    assert not of_type(actions, act.Create)
    assert of_type(actions, act.LookAgain)[0].after_s == 4


def test_a_deletion_names_uid_and_revision_so_that_an_orphaned_pod_is_spared() -> None:
    owner = stored(0)
    (deleted,) = of_type(decide(view_of(owner, [pod("a", owner)]), NOW), act.Delete)
    assert (deleted.name, deleted.uid, deleted.resource_version) == ("a", "uid-a", 11)


def test_an_orphan_that_matches_is_adopted_instead_of_a_new_pod() -> None:
    owner = stored(1)
    actions = decide(view_of(owner, [], orphans=(pod("stray", None),)), NOW)
    (adopted,) = of_type(actions, act.Update)
    assert controller_of(adopted.obj) is not None
    assert controller_of(adopted.obj).uid == "uid-web"  # type: ignore[union-attr]
    assert (adopted.obj.metadata.uid, adopted.obj.metadata.resource_version) == ("uid-stray", 11)
    assert not of_type(actions, act.Create)


def test_an_orphan_that_may_not_be_adopted_yet_is_not_replaced_either() -> None:
    assert not of_type(decide(view_of(stored(1), [], waiting_orphans=1), NOW), act.Create)


def test_a_pod_that_stops_matching_is_released_and_replaced() -> None:
    owner = stored(1)
    actions = decide(view_of(owner, [pod("a", owner, labels={"app": "debug"})]), NOW)
    (released,) = of_type(actions, act.Update)
    assert released.obj.metadata.owner_references == ()
    assert len(of_type(actions, act.Create)) == 1


def test_a_replica_set_that_is_being_deleted_only_writes_its_status() -> None:
    owner = stored(3)
    owner = replace(owner, metadata=replace(owner.metadata, deletion_timestamp=NOW_TEXT))
    actions = decide(view_of(owner, [pod("a", owner)], orphans=(pod("stray", None),)), NOW)
    assert [type(action) for action in actions] == [act.SetStatus]
    assert actions[0].status.replicas == 1  # type: ignore[attr-defined]


def test_the_status_counts_what_there_is_and_names_the_generation_it_is_about() -> None:
    owner = stored(5)
    pods = [
        pod("ready", owner),
        pod("starting", owner, ready=False),
        pod("odd", owner, labels={"app": "web", "extra": "1"}),
        pod("going", owner, deleted=True),
        pod("failed", owner, phase="Failed"),
    ]
    (written,) = of_type(decide(view_of(owner, pods), NOW), act.SetStatus)
    assert written.status == ReplicaSetStatus(
        replicas=3, fully_labeled_replicas=3, ready_replicas=2, available_replicas=2, terminating_replicas=1, observed_generation=1
    )
    assert written.resource_version == 7


def test_the_status_is_not_written_when_it_is_right_already() -> None:
    owner = stored(1)
    status = ReplicaSetStatus(
        replicas=1, fully_labeled_replicas=1, ready_replicas=1, available_replicas=1, terminating_replicas=0, observed_generation=1
    )
    assert decide(view_of(replace(owner, status=status), [pod("a", owner)]), NOW) == ()


def test_the_status_never_counts_as_available_what_this_decision_deletes() -> None:
    owner = stored(1)
    actions = decide(view_of(owner, [pod("a", owner), pod("b", owner), pod("c", owner)]), NOW)
    assert len(of_type(actions, act.Delete)) == 2
    status = of_type(actions, act.SetStatus)[0].status
    assert (status.replicas, status.ready_replicas, status.available_replicas) == (3, 1, 1)


def test_a_pod_is_available_after_min_ready_seconds_and_the_moment_is_not_missed() -> None:
    owner = stored(2, min_ready_seconds=30)
    pods = [pod("old", owner, since=LONG_AGO), pod("new", owner, since="2027-01-15T07:59:50Z")]
    actions = decide(view_of(owner, pods), NOW)
    assert of_type(actions, act.SetStatus)[0].status.available_replicas == 1
    assert of_type(actions, act.LookAgain)[0].after_s == 20
    later = decide(view_of(owner, pods), NOW + 20)
    assert of_type(later, act.SetStatus)[0].status.available_replicas == 2
    assert not of_type(later, act.LookAgain)


def test_one_event_tells_of_all_pods_of_a_decision() -> None:
    one = of_type(decide(view_of(stored(1), []), NOW), act.Create)
    assert one[0].announce.message == f"Created pod: {one[0].obj.metadata.name}"
    many = of_type(decide(view_of(stored(30), []), NOW), act.Create)
    assert many[0].announce.message.endswith("and 20 more")
    assert all(other.announce is None for other in many[1:])


PODS = st.lists(
    st.tuples(
        st.sampled_from(["Pending", "Running", "Failed", "Succeeded"]),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["", "node-1", "node-2"]),
        st.sampled_from(["web", "other"]),
    ),
    max_size=12,
)


Drawn = tuple[str, bool, bool, str, str]


def _drawn(owner: ReplicaSet, drawn: list[Drawn]) -> list[Pod]:
    return [
        pod(f"web-{child_suffix('uid-web', number)}", owner, phase=phase, ready=ready, deleted=deleted, node=node, labels={"app": app})
        for number, (phase, ready, deleted, node, app) in enumerate(drawn)
    ]


def _owned(pods: list[Pod]) -> list[Pod]:
    return [one for one in pods if (held := controller_of(one)) is not None and held.uid == "uid-web"]


@given(replicas=st.integers(0, 8), drawn=PODS, strays=st.integers(0, 3))
def test_decisions_carried_out_give_as_many_active_pods_as_wanted(replicas: int, drawn: list[Drawn], strays: int) -> None:
    owner = stored(replicas)
    pods = _drawn(owner, drawn)
    orphans = tuple(pod(f"stray-{number}", None) for number in range(strays))
    counted = [one for one in pods if is_active(one) and one.metadata.labels["app"] == "web"]
    first = decide(view_of(owner, pods, orphans=orphans, highest_index=len(pods)), NOW)
    assert len(of_type(first, act.Delete)) <= max(len(counted) + strays - replicas, 0), "never more than the surplus"
    assert len(of_type(first, act.Create)) == max(replicas - len(counted) - strays, 0), "never more than are missing"
    after = carried_out((*pods, *orphans), first)
    second = decide(view_of(owner, _owned(after), highest_index=99), NOW)
    settled = [one for one in _owned(carried_out(after, second)) if is_active(one)]
    assert len(settled) == replicas
    assert all(one.metadata.labels["app"] == "web" for one in settled)


@given(steps=st.lists(st.tuples(st.integers(0, 3), st.none() | PODS.filter(bool)), max_size=12))
def test_counts_kept_step_by_step_equal_those_of_the_pods(steps: list[tuple[int, list[Drawn] | None]]) -> None:
    owner, census = stored(1), Census()
    now: dict[int, Pod | None] = {}
    for number, drawn in steps:
        new = _drawn(owner, drawn)[0] if drawn else None
        new = replace(new, metadata=replace(new.metadata, name=f"pod-{number}")) if new is not None else None
        census.change(f"pods/default/{number}", new)
        now[number] = new
    assert census.of("uid-web") == tally_of(one for one in now.values() if one is not None)


def test_a_decision_from_counts_alone_equals_one_that_looks_at_every_pod() -> None:
    owner = stored(3)
    pods = [pod(f"p{number}", owner, ready=number != 1) for number in range(3)]
    fast = decide(view_of(owner, pods), NOW)
    slow = decide(view_of(replace(owner, spec=replace(owner.spec, min_ready_seconds=1)), pods), NOW)
    assert of_type(fast, act.SetStatus)[0].status == of_type(slow, act.SetStatus)[0].status


def test_a_selector_that_selects_everything_manages_nothing() -> None:
    owner = stored(3)
    empty = replace(owner, spec=replace(owner.spec, selector=replace(owner.spec.selector, match_labels=FrozenMap())))
    assert decide(View(replica_set=empty, pods={}, tally=tally_of([])), NOW) == ()
