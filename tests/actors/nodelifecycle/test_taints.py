"""Pods leave a node with a NoExecute taint when their time on it is over, and not before."""

from __future__ import annotations

import pytest

from callboard.models.api.core import Taint
from callboard.models.base import FrozenMap, replace
from tests.actors.scheduler.objects import tolerate
from tests.actors.scheduler.world import world

from .acts import count_sent, hold_streams, running, start


@pytest.mark.parametrize(("seconds", "gone_after"), [(None, None), (0, 0.0), (10, 10.0)])
def test_a_taint_of_a_user_evicts_by_toleration(seconds: int | None, gone_after: float | None) -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a", tolerations=(tolerate("work", "NoExecute", seconds),))
        running(w, "q", "a")
        found = w.get("nodes", "a")
        w.change("nodes", replace(found, spec=replace(found.spec, taints=(Taint(key="work", effect="NoExecute"),))))
        w.run(0.5)
        assert w.get("pods", "q").metadata.deletion_timestamp != ""
        if gone_after:
            w.run(gone_after - 2.0)
            assert w.get("pods", "p").metadata.deletion_timestamp == ""
        w.run(20.0)
        assert (w.get("pods", "p").metadata.deletion_timestamp != "") == (gone_after is not None)


def test_a_taint_that_is_taken_off_cancels_the_eviction() -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a", tolerations=(tolerate("work", "NoExecute", 10),))
        found = w.get("nodes", "a")
        tainted = w.change("nodes", replace(found, spec=replace(found.spec, taints=(Taint(key="work", effect="NoExecute"),))))
        w.run(8.0)
        w.change("nodes", replace(tainted, spec=replace(tainted.spec, taints=())))
        w.run(20.0)
        assert w.get("pods", "p").metadata.deletion_timestamp == ""


def test_a_taint_that_comes_back_gives_the_pod_its_whole_time_again() -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a", tolerations=(tolerate("work", "NoExecute", 10),))
        found = w.get("nodes", "a")
        taints = (Taint(key="work", effect="NoExecute"),)
        for seconds, wanted in ((8.0, taints), (1.0, ()), (8.0, taints)):
            found = w.change("nodes", replace(found, spec=replace(found.spec, taints=wanted)))
            w.run(seconds)
        assert w.get("pods", "p").metadata.deletion_timestamp == ""
        w.run(4.0)
        assert w.get("pods", "p").metadata.deletion_timestamp != ""


def test_a_pod_that_comes_to_a_tainted_node_stays_exactly_as_long_as_it_tolerates_that() -> None:
    with world() as w:
        start(w, "a", "b")
        found = w.get("nodes", "a")
        w.change("nodes", replace(found, spec=replace(found.spec, taints=(Taint(key="work", effect="NoExecute"),))))
        w.run(0.7)
        running(w, "p", "a", tolerations=(tolerate("work", "NoExecute", 3),))
        running(w, "q", "a")
        w.run(0.1)
        assert w.get("pods", "q").metadata.deletion_timestamp != ""
        w.run(2.8)
        assert w.get("pods", "p").metadata.deletion_timestamp == ""
        w.run(0.2)
        assert w.get("pods", "p").metadata.deletion_timestamp != ""


def test_a_taint_that_was_read_before_it_went_starts_nobodys_time() -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a")
        found = w.get("nodes", "a")
        taints = (Taint(key="work", effect="NoExecute"),)
        found = w.change("nodes", replace(found, spec=replace(found.spec, taints=taints)))
        w.run(0.1)
        assert w.get("pods", "p").metadata.deletion_timestamp != "", "so the node was read, with its taint"
        found = w.change("nodes", replace(found, spec=replace(found.spec, taints=())))
        w.run(0.1)
        running(w, "q", "a", tolerations=(tolerate("work", "NoExecute", 4),))
        found = w.change("nodes", replace(found, metadata=replace(found.metadata, labels=FrozenMap({"looked": "at"}))))
        w.run(6.0)
        w.change("nodes", replace(found, spec=replace(found.spec, taints=taints)))
        w.run(3.0)
        assert w.get("pods", "q").metadata.deletion_timestamp == ""


def test_a_stale_view_of_a_taint_evicts_nobody() -> None:
    with world() as w:
        start(w, "a", "b")
        running(w, "p", "a", tolerations=(tolerate("work", "NoExecute", 5),))
        found = w.get("nodes", "a")
        tainted = w.change("nodes", replace(found, spec=replace(found.spec, taints=(Taint(key="work", effect="NoExecute"),))))
        w.run(4.2)
        hold_streams(w, 6.0)
        read = count_sent(w, "GetObject", "nodes")
        w.change("nodes", replace(tainted, spec=replace(tainted.spec, taints=())))
        w.run(20.0)
        assert read  # it wanted to evict, and looked first
        assert w.get("pods", "p").metadata.deletion_timestamp == ""
