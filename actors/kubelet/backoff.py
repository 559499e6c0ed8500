"""How long a container that ended waits before it is started again. Pure.

Source: client-go util/flowcontrol/backoff.go as the kubelet uses it (kuberuntime_manager.doBackOff): the first restart comes at once, then
10 s after the end of the last life, doubling up to 300 s; forgotten when a life began more than 600 s before it ended.
"""

from __future__ import annotations

import msgspec

from callboard.models.timing import Timing

MOUNT_PAUSE_PART = 20
MOUNT_PAUSE_LIMIT_S = 122.0
WRITE_PAUSE_FIRST_S = 0.1
WRITE_PAUSE_LIMIT_S = 30.0
SYNC_PART = 10
"""A pod is synced again after this part of the first pause of its back-off."""


class BackOff(msgspec.Struct, frozen=True, gc=False):
    """The pause that the next end of life is followed by, and when it was set. `pause_s` 0: none has been set yet."""

    pause_s: float = 0.0
    set_at_s: float = 0.0


NO_BACK_OFF = BackOff()


def _expired(back_off: BackOff, ended_s: float, timing: Timing) -> bool:
    return back_off.pause_s == 0.0 or ended_s - back_off.set_at_s > timing.crash_back_off_reset_s


def due_s(back_off: BackOff, ended_s: float, timing: Timing) -> float:
    """When a container that ended at `ended_s` may be started again, in seconds since the epoch."""
    return ended_s if _expired(back_off, ended_s, timing) else ended_s + back_off.pause_s


def after_restart(back_off: BackOff, ended_s: float, now_s: float, timing: Timing) -> BackOff:
    """The back-off after a container that ended at `ended_s` is started again now."""
    if _expired(back_off, ended_s, timing):
        return BackOff(timing.crash_back_off_s, now_s)
    return BackOff(min(back_off.pause_s * 2, timing.crash_back_off_limit_s), now_s)


def retry_pause_s(failures: int, timing: Timing) -> float:
    """The pause after a start was refused so often in a row (pkg/kubelet/images: 10 s doubling up to 300 s)."""
    return float(min(timing.crash_back_off_s * 2 ** min(failures - 1, 16), timing.crash_back_off_limit_s))


def pull_words_change_s(failures: int, retry_at_s: float, timing: Timing) -> float:
    """When a pull that failed is no longer news: the pod's next sync (a second later, by pkg/kubelet/pleg's relist) finds its image waiting
    for the next try. `retry_at_s` is that try, in seconds since the epoch."""
    return retry_at_s - retry_pause_s(failures, timing) + timing.crash_back_off_s / SYNC_PART


def mount_pause_s(failures: int, timing: Timing) -> float:
    """The pause after a sandbox or its volumes could not be made so often in a row: this part of the crash back-off, doubling (0.5 s up to
    2 m 2 s, pkg/util/goroutinemap/exponentialbackoff)."""
    return float(min(timing.crash_back_off_s / MOUNT_PAUSE_PART * 2 ** min(failures - 1, 16), MOUNT_PAUSE_LIMIT_S))


def write_pause_s(failures: int) -> float:
    """The pause after the API refused a write so often in a row."""
    return float(min(WRITE_PAUSE_FIRST_S * 2 ** min(failures - 1, 16), WRITE_PAUSE_LIMIT_S))
