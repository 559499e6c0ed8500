"""What the downward API shows in a pod's volumes: fields of the pod and resources of its containers, as files. Pure.

Handed to the runtime beside the ConfigMaps and Secrets of the pod, under a key per volume: what a file holds is a kubelet's business, how
it is written a runtime's. Source: kubernetes pkg/volume/downwardapi/downwardapi.go (CollectData) and pkg/fieldpath (FormatMap).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from callboard.actors.kubelet.environment import field, resource_value
from callboard.actors.kubelet.pods import PodRecord
from callboard.models.api.core import DownwardAPIVolumeFile, Pod, Volume
from callboard.models.base import FrozenMap
from callboard.models.messages.runtime import DOWNWARD


def downward(pod: PodRecord, node_name: str, capacity: Mapping[str, str]) -> tuple[tuple[str, Any], ...]:
    """For each volume of the pod that shows the downward API: its key, and the content of its files by their paths."""
    found = []
    for volume in pod.pod.spec.volumes if pod.pod.spec is not None else ():
        items = tuple(_items(volume))
        if items:
            contents = {item.path: _content(pod, item, node_name, capacity) for item in items}
            found.append((f"{DOWNWARD}/{pod.pod.metadata.namespace}/{volume.name}", FrozenMap(contents)))
    return tuple(found)


def shows_itself(pod: Pod) -> bool:
    """Whether a volume of the pod shows fields of the pod, which may change while it runs."""
    return pod.spec is not None and any(item.field_ref is not None for volume in pod.spec.volumes for item in _items(volume))


def _items(volume: Volume) -> Iterable[DownwardAPIVolumeFile]:
    if volume.downward_api is not None:
        yield from volume.downward_api.items
    for source in volume.projected.sources if volume.projected is not None else ():
        if source.downward_api is not None:
            yield from source.downward_api.items


def _content(pod: PodRecord, item: DownwardAPIVolumeFile, node_name: str, capacity: Mapping[str, str]) -> str:
    if item.resource_field_ref is not None:
        selector = item.resource_field_ref
        one = pod.containers.get(selector.container_name)
        return resource_value(one.spec, selector, capacity) if one is not None else ""
    path = item.field_ref.field_path if item.field_ref is not None else ""
    meta = pod.pod.metadata
    if path in ("metadata.labels", "metadata.annotations"):
        return formatted(meta.labels if path == "metadata.labels" else meta.annotations)
    return field(pod, path, node_name)


def formatted(entries: Mapping[str, str]) -> str:
    """Labels or annotations as lines of a file, sorted, their values in quotes and escaped.

    >>> formatted({"b": "2", "a": 'say "hi"'})
    'a="say \\\\"hi\\\\""\\nb="2"'
    """
    return "\n".join(f"{key}={json.dumps(str(value), ensure_ascii=False)}" for key, value in sorted(entries.items()))
