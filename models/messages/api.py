"""What clients say to an apiserver and hear from it: the verbs of the Kubernetes API as messages.

A `resource` is named as kubectl does: plural, then the group if there is one (`pods`, `deployments.apps`). Objects travel as the
typed, immutable structs that the store keeps; nothing is encoded inside a program.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from callboard.models.messages.base import Answer, Message, Request
from callboard.models.messages.store import Fence

PatchType = Literal["merge", "json", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]
EventType = Literal["ADDED", "MODIFIED", "DELETED"]


def object_key(resource: str, namespace: str, name: str) -> str:
    """The key of an object in the store: `pods/default/web-1`; cluster-scoped objects have an empty namespace: `nodes//node-1`."""
    return f"{resource}/{namespace}/{name}"


class _Named(Request, frozen=True, gc=False):
    resource: str
    namespace: str
    name: str

    def subject(self) -> str:
        return object_key(self.resource, self.namespace, self.name)


class GetObject(_Named, frozen=True, gc=False):
    """Read one object, never older than `min_revision`; `min_revision=-1` asks for the newest that any apiserver acknowledged.

    `subresource` is "" or, for kinds that have replicas, "scale": an autoscaling/v1 Scale is answered then."""

    min_revision: int = -1
    subresource: str = ""


class ListObjects(Request, frozen=True, gc=False):
    """Read all objects of a resource (in one namespace unless it is "") that match the selectors (kubectl's string forms).

    Resource "*" means every object of every kind but Events and Leases. `min_revision=-1` asks for a read as new as the store, `0` for
    whatever the apiserver has, another number for at least that.
    """

    resource: str
    namespace: str = ""
    labels: str = ""
    fields: str = ""
    min_revision: int = -1

    def subject(self) -> str:
        return f"{self.resource}/{self.namespace}/"


class CreateObject(Request, frozen=True, gc=False):
    """Create `obj`. `trusted=True` is said by our own controllers for objects built from already admitted templates: defaults and
    validation are skipped then."""

    resource: str
    obj: Any
    dry_run: bool = False
    trusted: bool = False
    fence: Fence | None = None

    def subject(self) -> str:
        return object_key(self.resource, self.obj.metadata.namespace, self.obj.metadata.name)


class UpdateObject(Request, frozen=True, gc=False):
    """Replace an object. A `resource_version` in its metadata, and a `uid`, are preconditions.

    `subresource` is "", "status", "scale" (`obj` is an autoscaling/v1 Scale, and so is the answer's) or, for namespaces, "finalize" (only
    `spec.finalizers` counts then).
    """

    resource: str
    obj: Any
    subresource: str = ""
    dry_run: bool = False
    fence: Fence | None = None

    def subject(self) -> str:
        return object_key(self.resource, self.obj.metadata.namespace, self.obj.metadata.name)


class PatchObject(_Named, frozen=True, gc=False):
    """Patch an object with a frozen tree (`json`: a tuple of operations)."""

    type: PatchType
    patch: Any
    subresource: str = ""
    uid: str = ""
    dry_run: bool = False
    fence: Fence | None = None


class ApplyObject(_Named, frozen=True, gc=False):
    """Create the object if it is absent, else patch it as `kubectl apply` does: three ways, with the last applied configuration.

    `tree` is the user's document as a frozen tree, with apiVersion and kind.
    """

    tree: Any
    dry_run: bool = False


class DeleteObject(_Named, frozen=True, gc=False):
    """Delete an object. `uid` and `resource_version` (0: any) are preconditions; `grace_period_s=-1` means the object's own."""

    uid: str = ""
    resource_version: int = 0
    grace_period_s: int = -1
    propagation: Propagation = "Background"
    dry_run: bool = False
    fence: Fence | None = None


class EvictPod(_Named, frozen=True, gc=False):
    """Delete a pod (`resource` is `pods`) unless a PodDisruptionBudget forbids it now: the subresource pods/eviction. Refused with code 429
    then. `uid` is a precondition; `grace_period_s=-1` means the pod's own. Answered by `Written`."""

    uid: str = ""
    grace_period_s: int = -1


class WriteStatus(_Named, frozen=True, gc=False):
    """Replace the status of an object of ours: the trusted fast path of kubelets and controllers.

    Checked: the `uid` (if given) and, for pods, that a phase never leaves Succeeded or Failed. Retried inside on a lost race, since the
    writer owns the status. `resource_version` other than 0 is a precondition.
    """

    status: Any
    uid: str = ""
    resource_version: int = 0
    fence: Fence | None = None


class BindPod(_Named, frozen=True, gc=False):
    """Bind a pod to a node, on condition that it has this uid and no node yet."""

    uid: str
    node_name: str
    fence: Fence | None = None


class RenewLease(_Named, frozen=True, gc=False):
    """Create or renew a Lease without admission; `renew_time` is RFC 3339 with microseconds. Answered by `Written` without an object."""

    holder: str
    renew_time: str
    duration_s: int = 40


class RecordEvent(Request, frozen=True, gc=False):
    """Something that a person should be told about an object; counted and deduplicated by the apiserver. `combined`: it stands for all
    messages of its type and reason, and shows the last."""

    involved_resource: str
    involved_kind: str
    involved_api_version: str
    namespace: str
    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    component: str
    host: str = ""
    combined: bool = False
    field_path: str = ""
    """Which part of the object it concerns, as in `spec.containers{web}`."""

    def subject(self) -> str:
        return object_key(self.involved_resource, self.namespace, self.name)


class Got(Answer, frozen=True, gc=False):
    """Answer to `GetObject`."""

    obj: Any
    revision: int


class Listed(Answer, frozen=True, gc=False):
    """Answer to `ListObjects`: the objects in key order, as of `revision`. For resource "*" `keys` names the key of each."""

    objects: tuple[Any, ...]
    revision: int
    keys: tuple[str, ...] = ()


class Written(Answer, frozen=True, gc=False):
    """A write is durable: the object as stored (None for leases and events) and the revision at which it is.

    `revision` is that of the transaction, or of the unchanged object if there was nothing to change. `removed` tells that the object is
    gone from the store (a deletion that did not have to wait for a grace period or a finalizer).
    """

    obj: Any
    revision: int
    removed: bool = False


class Refused(Answer, frozen=True, gc=False):
    """A request was not carried out. `reason` and `code` are Kubernetes' (`Conflict` 409, `NotFound` 404, ...).

    `details` is the rest of Kubernetes' Status body as a frozen tree. `retry_after_s` is set with code 429, and 503 if nothing was done.
    """

    code: int
    reason: str
    message: str
    details: Any = None
    retry_after_s: float = 0.0


class WatchObjects(Request, frozen=True, gc=False):
    """Open a watch stream that starts after `from_revision`. `id` names the subscription in all that follows.

    At most `credit` batches may be unacknowledged; then the apiserver closes the stream with code 429 and the client lists again.
    """

    resource: str
    from_revision: int
    namespace: str = ""
    labels: str = ""
    fields: str = ""
    credit: int = 4096

    def lane(self) -> str:
        return f"w{self.reply_to}/{self.id}"

    def subject(self) -> str:
        return f"{self.resource}/{self.namespace}/"


class WatchEvent(msgspec.Struct, frozen=True, gc=False):
    """One change as a watcher sees it. An object that stops matching the selectors arrives as DELETED, with its new content."""

    type: EventType
    key: str
    obj: Any


class WatchBatch(Answer, frozen=True, gc=False):
    """The next piece of a watch stream. `seq` counts from 1 without a gap; `revision` is a progress mark: all up to it has been told.

    An empty batch is a heartbeat with a progress mark.
    """

    seq: int
    events: tuple[WatchEvent, ...]
    revision: int

    def lane(self) -> str:
        return f"w{self.id}"


class WatchClosed(Answer, frozen=True, gc=False):
    """The stream has ended; `seq` is in the stream's numbering. Code 410 means the revision asked for is compacted: list again."""

    seq: int
    code: int
    reason: str
    message: str

    def lane(self) -> str:
        return f"w{self.id}"


class AckWatch(Message, frozen=True, gc=False):
    """The watcher has handled all batches up to `seq`."""

    id: int
    reply_to: str
    seq: int

    def lane(self) -> str:
        return f"w{self.reply_to}/{self.id}"


class StopWatch(Message, frozen=True, gc=False):
    """The watcher has lost interest."""

    id: int
    reply_to: str

    def lane(self) -> str:
        return f"w{self.reply_to}/{self.id}"
