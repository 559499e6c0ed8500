"""Removing the state folder of a process daemon that could not do it itself, since it was killed. Used by the daemon's driver."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from callboard.runtime.isolation.levels import Level
from callboard.runtime.isolation.probing import run
from callboard.runtime.logs import Logger
from callboard.runtime.process.folders import remove_tree
from callboard.runtime.process.launch import in_use
from callboard.runtime.process.protocol import ProcessDaemonError

_PRIVATE = re.compile(r"callboard-(\d+)-[0-9a-f]{12}")
_YOUNG_S = 10.0
"""A folder may be so old before its daemon has locked it."""
_log = Logger(component="process")


def remove_abandoned(base: str, level: Level) -> list[str]:
    """Remove the temporary folders of daemons that were killed together with their main programs: nobody else will. Those are ours (this
    user's), not locked by a daemon, and named after a main program that has ended. Returns their paths."""
    removed = []
    with os.scandir(base) as entries:
        found = [entry for entry in entries if _PRIVATE.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)]
    for entry in found:
        try:
            if _is_abandoned(entry.path, os.lstat(entry.path)):
                remove_state_folder(entry.path, level)
                removed.append(entry.path)
        except FileNotFoundError:  # somebody else was quicker
            continue
        except (OSError, ProcessDaemonError) as problem:
            _log.warning("the folder of a cluster that was killed can't be removed", folder=entry.path, reason=str(problem))
    return removed


def _is_abandoned(folder: str, status: os.stat_result) -> bool:
    match = _PRIVATE.fullmatch(os.path.basename(folder))
    return (
        match is not None
        and status.st_uid == os.geteuid()
        and time.time() - status.st_mtime > _YOUNG_S
        and not Path("/proc", match[1]).exists()
        and not in_use(folder)
    )


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
