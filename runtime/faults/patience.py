"""How long a cluster may take to be as it should be once nothing goes wrong any more: derived from its periods, never guessed."""

from __future__ import annotations

from callboard.models.timing import Timing

STAYS_S = 6.0
"""So long it has to stay as it should be, in virtual seconds."""
LOOK_S = 0.5
"""How often, in virtual time, it is asked whether all is well by now."""


def patience_s(timing: Timing) -> float:
    """Seconds after the last fault: the longest chain of waits that components may be in then. A lost node is noticed, its pods are
    tolerated and evicted, a container has backed off as long as it may, a scheduler's queue and a supervisor too."""
    node = timing.node_grace_s + timing.node_monitor_s + timing.toleration_s + timing.pod_gc_quarantine_s + timing.pod_gc_period_s
    queues = timing.scheduler_flush_s + timing.scheduler_retry_limit_s + timing.supervisor_restart_limit_s + timing.volume_sync_s
    back_off = 2 * timing.crash_back_off_limit_s + 2 * timing.retry_limit_s + 2 * timing.request_timeout_s
    back_off += 3 * timing.job_back_off_limit_s  # the last pods of a Job that fails six times
    return float(node + queues + back_off + 2 * timing.watch_silence_s)
