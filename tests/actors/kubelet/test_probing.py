"""When a container is probed and what the outcomes mean: pkg/kubelet/prober/worker.go, rule by rule and as properties. Pure."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.kubelet.containers import ContainerRecord
from callboard.actors.kubelet.probing import ProbeRun, Purpose, is_over, probes_of, waits
from callboard.models.api.core import ContainerPort, HTTPGetAction, Probe, TCPSocketAction
from callboard.models.defaults import with_defaults
from tests.actors.kubelet.kit import container, pod
from tests.actors.kubelet.records import NOW_S, record, start

TCP = TCPSocketAction(port=80)


def running(**probes: Any) -> ContainerRecord:
    """A container with these probes whose first life has just begun."""
    made = record(pod("web", container("web", **probes)))
    return start(made, "web")


def run_of(purpose: Purpose = "readiness", **fields: Any) -> ProbeRun:
    probe = Probe(tcp_socket=TCP, **fields)
    return ProbeRun(running(**{f"{purpose}_probe": probe}), probe, purpose)


def test_a_probe_without_timings_has_kubernetes_defaults() -> None:
    """core/v1 defaults.go, SetDefaults_Probe: timeout 1, period 10, success 1, failure 3; no initial delay."""
    made = with_defaults(pod("web", container("web", liveness_probe=Probe(http_get=HTTPGetAction(port=80)))))
    probe = made.spec.containers[0].liveness_probe
    assert (probe.timeout_seconds, probe.period_seconds, probe.success_threshold, probe.failure_threshold) == (1, 10, 1, 3)
    assert not probe.initial_delay_seconds
    assert (probe.http_get.path, probe.http_get.scheme) == ("/", "HTTP")
    bare = run_of()
    assert (bare.timeout_s, bare.period_s) == (1, 10)
    assert [bare.outcome(False) for _ in range(3)] == [False, False, True]


def test_the_initial_delay_counts_from_the_start_of_the_container() -> None:
    run = run_of(initial_delay_seconds=7)
    one = running()
    assert run.first_at_s(one, NOW_S) == NOW_S + 7
    assert run.first_at_s(one, NOW_S + 60) == NOW_S + 60, "a kubelet that has just started does not wait again"


def test_an_outcome_counts_when_it_has_come_often_enough_in_a_row() -> None:
    run = run_of(failure_threshold=2, success_threshold=3)
    outcomes = [True, True, False, True, True, True, False, True, False, False]
    assert [run.outcome(ok) for ok in outcomes] == [False, False, False, False, False, True, False, False, False, True]


def test_liveness_and_readiness_wait_for_the_startup_probe_and_it_stops_with_its_success() -> None:
    probe = Probe(tcp_socket=TCP)
    one = running(startup_probe=probe, liveness_probe=probe, readiness_probe=probe)
    startup, liveness, readiness = probes_of(one)
    assert [waits(run, one) for run in (startup, liveness, readiness)] == [False, True, True]
    one.started = True
    assert [waits(run, one) for run in (startup, liveness, readiness)] == [True, False, False]
    assert [is_over(run, one, False) for run in (startup, liveness, readiness)] == [True, False, False]


def test_after_a_liveness_or_startup_failure_nothing_is_probed_until_the_next_life() -> None:
    for purpose in ("liveness", "startup"):
        probe = Probe(tcp_socket=TCP, failure_threshold=1)
        one = running(**{f"{purpose}_probe": probe})
        (run,) = probes_of(one)
        assert run.outcome(False)
        assert is_over(run, one, False)
    run = run_of(failure_threshold=1)
    assert run.outcome(False)
    assert not run.on_hold, "an unready container goes on being probed"


def test_a_pod_that_is_to_end_is_probed_for_readiness_only() -> None:
    """worker.go: liveness and startup stop with the deletion; readiness goes on, so that `serving` stays true to what it does."""
    probe = Probe(tcp_socket=TCP)
    one = running(liveness_probe=probe, readiness_probe=probe)
    assert {run.purpose: is_over(run, one, True) for run in probes_of(one)} == {"liveness": True, "readiness": False}


def test_a_named_port_is_looked_up_in_the_container() -> None:
    spec = container("web", ports=(ContainerPort(name="http", container_port=8080),))
    probe = Probe(http_get=HTTPGetAction(port="http"))
    assert ProbeRun(running(), probe, "liveness").port(spec) == 8080


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_a_verdict_is_the_last_outcome_that_came_often_enough_in_a_row(outcomes: list[bool], failures: int, successes: int) -> None:
    run = run_of(failure_threshold=failures, success_threshold=successes)
    verdict: bool | None = None
    expected: bool | None = None
    for count in range(1, len(outcomes) + 1):
        ok = outcomes[count - 1]
        if run.outcome(ok):
            verdict = ok
        needed = successes if ok else failures
        if count >= needed and all(one is ok for one in outcomes[count - needed : count]):
            expected = ok
        assert verdict == expected
