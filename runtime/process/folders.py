"""Removing folders that other programs have written into, without ever following a link out of them or going into what is mounted there.

Used by the process daemon for its state folder, by the driver after a killed daemon, and for the folders of pods.
"""

from __future__ import annotations

import os
import stat

from callboard.runtime.process.mounts import mounted_below, unmount_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def remove_tree(folder: str) -> None:
    """Remove a folder and what is in it; links are removed, never followed, and what is mounted below is unmounted first: it may be a
    folder of the user. A folder that isn't there is no error.

    Raises OSError if something cannot be unmounted, or removed even after its folder has been made writable.
    """
    import shutil  # only needed at the end of a daemon's life; loads the compression modules

    if mounted_below(folder):
        unmount_below(folder)

    def make_writable_and_retry(function: Callable[..., Any], path: str, failure: Any) -> None:
        error = failure[1]
        if isinstance(error, FileNotFoundError):
            return
        if not isinstance(error, PermissionError):
            raise error
        for place in (os.path.dirname(path), path):
            if not os.path.islink(place) and os.path.isdir(place) and _inside(place, folder):
                os.chmod(place, stat.S_IRWXU)
        if function in (os.unlink, os.rmdir):
            function(path)
        else:  # a folder that could not be listed or opened
            shutil.rmtree(path)

    shutil.rmtree(folder, onerror=make_writable_and_retry)


def _inside(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")
