"""Objects of kinds that are only stored and served: metadata, and all the rest as a deeply frozen tree."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import EMPTY_MAP, FrozenMap, plain, thaw, yaml_of


class GenericObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An object of any kind. `content` is everything but apiVersion, kind and metadata."""

    api_version: str
    kind: str
    metadata: ObjectMeta = ObjectMeta()
    content: FrozenMap = EMPTY_MAP

    def to_dict(self) -> dict[str, Any]:
        """The object as a plain tree with Kubernetes' names."""
        meta = plain(self.metadata)
        if "resourceVersion" in meta:
            meta["resourceVersion"] = str(meta["resourceVersion"])
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": meta, **thaw(self.content)}

    def to_yaml(self) -> str:
        """The object as YAML."""
        return yaml_of(self.to_dict())
