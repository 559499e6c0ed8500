"""What an apiserver is told when it is made, and its own timers. Made by `runtime/face` from a `Timing`."""

from __future__ import annotations

import msgspec

from callboard.models.messages.base import Address, Message


class ApiServerSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Bounds and periods of an apiserver. `store_silence_s` is a multiple of the store's heartbeat interval."""

    store: Address = "store"
    service_cidr: str = "10.96.0.0/12"
    """Where ClusterIPs come from (--service-cluster-ip-range)."""
    reserved_address: str = ""
    """One of them that no Service may have, since the cluster's name service is there; "" if none."""
    node_port_first: int = 30000
    node_port_last: int = 32767
    """Both included (--service-node-port-range)."""
    watch_heartbeat_s: float = 10.0
    store_silence_s: float = 3.0
    """The change stream is opened again when nothing was heard for so long."""
    store_timeout_s: float = 10.0
    """A request that the store has not answered by then is answered with 504."""
    in_flight_limit: int = 10_000
    """Requests that wait for the store or for the cache; more are refused with 429."""
    retry_after_s: float = 1.0
    """What is said with 429."""
    history_limit: int = 50_000
    """Changes kept to resume watches from."""
    event_ttl_s: float = 3600.0
    toleration_s: int = 300
    """Pods tolerate not-ready and unreachable nodes this long unless they say otherwise."""

    @property
    def forward_timeout_s(self) -> float:
        """A kubelet or an aggregated API that has not answered by then does not answer. Less than a client waits for one try."""
        return self.store_timeout_s * 0.8


class BeatWatchers(Message, frozen=True, gc=False):
    """Timer: tell the watchers that have heard nothing how far things are."""


class CheckStore(Message, frozen=True, gc=False):
    """Timer: open the change stream again if it is silent, and answer the requests that the store has left unanswered."""


class LookAfterOwn(Message, frozen=True, gc=False):
    """Timer: see to what an apiserver does on its own: first namespaces, the objects of kinds that are being removed."""


class TakeTurn(Message, frozen=True, gc=False):
    """To itself: the next creation in a namespace with quotas may begin."""

    place: str
