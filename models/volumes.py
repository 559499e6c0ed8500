"""Which kinds of volumes pods can have here, and in words why not the others. Pure."""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import Volume

SUPPORTED = "use configMap, secret, downwardAPI, projected, emptyDir or hostPath"
_FIELDS = ("config_map", "secret", "downward_api", "projected", "empty_dir", "host_path")


def unsupported(volume: Volume) -> str:
    """Why there can't be such a volume here, whatever its pod's containers are; "" if there can.

    There are no PersistentVolumes, so no claim is ever bound, and nothing that would mount what lies on other machines. One without a
    source is an emptyDir.
    """
    if volume.persistent_volume_claim is not None:
        claim = volume.persistent_volume_claim.claim_name
        return f'persistentvolumeclaim "{claim}" can\'t be bound, since there are no PersistentVolumes here; {SUPPORTED}'
    if any(getattr(volume, field) is not None for field in _FIELDS):
        return ""
    named = sources_of(volume)
    return f"{named[0]} volumes are not supported; {SUPPORTED}" if named else ""


def sources_of(volume: Any) -> list[str]:
    """Wire names of the sources that a volume (or a source of a projected one) has."""
    named = zip(volume.__struct_fields__, volume.__struct_encode_fields__, strict=True)
    return [wire for attribute, wire in named if attribute not in ("name", "optional") and getattr(volume, attribute) not in (None, "")]
