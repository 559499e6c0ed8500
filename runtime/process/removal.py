"""Removing the state folder of a process daemon that could not do it itself, since it was killed. Used by the daemon's driver."""

from __future__ import annotations

from callboard.runtime.isolation.levels import Level
from callboard.runtime.isolation.probing import run
from callboard.runtime.process.folders import remove_tree
from callboard.runtime.process.protocol import ProcessDaemonError


def remove_state_folder(folder: str, level: Level) -> None:
    """Remove a folder with all in it, also what belongs to users that existed only in the cluster's user namespace: another one like it
    gives access to them. Raises `ProcessDaemonError`, OSError."""
    try:
        remove_tree(folder)
    except PermissionError as error:
        if not level.user_namespace:
            raise
        users = [word for word in level.unshare if word in ("--user", "--map-root-user", "--map-auto")]
        code, _, complaints = run(["unshare", *users, "rm", "-rf", "--one-file-system", "--", folder])
        if code != 0:
            raise ProcessDaemonError(f"what is left of containers in {folder} could not be removed: {complaints}") from error
