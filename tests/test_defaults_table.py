"""Kubernetes' defaults that users count on, as one table: each with where Kubernetes says so, and where it shows here.

What is read from Kubernetes' source names the file; what a later release changed names the change.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import isclose
from typing import Any

import pytest

from callboard import Behaviour, Simulation
from callboard.actors.apiserver.settings import ApiServerSettings
from callboard.actors.endpointslice.decision import ENDPOINTS_LIMIT
from callboard.models.podstatus import is_ready
from callboard.models.timing import KUBERNETES

CONTAINER = {"name": "web", "image": "web:1"}
SELECTOR = {"matchLabels": {"app": "web"}}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
TASK = {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}


def stored(s: Simulation, kind: str, **spec: Any) -> Any:
    """An object as the apiserver keeps it, of which only the given part of the spec was written."""
    apps = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1"}
    versions = {**apps, "Job": "batch/v1", "CronJob": "batch/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}
    (obj,) = s.apply({"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": {"name": "web"}, "spec": spec})
    return obj


# -- periods: flags of kubelet and kube-controller-manager -------------------------------------------------------------

PERIODS: tuple[tuple[str, float, float, str], ...] = (
    ("crash back-off, first pause", KUBERNETES.crash_back_off_s, 10, "pkg/kubelet/kubelet.go (backOffPeriod)"),
    ("crash back-off, longest pause", KUBERNETES.crash_back_off_limit_s, 300, "pkg/kubelet/kubelet.go (MaxContainerBackOff)"),
    ("crash back-off, forgotten after", KUBERNETES.crash_back_off_reset_s, 600, "client-go flowcontrol/backoff.go (hasExpired)"),
    ("failed pods of a Job, first pause", KUBERNETES.job_back_off_s, 10, "job_controller.go (DefaultJobPodFailureBackOff)"),
    ("... and longest pause", KUBERNETES.job_back_off_limit_s, 360, "doc page Job: capped at six minutes"),
    ("a node's lease is renewed every", KUBERNETES.lease_renew_s, 10, "kubelet config defaults.go (nodeLeaseDurationSeconds / 4)"),
    ("a node's unchanged status is written every", KUBERNETES.node_status_s, 300, "kubelet config defaults.go (nodeStatusReportFrequency)"),
    ("nodes are looked at every", KUBERNETES.node_monitor_s, 5, "controller-manager config defaults.go (NodeMonitorPeriod 5s)"),
    ("a silent node is lost after", KUBERNETES.node_grace_s, 50, "--node-monitor-grace-period, once 40s (kubernetes#127352)"),
    ("pods tolerate a lost node for", KUBERNETES.toleration_s, 300, "plugin/pkg/admission/defaulttolerationseconds (300)"),
    ("lost nodes evicted per second", KUBERNETES.eviction_rate_per_s, 0.1, "--node-eviction-rate"),
    ("... in a zone most of which is lost", KUBERNETES.eviction_rate_reduced_per_s, 0.01, "--secondary-node-eviction-rate"),
    ("pods of a node that is gone wait for", KUBERNETES.pod_gc_quarantine_s, 40, "pkg/controller/podgc/gc_controller.go (quarantineTime)"),
    ("... and are looked for every", KUBERNETES.pod_gc_period_s, 20, "pkg/controller/podgc/gc_controller.go (gcCheckPeriod)"),
    ("an unschedulable pod waits at first for", KUBERNETES.scheduler_retry_s, 1, "scheduler defaults.go (podInitialBackoffSeconds)"),
    ("... and at most for", KUBERNETES.scheduler_retry_limit_s, 10, "scheduler defaults.go (podMaxBackoffSeconds)"),
    ("Events are kept for", KUBERNETES.event_ttl_s, 3600, "kube-apiserver --event-ttl (1h)"),
    ("volumes follow ConfigMaps within", KUBERNETES.volume_sync_s, 60, "kubelet config defaults.go (syncFrequency 1m)"),
    ("first NodePort", ApiServerSettings().node_port_first, 30000, "pkg/kubeapiserver/options/options.go (DefaultServiceNodePortRange)"),
    ("last NodePort", ApiServerSettings().node_port_last, 32767, "pkg/kubeapiserver/options/options.go (Base 30000, Size 2768)"),
    ("endpoints in a slice", ENDPOINTS_LIMIT, 100, "pkg/controller/endpointslice/config/v1alpha1/defaults.go (MaxEndpointsPerSlice)"),
)  # fmt: skip


@pytest.mark.parametrize(("ours", "kubernetes", "source"), [one[1:] for one in PERIODS], ids=[one[0] for one in PERIODS])
def test_a_number_is_kubernetes_own(ours: float, kubernetes: float, source: str) -> None:
    assert isclose(ours, kubernetes), source


# -- fields: what is stored of an object that leaves them out ----------------------------------------------------------

FIELDS: tuple[tuple[str, dict[str, Any], Callable[[Any], Any], Any, str], ...] = (
    ("Pod", {"containers": [CONTAINER]}, lambda s: s.termination_grace_period_seconds, 30, "core/v1/defaults.go (SetDefaults_PodSpec)"),
    ("Pod", {"containers": [CONTAINER]}, lambda s: s.restart_policy, "Always", "core/v1/defaults.go (SetDefaults_PodSpec)"),
    (
        "Pod",
        {"containers": [{**CONTAINER, "livenessProbe": {"tcpSocket": {"port": 80}}}]},
        lambda s: [
            (one.period_seconds, one.timeout_seconds, one.failure_threshold, one.success_threshold, one.initial_delay_seconds or 0)
            for one in (s.containers[0].liveness_probe,)
        ],
        [(10, 1, 3, 1, 0)],
        "core/v1/defaults.go (SetDefaults_Probe)",
    ),
    (
        "Deployment",
        {"selector": SELECTOR, "template": TEMPLATE},
        lambda s: (s.replicas, s.strategy.type, s.strategy.rolling_update.max_surge, s.strategy.rolling_update.max_unavailable),
        (1, "RollingUpdate", "25%", "25%"),
        "apps/v1/defaults.go (SetDefaults_Deployment)",
    ),
    (
        "Deployment",
        {"selector": SELECTOR, "template": TEMPLATE},
        lambda s: (s.revision_history_limit, s.progress_deadline_seconds, s.min_ready_seconds or 0),
        (10, 600, 0),
        "apps/v1/defaults.go (SetDefaults_Deployment)",
    ),
    (
        "StatefulSet",
        {"selector": SELECTOR, "template": TEMPLATE},
        lambda s: (s.replicas, s.revision_history_limit, s.pod_management_policy, s.update_strategy.type),
        (1, 10, "OrderedReady", "RollingUpdate"),
        "apps/v1/defaults.go (SetDefaults_StatefulSet)",
    ),
    (
        "StatefulSet",
        {"selector": SELECTOR, "template": TEMPLATE},
        lambda s: (s.update_strategy.rolling_update.partition, s.update_strategy.rolling_update.max_unavailable),
        (0, None),
        "apps/v1/defaults.go (SetDefaults_StatefulSet); without maxUnavailable one pod at a time",
    ),
    (
        "DaemonSet",
        {"selector": SELECTOR, "template": TEMPLATE},
        lambda s: (
            s.revision_history_limit,
            s.update_strategy.type,
            s.update_strategy.rolling_update.max_unavailable,
            s.update_strategy.rolling_update.max_surge,
        ),
        (10, "RollingUpdate", 1, 0),
        "apps/v1/defaults.go (SetDefaults_DaemonSet)",
    ),
    (
        "Job",
        {"template": TASK},
        lambda s: (s.completions, s.parallelism, s.backoff_limit, s.completion_mode, s.suspend, s.pod_replacement_policy),
        (1, 1, 6, "NonIndexed", False, "TerminatingOrFailed"),
        "batch/v1/defaults.go (SetDefaults_Job)",
    ),
    (
        "CronJob",
        {"schedule": "@daily", "jobTemplate": {"spec": {"template": TASK}}},
        lambda s: (s.concurrency_policy, s.suspend, s.successful_jobs_history_limit, s.failed_jobs_history_limit),
        ("Allow", False, 3, 1),
        "batch/v1/defaults.go (SetDefaults_CronJob)",
    ),
    ("ReplicaSet", {"selector": SELECTOR, "template": TEMPLATE}, lambda s: s.replicas, 1, "apps/v1/defaults.go (SetDefaults_ReplicaSet)"),
    (
        "Service",
        {"ports": [{"port": 80}], "selector": {"app": "web"}},
        lambda s: (s.type, s.session_affinity, s.ports[0].protocol, s.ports[0].target_port, s.internal_traffic_policy),
        ("ClusterIP", "None", "TCP", 80, "Cluster"),
        "core/v1/defaults.go (SetDefaults_Service)",
    ),
)


@pytest.mark.parametrize(("kind", "spec", "field", "default", "source"), FIELDS)
def test_a_field_that_is_left_out_gets_kubernetes_default(
    kind: str, spec: dict[str, Any], field: Callable[[Any], Any], default: Any, source: str
) -> None:
    with Simulation(nodes=1, seed=1) as s:
        assert field(stored(s, kind, **spec).spec) == default, source


def test_what_is_only_stored_is_stored_as_it_was_written_and_nobody_acts_on_it() -> None:
    """HorizontalPodAutoscalers (sync 15 s, tolerance 0.1, scale-down window 300 s, podautoscaler/config/v1alpha1/defaults.go) have no
    controller here: their defaults are nobody's business yet."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    with Simulation(nodes=1, seed=1) as s:
        scaler = stored(s, "HorizontalPodAutoscaler", maxReplicas=3, scaleTargetRef=target)
        assert scaler.to_dict()["spec"] == {"maxReplicas": 3, "scaleTargetRef": target}
        s.advance("1m")
        assert s.list("pods") == []


