"""Every period of the system in one place, in seconds, with three named profiles.

`KUBERNETES` has Kubernetes' own defaults; `FAST` finds a lost node in seconds, for tests and demonstrations on real time; `CHAOS` is for
simulations (lease 1 s, grace 4 s, eviction 5 s). Users may give any `Timing(...)` of their own.
"""

from __future__ import annotations

import msgspec


class Timing(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All periods, in seconds. Sources: kubelet and kube-controller-manager flags of Kubernetes 1.36."""

    lease_renew_s: float = 10.0
    """A kubelet renews its Lease this often (nodeLeaseDurationSeconds 40 x 0.25)."""
    node_status_s: float = 300.0
    """A kubelet writes an unchanged node status this often (nodeStatusReportFrequency)."""
    node_monitor_s: float = 5.0
    """The node lifecycle controller looks at all nodes this often (--node-monitor-period)."""
    node_grace_s: float = 50.0
    """A node silent for longer becomes Unknown (--node-monitor-grace-period)."""
    toleration_s: int = 300
    """Pods tolerate not-ready and unreachable nodes this long (--default-not-ready-toleration-seconds)."""
    watch_heartbeat_s: float = 10.0
    """An apiserver tells every watcher its progress this often."""
    watch_silence_s: float = 30.0
    """A watcher that heard nothing for so long opens a new stream."""
    request_timeout_s: float = 10.0
    """A component gives up a request after this time, and reads before it acts again."""
    gap_wait_s: float = 0.5
    """A watcher waits this long for a missing piece of its stream before it lists again."""
    retry_s: float = 0.2
    """First pause before a refused list or watch is tried again; doubles up to `retry_limit_s`."""
    retry_limit_s: float = 5.0
    endpoint_batch_s: float = 0.02
    """After its EndpointSlices were written, a Service rests this long, the longer the more endpoints it has, and what changes meanwhile
    is written at once (--endpoint-updates-batch-period, which is 0 in Kubernetes)."""
    crash_back_off_s: float = 10.0
    """First pause before a container that crashed is started again; doubles (kubelet: 10 s up to 300 s)."""
    crash_back_off_limit_s: float = 300.0
    crash_back_off_reset_s: float = 600.0
    """A container that ran this long starts again without a pause."""
    job_back_off_s: float = 10.0
    """First pause before a failed pod of a Job is replaced; doubles up to `job_back_off_limit_s` (doc page "Job": 10 s, 20 s, 40 s ... six
    minutes; DefaultJobPodFailureBackOff)."""
    job_back_off_limit_s: float = 360.0
    scheduler_retry_s: float = 1.0
    """First pause before an unschedulable pod is tried again (podInitialBackoffSeconds); doubles up to `scheduler_retry_limit_s`."""
    scheduler_retry_limit_s: float = 10.0
    scheduler_flush_s: float = 300.0
    """Unschedulable pods are tried again this often even if nothing changed (podMaxInUnschedulablePodsDuration)."""
    eviction_rate_per_s: float = 0.1
    """Lost nodes whose pods begin to be evicted, per second and zone (--node-eviction-rate)."""
    eviction_rate_reduced_per_s: float = 0.01
    """The same in a large zone of which most nodes are lost (--secondary-node-eviction-rate)."""
    pod_gc_period_s: float = 20.0
    """Pods that nobody else can remove are looked for this often (pod garbage collector)."""
    pod_gc_quarantine_s: float = 40.0
    """A node must be absent this long before pods bound to it are removed."""
    supervisor_restart_s: float = 1.0
    """First pause before a process that failed is started again; doubles up to `supervisor_restart_limit_s`."""
    supervisor_restart_limit_s: float = 30.0
    event_ttl_s: float = 3600.0
    """API Events are kept this long (--event-ttl)."""
    volume_sync_s: float = 60.0
    """ConfigMap and Secret volumes follow their objects within this time (syncFrequency)."""
    usage_s: float = 15.0
    """A kubelet measures its node's containers, judges pressure and reports this often (metrics-server: --metric-resolution)."""
    pressure_transition_s: float = 300.0
    """A node's pressure condition stays so long after it was last observed (--eviction-pressure-transition-period)."""


KUBERNETES = Timing()

FAST = Timing(
    lease_renew_s=0.5,
    node_status_s=10.0,
    node_monitor_s=0.25,
    node_grace_s=2.0,
    toleration_s=1,
    watch_heartbeat_s=0.5,
    watch_silence_s=2.0,
    request_timeout_s=2.0,
    gap_wait_s=0.1,
    retry_s=0.05,
    retry_limit_s=1.0,
    crash_back_off_s=0.5,
    crash_back_off_limit_s=10.0,
    crash_back_off_reset_s=30.0,
    job_back_off_s=0.5,
    job_back_off_limit_s=10.0,
    scheduler_retry_s=0.1,
    scheduler_retry_limit_s=1.0,
    scheduler_flush_s=10.0,
    eviction_rate_per_s=20.0,
    eviction_rate_reduced_per_s=2.0,
    pod_gc_period_s=1.0,
    pod_gc_quarantine_s=2.0,
    supervisor_restart_s=0.1,
    supervisor_restart_limit_s=5.0,
    volume_sync_s=1.0,
    usage_s=1.0,
    pressure_transition_s=5.0,
)

CHAOS = msgspec.structs.replace(
    FAST,
    lease_renew_s=1.0,
    node_monitor_s=1.0,
    node_grace_s=4.0,
    toleration_s=5,
    watch_heartbeat_s=1.0,
    watch_silence_s=3.0,
    scheduler_flush_s=30.0,
    pod_gc_period_s=2.0,
    pod_gc_quarantine_s=4.0,
    supervisor_restart_s=1.0,
    usage_s=2.0,
    pressure_transition_s=10.0,
)

PROFILES = {"kubernetes": KUBERNETES, "fast": FAST, "chaos": CHAOS}


def timing_named(profile: str | Timing) -> Timing:
    """The profile of this name, or the given `Timing` itself.

    Raises:
        ValueError: there is no profile of this name.
    """
    if isinstance(profile, Timing):
        return profile
    try:
        return PROFILES[profile]
    except KeyError:
        raise ValueError(f"no timing profile {profile!r}; there are {', '.join(sorted(PROFILES))}, or give a Timing(...)") from None
