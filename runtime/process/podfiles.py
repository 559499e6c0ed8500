"""Who carries out what concerns the folder of a pod: this process itself, or the pods helper inside the cell, where that is needed.

It is needed at levels A and B: mounts belong into the cell's namespace, and in a user namespace only its root may give files to other
users and remove theirs. All methods block, so they are called on workers' threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from callboard.runtime.helpers.link import HelperError, HelperLink
from callboard.runtime.helpers.wire import BrokenFrame
from callboard.runtime.process import podmounts
from callboard.runtime.process.podfolder import VolumeError
from callboard.runtime.process.podrequests import Answers, MountsPrepared, PrepareMounts, RemovePod, Requests, Source, WritePod
from callboard.runtime.process.volumemounts import PlannedMount
from callboard.runtime.process.volumes import PlannedVolume, VolumePlan

HELPER = "pods"
MODULE = "callboard.runtime.process.podhelper"
LIMIT_S = 30.0


class PodFiles(Protocol):
    """See this module's docstring. All raise `VolumeError`."""

    def write(self, folder: Path, plan: VolumePlan, files: Mapping[str, str]) -> None:
        """Make a pod's folder what its plan says."""

    def prepare(
        self, folder: Path, container: str, mounts: tuple[PlannedMount, ...], volumes: tuple[PlannedVolume, ...]
    ) -> tuple[Source, ...]:
        """What is to be mounted for each of a container's mounts."""

    def remove(self, folder: Path) -> None:
        """Remove a pod's folder."""

    def close(self) -> None:
        """Let go of what was needed for it."""


class LocalPodFiles:
    """In this process. `mounting`: it may mount, in a namespace that is the containers' too."""

    def __init__(self, *, mounting: bool = False) -> None:
        self._mounting = mounting

    def write(self, folder: Path, plan: VolumePlan, files: Mapping[str, str]) -> None:
        podmounts.write_pod(folder, plan, files, mounting=self._mounting)

    def prepare(
        self, folder: Path, container: str, mounts: tuple[PlannedMount, ...], volumes: tuple[PlannedVolume, ...]
    ) -> tuple[Source, ...]:
        return podmounts.prepare_mounts(folder, container, mounts, volumes, mounting=self._mounting)

    def remove(self, folder: Path) -> None:
        podmounts.remove_pod(folder)

    def close(self) -> None:
        pass


class CellPodFiles:
    """By the pods helper, whose socket lies in `folder`; `start` makes sure that it runs."""

    def __init__(self, folder: Path, start: Callable[[], None]) -> None:
        self._link = HelperLink(HELPER, folder, start, Answers)

    def write(self, folder: Path, plan: VolumePlan, files: Mapping[str, str]) -> None:
        self._ask(WritePod(str(folder), plan, dict(files)))

    def prepare(
        self, folder: Path, container: str, mounts: tuple[PlannedMount, ...], volumes: tuple[PlannedVolume, ...]
    ) -> tuple[Source, ...]:
        used = {mount.volume for mount in mounts}
        bare = tuple(
            PlannedVolume(one.name, one.kind, (), one.host_path, one.host_type, one.memory, one.size_bytes)
            for one in volumes
            if one.name in used
        )
        answer = self._ask(PrepareMounts(str(folder), container, mounts, bare))
        assert isinstance(answer, MountsPrepared)
        return answer.sources

    def remove(self, folder: Path) -> None:
        self._ask(RemovePod(str(folder)))

    def close(self) -> None:
        self._link.close()

    def _ask(self, request: Requests) -> Answers:
        try:
            answer, _ = self._link.ask_now(request, LIMIT_S)
        except (HelperError, BrokenFrame) as error:
            raise VolumeError(str(error)) from error
        result: Answers = answer
        return result
