"""Whose turn it is where several pods of one name are on a node: what was there first ends first.

A pod that was removed by force is gone from the API while its containers still end, and another one may have its name, and its place. It
waits: two of a name would share a host's ports and folders, and what a StatefulSet made would be there twice (k8s#104648, k8s#112814).
Kubernetes waits so for static pods only (pkg/kubelet/pod_workers.go, allowStaticPodStart); here it holds for every pod.
"""

from __future__ import annotations


class NameBook:
    """UIDs by the pods' keys (`pods/default/web-0`), those first that came first."""

    def __init__(self) -> None:
        self._queues: dict[str, list[str]] = {}
        self._strays: dict[str, str] = {}

    def take(self, key: str, uid: str) -> bool:
        """A pod comes to the node. Returns whether it may start; if not, `leave` of those before it says when."""
        queue = self._queues.setdefault(key, [])
        queue.append(uid)
        return queue[0] == uid

    def leave(self, key: str, uid: str) -> str:
        """Nothing of a pod is on the node any more. Returns the UID of the pod that may start now; "" if nobody waited for this one."""
        queue = self._queues.get(key, [])
        if uid not in queue:
            return ""
        was_first = queue[0] == uid
        queue.remove(uid)
        if not queue:
            del self._queues[key]
            return ""
        return queue[0] if was_first else ""

    def take_stray(self, key: str, uid: str) -> None:
        """A sandbox is being removed whose pod is not known; it has its name until it is gone."""
        if uid not in self._strays:
            self._strays[uid] = key
            self.take(key, uid)

    def stray_left(self, uid: str) -> str:
        """The sandbox of a stray is gone. Returns as `leave` does."""
        key = self._strays.pop(uid, "")
        return self.leave(key, uid) if key else ""

    def strays(self) -> tuple[str, ...]:
        """UIDs of sandboxes that are being removed without a pod."""
        return tuple(self._strays)
