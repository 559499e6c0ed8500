"""Helpers: programs of Callboard's own that run beside the containers as children of the process daemon, where it runs.

Used inside the daemon only. A helper is known by its name; one that runs is not started twice, and it lives no longer than the daemon.
"""

from __future__ import annotations

import os
import subprocess
import sys

from callboard.runtime.process.wire import ENV_CLUSTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SYSTEM_PATH = ":/usr/local/sbin:/usr/sbin:/sbin"
"""Helpers call programs for administrators, such as nft."""
_BOOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot.py")


class Helpers:
    """All helpers that run."""

    def __init__(
        self,
        folder: str,
        cluster_id: str,
        site: str,
        spawn: Callable[..., subprocess.Popen[bytes]],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._folder = folder
        self._cluster_id = cluster_id
        self._site = site
        self._spawn = spawn
        self._tell = tell
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: str, arguments: list[str]) -> int:
        """Start a helper, or find the one of this name that runs; its process id. What it prints is appended to `<name>.log` in the state
        folder. Raises OSError, ValueError."""
        running = self._running.get(name)
        if running is not None:
            return running.pid
        if not name or name != os.path.basename(name) or name.startswith("."):
            raise ValueError(f"{name!r} can't be the name of a helper: it is a file's name, too")
        with open(os.path.join(self._folder, f"{name}.log"), "ab") as log:
            process = self._spawn(
                [sys.executable, "-I", "-S", _BOOT, self._site, module, *arguments],
                {"PATH": os.environ.get("PATH", os.defpath) + _SYSTEM_PATH, "LC_ALL": "C.UTF-8", ENV_CLUSTER: self._cluster_id},
                "/",
                None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running[name] = process
        return process.pid

    def ended(self, pid: int, code: int) -> bool:
        """A child has been reaped: if it was a helper, everybody is told. Returns whether it was."""
        for name, process in self._running.items():
            if process.pid == pid:
                process.returncode = code  # or Popen would wait for that process id again
                del self._running[name]
                self._tell({"type": "HelperEnded", "name": name, "exit_code": code})
                return True
        return False
