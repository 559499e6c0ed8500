"""Schedules as a whole: one plan is one history, what is recorded plays it again, and what is wrong is found."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.models.base import freeze, replace
from callboard.models.messages.store import StoreEvent
from callboard.runtime.chaos.oracles import every
from callboard.runtime.chaos.oracles.base import Oracle, World, Wrong
from callboard.runtime.chaos.portfolio import plan_of
from callboard.runtime.chaos.scenarios import SCENARIOS
from callboard.runtime.chaos.schedule import FAILS, play
from callboard.runtime.faults.plan import Apply, Change, Plan, Remove, Undo
from callboard.runtime.faults.strategies import PORTFOLIO, strategy_named
from callboard.runtime.faults.vocabulary import ControllerRestart

ROOT = Path(__file__).resolve().parents[3]
HASHES = """
from callboard.runtime.chaos.portfolio import plan_of
from callboard.runtime.chaos.schedule import play
from callboard.runtime.faults.strategies import strategy_named
for seed in range(9):
    plan = plan_of(seed)
    print(play(plan, strategy_named(plan.strategy, seed, plan.lasts_s), tuple).trace_hash)
"""


def _config_map(at_s: float, value: str) -> Apply:
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}}
    return Apply(at_s=at_s, tree=freeze(tree))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_was_held_is_recorded_and_gives_the_same_history_again(scenario: str) -> None:
    for seed, strategy in enumerate(PORTFOLIO[:4]):
        plan = plan_of(seed, scenario, strategy)
        first = play(plan, strategy_named(plan.strategy, plan.seed, plan.lasts_s), tuple)
        again = play(replace(plan, holds=first.holds), None, tuple)
        assert again.trace_hash == first.trace_hash
        assert again.steps == first.steps


def test_histories_do_not_depend_on_pythons_hash_seed() -> None:
    said = {
        seed: subprocess.run(
            [sys.executable, "-c", HASHES],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(set(said.values())) == 1
    assert len(set(said["0"].split())) == 9


@pytest.mark.parametrize("seed", range(18))
def test_nothing_is_wrong_with_the_unchanged_program(seed: int) -> None:
    plan = plan_of(seed)
    outcome = play(plan, strategy_named(plan.strategy, plan.seed, plan.lasts_s), every)
    assert outcome.finding is None, f"{plan.scenario}, {plan.strategy}: {outcome.finding}"


class _NeverTwo(Oracle):
    name = "never two"

    def stored(self, event: StoreEvent, world: World) -> Wrong | None:
        return Wrong(event.key, "it is two") if event.obj is not None and getattr(event.obj, "data", {}).get("k") == "two" else None


def test_what_an_oracle_finds_ends_the_schedule_at_that_step() -> None:
    plan = Plan(scenario="made", seed=1, nodes=1, operations=(_config_map(0.0, "one"), _config_map(2.0, "two"), _config_map(9.0, "three")))
    outcome = play(plan, None, lambda: (_NeverTwo(),))
    assert outcome.finding is not None
    assert (outcome.finding.oracle, outcome.finding.object) == ("never two", "configmaps/default/a")
    assert 2.0 <= outcome.finding.at_s < 2.1
    assert outcome.finding.step == outcome.steps


def test_an_operation_whose_server_is_down_is_tried_again_until_it_is_done() -> None:
    faults = (ControllerRestart(target="apiserver-0", at_s=0.5, for_s=5.0),)
    plan = Plan(scenario="made", seed=1, nodes=1, operations=(_config_map(1.0, "two"),), faults=faults)
    outcome = play(plan, None, lambda: (_NeverTwo(),))
    assert outcome.finding is not None
    assert outcome.finding.at_s > 5.0


def test_users_let_be_what_is_refused_and_say_so() -> None:
    bad = Apply(at_s=0.0, tree=freeze({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not A Name"}}))
    gone = (Remove(at_s=0.1, resource="pods", name="nobody"), Change(at_s=0.1, resource="pods", name="nobody", patch=freeze({})))
    outcome = play(Plan(scenario="made", seed=1, nodes=1, operations=(bad, *gone, Undo(at_s=0.2, name="nothing"))), None, tuple)
    assert outcome.finding is None
    assert len(outcome.refusals) == 1
    assert "Not A Name" in outcome.refusals[0]


def test_a_component_that_fails_is_a_finding_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from callboard.actors.deployment.actor import DeploymentController

    def broken(self: DeploymentController, key: str) -> tuple[()]:
        raise ZeroDivisionError(f"while {key}")

    monkeypatch.setattr(DeploymentController, "_deployment_changed", broken)
    outcome = play(plan_of(0, "rollouts"), None, tuple)
    assert outcome.finding is not None
    assert outcome.finding.oracle == FAILS
    assert "_deployment_changed" in outcome.finding.traceback or "broken" in outcome.finding.traceback


@pytest.mark.parametrize("seed", range(300))
def test_in_the_end_of_places_nothing_is_left_but_what_there_is_room_for(seed: int) -> None:
    operations = sorted(SCENARIOS["places"].draft(random.Random(seed)).operations, key=lambda one: one.at_s)
    last = {one.tree["metadata"]["name"]: one for one in operations if isinstance(one, Apply) and one.tree["kind"] == "Pod"}
    gone = {one.name: one for one in operations if isinstance(one, Remove) and one.at_s == 12.0}
    assert last.keys() == gone.keys()
    assert all(one.at_s < 12.0 for one in last.values())
