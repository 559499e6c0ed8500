"""The priorities that Kubernetes keeps for its own pods. Pure.

Source: kubernetes pkg/apis/scheduling/types.go and v1/helpers.go.
"""

from __future__ import annotations

HIGHEST_USER_PRIORITY = 1_000_000_000
"""A user's PriorityClass has at most this value (HighestUserDefinablePriority)."""
CRITICAL_PRIORITY = 2 * HIGHEST_USER_PRIORITY
"""From here on a pod is critical (SystemCriticalPriority)."""
SYSTEM_PRIORITIES = {"system-cluster-critical": CRITICAL_PRIORITY, "system-node-critical": CRITICAL_PRIORITY + 1000}
"""The values of the classes that every cluster has."""


__all__ = ["CRITICAL_PRIORITY", "HIGHEST_USER_PRIORITY", "SYSTEM_PRIORITIES"]
