"""What the main program asks of the pods helper, which writes the folders of pods where it is root: inside the cell. Plain data.

The same requests are carried out in the main program itself where there is no cell; see `podfiles.py`.
"""

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


class Source(msgspec.Struct, frozen=True, gc=False):
    """What is to be mounted for one of a container's mounts: a path. Unless `beneath` is "", others may change what the path leads to: then
    it has to be found below that folder, in the moment in which it is mounted."""

    path: str
    beneath: str = ""


class MountsPrepared(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One source for each mount, in their order."""

    sources: tuple[Source, ...]


Requests = WritePod | PrepareMounts | RemovePod
Answers = MountsPrepared | Done
