"""Columns of storage, access rights, webhooks and other kinds that Callboard only stores.

Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from callboard.models.columns.column import AGE, NAME, NONE, UNSET, Column, Value, number_column, text_column
from callboard.models.look import Look
from callboard.models.quantity import canonical_quantity

_MODES = (("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP"))
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def _access_modes(modes: list[str]) -> str:
    return ",".join(short for long, short in _MODES if long in modes)


def _class(obj: Look, _now_s: float) -> Value:
    return str(obj.map("metadata", "annotations").get(_CLASS_ANNOTATION) or obj.text("spec", "storageClassName"))


def _phase(obj: Look, _now_s: float) -> Value:
    return "Terminating" if obj.has("metadata", "deletionTimestamp") else obj.text("status", "phase")


def _claim(volume: Look, _now_s: float) -> Value:
    claim = volume.below("spec", "claimRef")
    return "" if claim.tree is None else f"{claim.text('namespace')}/{claim.text('name')}"


_VOLUME_TAIL = (
    Column("StorageClass", _class, description="Its storage class."),
    text_column("VolumeAttributesClass", "spec", "volumeAttributesClassName", default=UNSET),
)
_VOLUME_MODE = text_column("VolumeMode", "spec", "volumeMode", default=UNSET, wide=True, description="Filesystem or Block.")

VOLUME_COLUMNS = (
    NAME,
    Column("Capacity", lambda obj, _now_s: canonical_quantity(obj.at("spec", "capacity", "storage")), description="Its size."),
    Column("Access Modes", lambda obj, _now_s: _access_modes(obj.texts("spec", "accessModes")), description="How it may be mounted."),
    text_column("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy", description="What becomes of it when it is released."),
    Column("Status", _phase, description="Its phase."),
    Column("Claim", _claim, description="Which claim has it."),
    *_VOLUME_TAIL,
    text_column("Reason", "status", "reason"),
    AGE,
    _VOLUME_MODE,
)


def _if_bound(text: str, claim: Look) -> str:
    return text if claim.text("spec", "volumeName") else ""


def _claim_capacity(claim: Look, _now_s: float) -> Value:
    return _if_bound(canonical_quantity(claim.at("status", "capacity", "storage")), claim)


CLAIM_COLUMNS = (
    NAME,
    Column("Status", _phase, description="Its phase."),
    text_column("Volume", "spec", "volumeName", description="The volume it has."),
    Column("Capacity", _claim_capacity, description="The volume's size."),
    Column(
        "Access Modes",
        lambda obj, _now_s: _if_bound(_access_modes(obj.texts("status", "accessModes")), obj),
        description="How it may be mounted.",
    ),
    *_VOLUME_TAIL,
    AGE,
    _VOLUME_MODE,
)


def _marked_default(annotation: str) -> Column:
    def read(obj: Look, _now_s: float) -> Value:
        return f"{obj.name} (default)" if obj.map("metadata", "annotations").get(annotation) == "true" else obj.name

    return Column("Name", read, format="name", description="The object's name, and whether it is the default.")


STORAGECLASS_COLUMNS = (
    _marked_default("storageclass.kubernetes.io/is-default-class"),
    text_column("Provisioner", "provisioner", description="Who makes its volumes."),
    text_column("ReclaimPolicy", "reclaimPolicy", default="Delete", description="What becomes of released volumes."),
    text_column("VolumeBindingMode", "volumeBindingMode", default="Immediate", description="When claims are bound."),
    Column("AllowVolumeExpansion", lambda obj, _now_s: obj.flag("allowVolumeExpansion"), description="Whether its volumes can grow."),
    AGE,
)
ATTRIBUTESCLASS_COLUMNS = (
    _marked_default("storage.kubernetes.io/is-default-class"),
    text_column("DriverName", "driverName", description="Its driver."),
    AGE,
)
ATTACHMENT_COLUMNS = (
    NAME,
    text_column("Attacher", "spec", "attacher", description="Who attaches it."),
    text_column("PV", "spec", "source", "persistentVolumeName", description="The volume."),
    text_column("Node", "spec", "nodeName", description="The node."),
    Column("Attached", lambda obj, _now_s: obj.flag("status", "attached"), type="boolean", description="Whether it is attached."),
    AGE,
)


def _flag(name: str, field: str, default: bool = False) -> Column:
    return Column(name, lambda obj, _now_s: obj.flag("spec", field, default=default), type="boolean")


def _audiences(driver: Look, _now_s: float) -> Value:
    return ",".join(one.text("audience") for one in driver.items("spec", "tokenRequests")) if driver.has("spec", "tokenRequests") else UNSET


CSIDRIVER_COLUMNS = (
    NAME,
    _flag("AttachRequired", "attachRequired", True),
    _flag("PodInfoOnMount", "podInfoOnMount"),
    _flag("StorageCapacity", "storageCapacity"),
    Column("TokenRequests", _audiences),
    _flag("RequiresRepublish", "requiresRepublish"),
    Column("Modes", lambda obj, _now_s: ",".join(obj.texts("spec", "volumeLifecycleModes")) or NONE),
    AGE,
)
CSINODE_COLUMNS = (NAME, Column("Drivers", lambda obj, _now_s: len(obj.items("spec", "drivers")), type="integer"), AGE)
CAPACITY_COLUMNS = (
    NAME,
    text_column("StorageClassName", "storageClassName"),
    Column("Capacity", lambda obj, _now_s: canonical_quantity(obj.at("capacity")) if obj.has("capacity") else UNSET),
)


def _subjects(name: str, kind: str) -> Column:
    def read(binding: Look, _now_s: float) -> Value:
        of_kind = [one for one in binding.items("subjects") if one.text("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{one.text('namespace')}/{one.text('name')}" for one in of_kind)
        return ", ".join(one.text("name") for one in of_kind)

    return Column(name, read, True, description=f"The {kind}s that it is for.")


BINDING_COLUMNS = (
    NAME,
    Column("Role", lambda obj, _now_s: f"{obj.text('roleRef', 'kind')}/{obj.text('roleRef', 'name')}", description="The role it gives."),
    AGE,
    _subjects("Users", "User"),
    _subjects("Groups", "Group"),
    _subjects("ServiceAccounts", "ServiceAccount"),
)
WEBHOOK_COLUMNS = (
    NAME,
    Column("Webhooks", lambda obj, _now_s: len(obj.items("webhooks")), type="integer", description="How many webhooks it has."),
    AGE,
)


def _param_kind(obj: Look, _now_s: float) -> Value:
    kind = obj.below("spec", "paramKind")
    return UNSET if kind.tree is None else f"{kind.text('apiVersion')}/{kind.text('kind')}"


def _policy(name: str, field: str) -> tuple[Column, ...]:
    count = Column(name, lambda obj, _now_s: len(obj.items("spec", field)), type="integer", description=f"How many {field} it has.")
    return NAME, count, Column("ParamKind", _param_kind, description="The kind of its parameters."), AGE


def _param_ref(obj: Look, _now_s: float) -> Value:
    reference = obj.below("spec", "paramRef")
    if not reference.text("name"):
        return UNSET
    return f"{reference.text('namespace', default='*')}/{reference.text('name')}"


VALIDATING_POLICY_COLUMNS = _policy("Validations", "validations")
MUTATING_POLICY_COLUMNS = _policy("Mutations", "mutations")
POLICY_BINDING_COLUMNS = (NAME, text_column("PolicyName", "spec", "policyName"), Column("ParamRef", _param_ref), AGE)
RUNTIMECLASS_COLUMNS = (NAME, text_column("Handler", "handler", description="The runtime's handler."), AGE)


def _claim_state(claim: Look, _now_s: float) -> Value:
    deleted = claim.has("metadata", "deletionTimestamp")
    if not claim.has("status", "allocation"):
        return "deleted" if deleted else "pending"
    reserved = bool(claim.items("status", "reservedFor"))
    return ",".join(["deleted"] * deleted + ["allocated"] + ["reserved"] * reserved)


RESOURCECLAIM_COLUMNS = (NAME, Column("State", _claim_state, description="pending, allocated, reserved."), AGE)
RESOURCESLICE_COLUMNS = (
    NAME,
    text_column("Node", "spec", "nodeName"),
    text_column("Driver", "spec", "driver"),
    text_column("Pool", "spec", "pool", "name"),
    AGE,
)
AGED_COLUMNS = (NAME, AGE)


def _flow_dangling(obj: Look, _now_s: float) -> Value:
    return obj.condition("Dangling").text("status", default="?")


FLOWSCHEMA_COLUMNS = (
    NAME,
    text_column("PriorityLevel", "spec", "priorityLevelConfiguration", "name"),
    number_column("MatchingPrecedence", "spec", "matchingPrecedence"),
    text_column("DistinguisherMethod", "spec", "distinguisherMethod", "type", default=NONE),
    AGE,
    Column("MissingPL", _flow_dangling),
)


def _apiservice(obj: Look, _now_s: float) -> Value:
    service = obj.below("spec", "service")
    return "Local" if service.tree is None else f"{service.text('namespace')}/{service.text('name')}"


def _available(obj: Look, _now_s: float) -> Value:
    found = obj.condition("Available")
    if found.text("status") in ("True", ""):
        return found.text("status", default="Unknown")
    return f"{found.text('status')} ({found.text('reason')})"


APISERVICE_COLUMNS = (NAME, Column("Service", _apiservice), Column("Available", _available), AGE)
