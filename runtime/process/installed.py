"""What is installed on this machine, for the table of images: the `Machine` of `models.images`."""

from __future__ import annotations

import os
import pwd
import shutil

from callboard.models.images import PATH

SEEN_ANYWAY = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc")
"""What every container sees, at whatever level of isolation."""


class Installed:
    """Looks anew each time, since programs come and go. May be used by several threads."""

    @property
    def path(self) -> str:
        """See `Machine.path`: the machine's folders first, then what else is in PATH; but not pyenv's shims, which are no programs."""
        own = [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith("/") and os.path.basename(folder) != "shims"]
        return ":".join(dict.fromkeys((*PATH.split(":"), *own)))

    def find(self, program: str, path: str) -> str:
        """See `Machine.find`."""
        return shutil.which(program, path=path) or ""

    def mounts(self, program: str) -> tuple[str, ...]:
        """See `Machine.mounts`: the folder above a program's `bin` with all that was installed there, else the program's own folder."""
        found = []
        for path in dict.fromkeys((os.path.dirname(program), os.path.dirname(os.path.realpath(program)))):
            prefix = os.path.dirname(path) if os.path.basename(path) in ("bin", "sbin") else path
            if prefix != "/" and not any(prefix == seen or prefix.startswith(f"{seen}/") for seen in SEEN_ANYWAY):
                found.append(prefix)
        return tuple(found)

    def user(self, name: str) -> tuple[int, int] | None:
        """See `Machine.user`."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return entry.pw_uid, entry.pw_gid
