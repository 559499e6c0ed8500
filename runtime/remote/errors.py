"""What can go wrong on the way to a running cluster, in words that say what to do."""

from __future__ import annotations

from callboard.runtime.errors import CallboardError


class NoCluster(CallboardError):
    """There is no running cluster to talk to, or it is not clear which one is meant."""


class LinkLost(CallboardError):
    """The connection to the cluster has ended in the middle of something."""


class UnsafePlace(CallboardError):
    """Somebody else could read or replace sockets in the folder where they would lie."""


class NameTaken(CallboardError):
    """Another running cluster has this name."""
