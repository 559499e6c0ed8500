"""How failures are told: in words, by what caused them, as a picture."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from callboard.models.base import freeze
from callboard.runtime.chaos import explaining
from callboard.runtime.faults.findings import Finding
from callboard.runtime.faults.plan import Apply, Hold, Plan, Remove
from callboard.runtime.faults.vocabulary import ControllerRestart, WatchDelay
from callboard.runtime.telling.causes import Step, causal_slice
from callboard.runtime.telling.chart import chart
from callboard.runtime.telling.story import story

FINDING = Finding("no surplus pods", "pods/default/<b>", "one & too many", 12.3456, 9)
PLAN = Plan(
    scenario="made",
    seed=7,
    nodes=2,
    operations=(
        Apply(at_s=0.0, tree=freeze({"kind": "ReplicaSet", "metadata": {"name": "b"}, "spec": {"replicas": 2}})),
        Remove(at_s=5.0, resource="replicasets.apps", name="b", propagation="Orphan"),
    ),
    faults=(
        WatchDelay(target="controller/replicaset", resource="pods", at_s=3.0, for_s=12.0),
        ControllerRestart(target="scheduler", at_s=1.0),
    ),
    holds=(Hold("apiserver-0", "controller/replicaset", 2, "WatchBatch", "", 3, 0.5),),
)


def test_a_story_says_what_broke_when_and_everything_that_was_not_as_usual() -> None:
    assert story(PLAN, FINDING).splitlines() == [
        '"no surplus pods" is broken 12.35 s after the cluster was up (step 9)',
        "  pods/default/<b>: one & too many",
        "oldest first everywhere except:",
        "  1) watch apiserver-0 -> controller/replicaset, number 3 of its like held 0.5 s (life 2 of the sender)",
        "  2) ControllerRestart target scheduler at 1 s",
        "  3) WatchDelay target controller/replicaset resource pods from 3 s for 12 s",
        "in a cluster of 2 nodes, where users",
        "  at 0 s apply ReplicaSet b of 2",
        "  at 5 s delete replicasets/b (Orphan)",
    ]


def _step(number: int, sender: str, receiver: str, kind: str, subject: str = "", born: int = 0, revision: int = 0, newest: int = 0) -> Step:
    return Step(number, 100.0 + number, sender, receiver, kind, subject, born, revision, newest)


STEPS = (
    _step(1, "", "kubelet/node-1#1", "RenewNow"),
    _step(2, "user#1", "apiserver-0#1", "DeleteObject", "replicasets.apps/default/b"),
    _step(3, "apiserver-0#1", "store#1", "Transact", "replicasets.apps/default/b", 2),
    _step(4, "store#1", "apiserver-0#1", "Committed", "", 3, 41, 41),
    _step(5, "dns#1", "apiserver-0#1", "ListObjects", "services//"),
    _step(6, "apiserver-0#1", "controller/replicaset#1", "WatchBatch", "", 4, 41, 45),
    _step(7, "controller/replicaset#1", "controller/replicaset#1", "Reconcile", "", 6),
    _step(8, "controller/replicaset#1", "apiserver-0#1", "CreateObject", "pods/default/<b>", 7),
    _step(9, "apiserver-0#1", "store#1", "Transact", "pods/default/<b>", 8),
    _step(10, "store#1", "apiserver-0#1", "Committed", "", 9, 46, 46),
)


def test_the_slice_follows_causes_backwards_and_leaves_out_all_the_rest() -> None:
    assert [step.number for step in causal_slice(STEPS, 9, "pods/default/<b>")] == [2, 3, 4, 6, 7, 8, 9]
    assert [step.number for step in causal_slice(STEPS, 9, "", limit=3)] == [7, 8, 9]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_picture_is_one_file_with_a_lane_for_each_actor_bands_for_faults_and_nothing_from_elsewhere() -> None:
    steps = causal_slice(STEPS, 9, "pods/default/<b>")
    html = chart(PLAN, FINDING, steps, 100.0)
    tags = _Tags()
    tags.feed(html)
    assert tags.sources == []
    assert tags.tags["line"] == len({"user", "apiserver-0", "store", "controller/replicaset"})
    assert tags.tags["rect"] == 1, "of two faults one goes on while these steps are taken"
    assert "<b>" not in html.replace("<body", "")
    assert html.count('class="held"') == 1
    assert 'class="stale"' in html
    assert re.search(r'type="range" min="0" max="6"', html)
    assert "as of revision 41 (the store is at 45)" in html


def test_a_deed_from_outside_that_nobody_receives_has_a_place_in_the_picture() -> None:
    steps = (_step(1, "a#1", "b#1", "Done"), _step(2, "", "", "NodeReplace ends"))
    assert 'data-row="1"' in chart(PLAN, FINDING, steps, 100.0)


def test_a_failure_is_played_again_with_its_causes_and_the_object_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from callboard.actors.replicaset.memory import Memory

    from .found import FOUND

    plan = next(iter(FOUND.values()))
    assert explaining.explain(plan) is None
    monkeypatch.setattr(Memory, "pod_failed", lambda *_: None)
    monkeypatch.setattr("callboard.actors.controller.STALE_REASONS", ())
    found = explaining.explain(plan)
    assert found is not None
    assert found.outcome.finding is not None
    assert found.outcome.finding.oracle == "nothing spins"
    kinds = [step.type for step in found.slice]
    assert "DeleteObject" in kinds
    assert "CreateObject" in kinds
    assert "kind: ReplicaSet" in found.state
    assert len(found.html) < 100_000
