"""What the main program asks of the pods helper, which writes the folders of pods where it is root: inside the cell. Plain data."""

from __future__ import annotations

import msgspec

from callboard.runtime.helpers.wire import Done
from callboard.runtime.process.volumemounts import PlannedMount
from callboard.runtime.process.volumes import PlannedVolume, VolumePlan


class WritePod(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Make a pod's folder what this plan says. `files` are those that all its containers see in /etc, by name. Answered by `Done`."""

    folder: str
    plan: VolumePlan
    files: dict[str, str]


class PrepareMounts(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Make ready what a container is to have mounted; the volumes need no content here. Answered by `MountsPrepared`."""

    folder: str
    container: str
    mounts: tuple[PlannedMount, ...]
    volumes: tuple[PlannedVolume, ...]


class RemovePod(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Remove a pod's folder with all that is mounted in it. Answered by `Done`."""

    folder: str


class MountsPrepared(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One source for each mount, in their order: a path inside the cell that no pod can change the meaning of."""

    sources: tuple[str, ...]


Requests = WritePod | PrepareMounts | RemovePod
Answers = MountsPrepared | Done
