"""Events from their teller to their reader: counted, combined, expiring, on the store's revisions, in a bounded ring."""

from __future__ import annotations

from typing import Any

from callboard import Simulation


def deployment(replicas: int) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def events(s: Simulation, reason: str) -> list[Any]:
    return [event for event in s.list("events") if event.reason == reason]


def test_what_fails_without_end_is_counted_in_one_event_and_told_every_five_minutes_at_most() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}})
        s.settle()
        s.apply(deployment(2))
        s.advance("20m")
        told = events(s, "FailedCreate")
        many = max(told, key=lambda event: event.count)
        assert many.count > 10
        assert many.first_timestamp < many.last_timestamp
        before = sum(event.count for event in told)
        s.advance("40m")
        assert sum(event.count for event in events(s, "FailedCreate")) - before in range(7, 10)


def test_an_event_takes_its_revision_from_the_stores_counter_and_moves_when_it_is_counted() -> None:
    with Simulation(nodes=1, seed=2) as s:
        s.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before"}})
        before = s.get("configmap/before").metadata.resource_version
        s.apply(deployment(1))
        s.settle()
        s.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}})
        after = s.get("configmap/after").metadata.resource_version
        revisions = [event.metadata.resource_version for event in s.list("events") if event.involved_object.kind != "Node"]
        assert revisions
        assert len(set(revisions)) == len(revisions)
        assert all(before < revision < after for revision in revisions)


def test_events_are_forgotten_after_an_hour_and_nothing_else_is() -> None:
    with Simulation(nodes=1, seed=3) as s:
        s.apply(deployment(1))
        s.settle()
        assert events(s, "SuccessfulCreate")
        s.advance("61m")
        assert events(s, "SuccessfulCreate") == []
        assert len(s.list("pods")) == 1