# -- what follows from them --------------------------------------------------------------------------------------------


def test_pods_tolerate_a_lost_node_for_five_minutes_unless_they_say_otherwise() -> None:
    with Simulation(nodes=1, seed=1) as s:
        tolerations = stored(s, "Pod", containers=[CONTAINER]).spec.tolerations
        assert {(one.key, one.effect, one.operator, one.toleration_seconds) for one in tolerations} == {
            ("node.kubernetes.io/not-ready", "NoExecute", "Exists", 300),
            ("node.kubernetes.io/unreachable", "NoExecute", "Exists", 300),
        }


def test_a_lost_node_is_told_after_its_grace_and_its_pods_leave_after_their_toleration() -> None:
    with Simulation(nodes=2, seed=1) as s:
        stored(s, "Deployment", selector=SELECTOR, template=TEMPLATE)
        s.wait("deployment/web")
        lost = s.list("pods", selector="app=web")[0].spec.node_name
        s.nodes[lost].crash()
        crashed_s = s.now
        s.wait(f"node/{lost}", _unknown, timeout="2m")
        told_s = s.now - crashed_s
        # The last lease may have been up to 10 s old; it is seen at a look at all nodes, and found too old at another, 5 s apart.
        assert 40 <= told_s <= 50 + 5 + 5 + 2
        while not any(is_ready(one) and one.spec.node_name != lost for one in s.list("pods")):
            s.advance(1)
            assert s.now < crashed_s + 600
        assert 300 <= s.now - crashed_s - told_s <= 300 + 5 + 5


