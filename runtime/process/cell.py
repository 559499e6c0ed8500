"""The daemon's own surroundings at levels of isolation that have namespaces: folders in memory that live and end with them.

Used inside the daemon only. `netns` holds the network namespaces of nodes and pods, `views` what containers' views of files are made from.
"""

from __future__ import annotations

import contextlib
import os

from callboard.runtime.process.mounts import mount_tmpfs, unmount_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NETNS_FOLDER = "netns"
VIEWS_FOLDER = "views"


class Cell:
    """Folders in memory below the state folder. Where there are no namespaces (`exists` False) there are none."""

    def __init__(self, folder: str, level: dict[str, Any]) -> None:
        self.exists: bool = level["cell"]
        self.user_namespace: bool = level["user_namespace"]
        self.network: bool = level["network"]
        self.state_folder = folder
        self.views = os.path.join(folder, VIEWS_FOLDER)
        self._folders = [self.views] if self.exists else []
        if self.network:
            self._folders.append(os.path.join(folder, NETNS_FOLDER))
        for place in self._folders:
            os.makedirs(place, mode=0o700, exist_ok=True)
            mount_tmpfs(place, mode=0o700)

    def leave(self) -> None:
        """Remove the folders. Raises OSError."""
        for place in self._folders:
            unmount_below(place)
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(place)
