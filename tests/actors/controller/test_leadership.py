"""Leadership: the bookkeeping alone, then two copies of a controller on a system of which at most one acts."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.actors.leadership import Election, Leadership
from callboard.actors.replicaset.actor import ReplicaSetController
from callboard.models.base import replace
from callboard.models.messages.store import Fence
from tests.actors.controller.playground import CLIENT, Playground, replica_set

ELECTION = Election(lease="rs", identity="a", duration_s=15, renew_deadline_s=10, retry_s=2)
OTHER = replace(ELECTION, identity="b")


def _write(leader: Leadership, now: float, revision: int) -> Any:
    attempt = leader.attempt(now)
    assert attempt is not None
    lease = replace(attempt.lease, metadata=replace(attempt.lease.metadata, resource_version=revision, uid="lease"))
    leader.written(lease, revision, now)
    return lease


def test_whoever_creates_the_lease_leads_until_its_deadline() -> None:
    leader = Leadership(ELECTION)
    leader.observe(None, 0.0)
    assert not leader.leads(0.0)
    _write(leader, 0.0, 5)
    assert (leader.leads(9.9), leader.leads(10.0)) == (True, False)
    assert (leader.fence(), leader.acquired_revision) == (Fence(leader.key, 0), 5)


def test_renewing_keeps_the_epoch_and_the_revision_of_the_acquisition() -> None:
    leader = Leadership(ELECTION)
    leader.observe(None, 0.0)
    _write(leader, 0.0, 5)
    _write(leader, 6.0, 9)
    assert leader.leads(15.9)
    assert (leader.fence(), leader.acquired_revision) == (Fence(leader.key, 0), 5)


def test_expiry_is_judged_by_time_observed_here_and_never_by_what_the_record_says() -> None:
    """client-go#448: clocks differ."""
    leader, rival = Leadership(ELECTION), Leadership(OTHER)
    leader.observe(None, 0.0)
    lease = _write(leader, 0.0, 5)
    rival.observe(lease, 1_000_000.0)
    assert rival.attempt(1_000_014.0) is None
    rival.observe(lease, 1_000_014.0)
    attempt = rival.attempt(1_000_015.0)
    assert attempt is not None
    assert attempt.lease.spec is not None
    assert (attempt.lease.spec.holder_identity, attempt.lease.spec.lease_transitions, attempt.create) == ("b", 1, False)
    assert attempt.lease.metadata.resource_version == 5, "the precondition that it has not been renewed meanwhile"


def test_a_renewed_record_starts_the_wait_anew() -> None:
    leader, rival = Leadership(ELECTION), Leadership(OTHER)
    leader.observe(None, 0.0)
    rival.observe(_write(leader, 0.0, 5), 0.0)
    rival.observe(_write(leader, 10.0, 6), 10.0)
    assert rival.attempt(20.0) is None
    assert rival.attempt(25.0) is not None


def test_a_leader_that_sees_another_holder_stops_at_once() -> None:
    leader, rival = Leadership(ELECTION), Leadership(OTHER)
    leader.observe(None, 0.0)
    rival.observe(_write(leader, 0.0, 5), 0.0)
    leader.observe(_write(rival, 15.0, 8), 15.0)
    assert not leader.leads(15.0)
    assert leader.fence() == Fence(leader.key, -1), "none that the store could find in force"
    assert rival.fence() == Fence(rival.key, 1)


def test_an_older_record_that_arrives_late_says_nothing() -> None:
    leader = Leadership(ELECTION)
    leader.observe(None, 0.0)
    first = _write(leader, 0.0, 5)
    _write(leader, 2.0, 7)
    stranger = replace(first, spec=replace(first.spec, holder_identity="b"))
    leader.observe(stranger, 3.0)
    assert leader.leads(3.0)


def test_another_incarnation_with_the_same_name_gets_an_epoch_of_its_own() -> None:
    first, second = Leadership(ELECTION), Leadership(ELECTION)
    first.observe(None, 0.0)
    lease = _write(first, 0.0, 5)
    second.observe(lease, 1.0)
    assert not second.leads(1.0)
    first.observe(_write(second, 1.0, 6), 2.0)
    assert not first.leads(2.0)
    assert second.fence() == Fence(second.key, 1)


def test_a_lease_that_was_deleted_does_not_give_an_old_epoch_again() -> None:
    leader, rival = Leadership(ELECTION), Leadership(OTHER)
    leader.observe(None, 0.0)
    lease = _write(leader, 0.0, 5)
    rival.observe(lease, 0.0)
    rival.observe(None, 1.0)
    _write(rival, 1.0, 9)
    assert rival.fence() == Fence(rival.key, 1)


# -- two copies on a system -----------------------------------------------------------------------------------------------------------

RS = "replicasets.apps"
COPIES = ("controller/replicaset", "controller/replicaset-b")


def _pair(seed: int = 1) -> Playground:
    election = Election(lease="replicaset", duration_s=3.0, renew_deadline_s=2.0, retry_s=0.5)
    world = Playground(seed=seed, client=CLIENT)
    world.system.remove(COPIES[0])
    for name in COPIES:
        world.system.start(name, ReplicaSetController, replace(world.client, election=election))
    world.system.run_for(1.0)
    return world


def _leaders(world: Playground) -> list[str]:
    return [name for name in COPIES if (actor := world.system.look(name)) is not None and actor.leads]


def test_of_two_copies_one_leads_and_does_the_work() -> None:
    world = _pair()
    assert len(_leaders(world)) == 1
    world.create(RS, replica_set(3))
    world.until(lambda: len(world.ready) == 3)


def test_when_the_leader_is_gone_the_other_one_takes_over_and_knows_what_was_done() -> None:
    world = _pair()
    world.create(RS, replica_set(3))
    world.until(lambda: len(world.ready) == 3)
    world.system.crash(_leaders(world)[0])
    world.scale(RS, "web", 5)
    world.until(lambda: len(world.ready) == 5, 30)
    world.system.run_for(10)
    assert len(world.live) == 5


@pytest.mark.parametrize("seed", range(6))
def test_what_a_replaced_leader_has_on_the_way_is_not_carried_out(seed: int) -> None:
    """An old leader resumes (kubernetes#89466): its writes carry an epoch that is over."""
    world = _pair(seed)
    (old,) = _leaders(world)
    late: list[str] = []

    def of_old_leader(passage: Any) -> bool:
        if passage.source == old and passage.type in ("CreateObject", "UpdateObject"):
            late.append(passage.subject)
            return True
        return False

    world.hold(6.0, of_old_leader)
    world.create(RS, replica_set(4))
    world.system.run_for(0.1)
    assert len([subject for subject in late if subject.startswith("pods/")]) == 4
    world.scale(RS, "web", 0)
    world.always(lambda: _none_lives(world))
    world.until(lambda: _leaders(world) == [name for name in COPIES if name != old], 30)
    world.system.run_for(20)


def _none_lives(world: Playground) -> None:
    assert world.live == [], "a pod that nobody wants any more was created by a leader whose time is over"


def test_at_no_step_do_two_copies_lead() -> None:
    world = _pair(3)
    seen: set[str] = set()

    def judge() -> None:
        leaders = _leaders(world)
        assert len(leaders) <= 1, leaders
        seen.update(leaders)

    world.always(judge)
    for _ in range(4):
        (leader,) = _leaders(world) or (COPIES[0],)
        rule: Any = world.system.links.drop(leader, "apiserver-*")
        world.system.run_for(8)
        world.system.links.remove(rule)
        world.system.run_for(4)
    assert seen == set(COPIES)