def _unknown(node: Any) -> bool:
    return any(one.type == "Ready" and one.status == "Unknown" for one in node.status.conditions)


def test_a_crashing_container_waits_ten_seconds_doubling_up_to_five_minutes() -> None:
    """Kubernetes in Action 2e, section 6.2.1: the first restart at once, then 10, 20, 40, 80, 160 and at last 300 s."""
    with Simulation(nodes=1, seed=1, images={"bad:*": Behaviour(exits=[1] * 50)}) as s:
        s.apply({**POD, "spec": {"containers": [{"name": "web", "image": "bad:1"}]}})
        starts: dict[int, float] = {}

        def restarted(number: int) -> Callable[[Any], bool]:
            return lambda pod: pod.status is not None and any(one.restart_count >= number for one in pod.status.container_statuses)

        for number in range(1, 9):
            s.wait("pod/web", restarted(number), timeout="10m")
            starts[number] = s.now
        assert [round(after - before) for before, after in pairwise(starts.values())] == [10, 20, 40, 80, 160, 300, 300]


def test_node_ports_come_from_their_range_and_others_are_refused() -> None:
    with Simulation(nodes=1, seed=1) as s:
        service = stored(s, "Service", type="NodePort", ports=[{"port": 80}], selector={"app": "web"})
        assert 30000 <= service.spec.ports[0].node_port <= 32767
        with pytest.raises(Exception, match="provided port is not in the valid range. The range of valid ports is 30000-32767"):
            s.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "other"},
                    "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 29999}]},
                }
            )
