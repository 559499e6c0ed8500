"""The volumes of a pod or of a template, as `kubectl describe` writes them. Source: kubectl pkg/describe/describe.go (describeVolumes)."""

from __future__ import annotations

from collections.abc import Callable

from callboard.models.describe.page import NONE, UNSET, Page
from callboard.models.look import Look
from callboard.models.quantity import canonical_quantity


def volumes(page: Page, found: list[Look], indent: str = "") -> None:
    """All volumes, each with its sort and the settings of that sort."""
    if not found:
        page.line(f"{indent}Volumes:\t{NONE}")
        return
    page.line(f"{indent}Volumes:")
    for volume in found:
        page.line(f"{' ' if indent else ''}{volume.text('name')}:", 1)
        for field, (words, detail) in _SORTS.items():
            if volume.has(field):
                page.field("Type", words, 2)
                detail(page, volume.below(field))
                break
        else:
            _other(page, volume)


def _other(page: Page, volume: Look) -> None:
    """A sort that nobody here acts on: its own fields, if it has any."""
    kind = next((name for name in volume.map() if name != "name"), "")
    if not kind:
        page.line("<unknown>", 1)
        return
    page.field("Type", kind[0].upper() + kind[1:], 2)
    for name, value in volume.map(kind).items():
        if isinstance(value, str | int):
            page.field(name[0].upper() + name[1:] if name else name, value, 2)


def _flag(source: Look, field: str) -> str:
    return str(source.flag(field)).lower()


def _host_path(page: Page, source: Look) -> None:
    page.field("Path", source.text("path"), 2)
    page.field("HostPathType", source.text("type", default=NONE), 2)


def _empty_dir(page: Page, source: Look) -> None:
    page.field("Medium", source.text("medium"), 2)
    page.field("SizeLimit", canonical_quantity(source.at("sizeLimit")) if source.has("sizeLimit") else UNSET, 2)


def _secret(page: Page, source: Look) -> None:
    page.field("SecretName", source.text("secretName"), 2)
    page.field("Optional", _flag(source, "optional"), 2)


def _config_map(page: Page, source: Look) -> None:
    page.field("Name", source.text("name"), 2)
    page.field("Optional", _flag(source, "optional"), 2)


def _projected(page: Page, source: Look) -> None:
    for one in source.items("sources"):
        if one.has("secret"):
            page.field("SecretName", one.text("secret", "name"), 2)
            page.field("Optional", _flag(one.below("secret"), "optional"), 2)
        elif one.has("downwardAPI"):
            page.field("DownwardAPI", "true", 2)
        elif one.has("configMap"):
            page.field("ConfigMapName", one.text("configMap", "name"), 2)
            page.field("Optional", _flag(one.below("configMap"), "optional"), 2)
        elif one.has("serviceAccountToken"):
            page.field("TokenExpirationSeconds", one.number("serviceAccountToken", "expirationSeconds"), 2)


def _downward(page: Page, source: Look) -> None:
    page.line("Items:", 2)
    for one in source.items("items"):
        if one.has("fieldRef"):
            page.line(f"{one.text('fieldRef', 'fieldPath')} -> {one.text('path')}", 3)
        if one.has("resourceFieldRef"):
            page.line(f"{one.text('resourceFieldRef', 'resource')} -> {one.text('path')}", 3)


def _claim(page: Page, source: Look) -> None:
    page.field("ClaimName", source.text("claimName"), 2)
    page.field("ReadOnly", _flag(source, "readOnly"), 2)


def _nfs(page: Page, source: Look) -> None:
    page.field("Server", source.text("server"), 2)
    page.field("Path", source.text("path"), 2)
    page.field("ReadOnly", _flag(source, "readOnly"), 2)


def _image(page: Page, source: Look) -> None:
    page.field("Reference", source.text("reference"), 2)
    page.field("PullPolicy", source.text("pullPolicy"), 2)


def _csi(page: Page, source: Look) -> None:
    page.field("Driver", source.text("driver"), 2)
    page.field("FSType", source.text("fsType"), 2)
    page.field("ReadOnly", _flag(source, "readOnly"), 2)


_SORTS: dict[str, tuple[str, Callable[[Page, Look], None]]] = {
    "hostPath": ("HostPath (bare host directory volume)", _host_path),
    "emptyDir": ("EmptyDir (a temporary directory that shares a pod's lifetime)", _empty_dir),
    "secret": ("Secret (a volume populated by a Secret)", _secret),
    "configMap": ("ConfigMap (a volume populated by a ConfigMap)", _config_map),
    "projected": ("Projected (a volume that contains injected data from multiple sources)", _projected),
    "downwardAPI": ("DownwardAPI (a volume populated by information about the pod)", _downward),
    "persistentVolumeClaim": ("PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)", _claim),
    "nfs": ("NFS (an NFS mount that lasts the lifetime of a pod)", _nfs),
    "image": ("Image (a container image or OCI artifact)", _image),
    "csi": ("CSI (a Container Storage Interface (CSI) volume source)", _csi),
    "ephemeral": (
        "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)",
        lambda _page, _source: None,
    ),
}
