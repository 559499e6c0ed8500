"""The main program's side of the pods helper: what concerns the folders of pods whose containers are confined.

It is done inside the cell, since mounts belong into the cell's namespace, and in a user namespace only its root may give files to other
users and remove theirs. All methods block, so they are called on workers' threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from callboard.runtime.helpers.link import HelperError, HelperLink
from callboard.runtime.helpers.wire import BrokenFrame
from callboard.runtime.process.podfolder import VolumeError
from callboard.runtime.process.podrequests import Answers, MountsPrepared, PrepareMounts, RemovePod, Requests, WritePod
from callboard.runtime.process.volumemounts import PlannedMount
from callboard.runtime.process.volumes import PlannedVolume, VolumePlan

HELPER = "pods"
MODULE = "callboard.runtime.process.podhelper"
LIMIT_S = 30.0


class PodFiles:
    """See this module's docstring. `folder` holds the helper's socket; `start` makes sure that it runs. All methods raise `VolumeError`."""

    def __init__(self, folder: Path, start: Callable[[], None]) -> None:
        self._link = HelperLink(HELPER, folder, start, Answers)

    def write(self, folder: Path, plan: VolumePlan, files: Mapping[str, str]) -> None:
        """Make a pod's folder what its plan says; `files` are those that all its containers see in /etc."""
        self._ask(WritePod(str(folder), plan, dict(files)))

    def prepare(
        self, folder: Path, container: str, mounts: tuple[PlannedMount, ...], volumes: tuple[PlannedVolume, ...]
    ) -> tuple[str, ...]:
        """Paths, inside the cell, of what is to be mounted for each of a container's mounts."""
        answer = self._ask(PrepareMounts(str(folder), container, mounts, volumes))
        assert isinstance(answer, MountsPrepared)
        return answer.sources

    def remove(self, folder: Path) -> None:
        """Remove a pod's folder."""
        self._ask(RemovePod(str(folder)))

    def close(self) -> None:
        """Let go of the helper, which goes on."""
        self._link.close()

    def _ask(self, request: Requests) -> Answers:
        try:
            answer, _ = self._link.ask_now(request, LIMIT_S)
        except (HelperError, BrokenFrame) as error:
            raise VolumeError(str(error)) from error
        result: Answers = answer
        return result
