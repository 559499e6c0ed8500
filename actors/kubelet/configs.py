"""The ConfigMaps and Secrets that the pods of a node need: which to read, who waits for them, what has changed.

Used by the kubelet's actor, which does the reading. What a volume needs must be there before a pod has its sandbox.
"""

from __future__ import annotations

from typing import Any

from callboard.actors.kubelet.pods import PodRecord
from callboard.actors.kubelet.redaction import redacted, secrets_in
from callboard.models.messages.api import object_key


def keys_of(pod: PodRecord) -> dict[str, None]:
    """Store keys of all that a pod refers to."""
    namespace = pod.pod.metadata.namespace
    return {object_key(one.resource, namespace, one.name): None for one in pod.template.references}


def volume_keys_of(pod: PodRecord) -> dict[str, None]:
    """Store keys of what its volumes show."""
    namespace = pod.pod.metadata.namespace
    return {object_key(one.resource, namespace, one.name): None for one in pod.template.references if one.volume}


def missing_for_volumes(pod: PodRecord) -> str:
    """Why the pod's volumes can't be made, in Kubernetes' words; "" if they can."""
    configs = dict(pod.configs or ())
    namespace = pod.pod.metadata.namespace
    for one in pod.template.references:
        if one.volume and not one.optional and configs.get(object_key(one.resource, namespace, one.name)) is None:
            kind = "configmap" if one.resource == "configmaps" else "secret"
            return f'MountVolume.SetUp failed for volume "{one.volume}" : {kind} "{one.name}" not found'
    return ""


class ConfigBook:
    """What has been read, and for whom. `wanted` keys are read anew for every pod that starts, and then as often as volumes follow."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        """By store key: the object, or None if there was none when it was last read."""
        self._former: dict[str, Any] = {}
        """The version before, which containers that run may have in their environment."""
        self._users: dict[str, dict[str, None]] = {}
        self._waiting: dict[str, dict[str, None]] = {}
        self._lacking: dict[str, dict[str, None]] = {}

    @property
    def changing_keys(self) -> tuple[str, ...]:
        """Those whose object may still change: an immutable one is not read again for the pods that have it (pkg/kubelet/util/manager/
        watch_based_manager.go)."""
        return tuple(key for key in self._users if not getattr(self.objects.get(key), "immutable", None))

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that some pod uses."""
        return tuple(self._users)

    def want(self, uid: str, keys: dict[str, None]) -> list[str]:
        """A pod waits for these; returns what has to be read now, which is not what is being read already."""
        self._lacking[uid] = dict(keys)
        unread = []
        for key in keys:
            self._users.setdefault(key, {})[uid] = None
            waiting = self._waiting.setdefault(key, {})
            if not waiting:
                unread.append(key)
            waiting[uid] = None
        return unread

    def read(self, key: str, obj: Any) -> tuple[list[str], bool]:
        """A key has been read. Returns the pods that now have all they waited for, and whether the object is another one than before."""
        old = self.objects.get(key)
        changed = old is not obj and (old is None or obj is None or old.metadata.resource_version != obj.metadata.resource_version)
        if key in self._users:
            if changed and old is not None:
                self._former[key] = old
            self.objects[key] = obj
        complete = []
        for uid in self._waiting.pop(key, {}):
            lacking = self._lacking.get(uid, {})
            lacking.pop(key, None)
            if not lacking:
                self._lacking.pop(uid, None)
                complete.append(uid)
        return complete, changed

    def failed(self, key: str) -> list[str]:
        """A key could not be read. Returns the pods that wait for it: they have to begin again."""
        uids = list(self._waiting.pop(key, {}))
        for uid in uids:
            self._lacking.pop(uid, None)
            for waiting in self._waiting.values():
                waiting.pop(uid, None)
        self._waiting = {one: waiting for one, waiting in self._waiting.items() if waiting}
        return uids

    def discreet(self, pod: PodRecord, text: str) -> str:
        """What somebody says about a pod, without what is in its Secrets."""
        if not text or not pod.template.references:
            return text
        return redacted(text, secrets_in(book.get(key) for key in keys_of(pod) for book in (self.objects, self._former)))

    def users(self, key: str) -> tuple[str, ...]:
        """The pods that use a key."""
        return tuple(self._users.get(key, ()))

    def forget(self, uid: str, keys: dict[str, None]) -> None:
        """A pod needs nothing any more."""
        self._lacking.pop(uid, None)
        for key in keys:
            users = self._users.get(key, {})
            users.pop(uid, None)
            if not users:
                self._users.pop(key, None)
                self.objects.pop(key, None)
                self._former.pop(key, None)
            waiting = self._waiting.get(key)
            if waiting is not None:
                waiting.pop(uid, None)
                if not waiting:
                    del self._waiting[key]
