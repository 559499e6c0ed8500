"""Where the sockets of running clusters lie, and which clusters run. Used by the server, by `connect` and by the command line.

All clusters of a user have their sockets in one folder of mode 0700: `$XDG_RUNTIME_DIR/callboard`, or one in the folder for temporary
files that carries the user's number. Beside `NAME.sock` lies `NAME.lock`, which its cluster holds locked while it runs: the lock is the
kernel's, so it ends with its program however that ends, and a socket without one is a leftover.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from callboard.runtime.remote.errors import NameTaken, NoCluster, UnsafePlace

DEFAULT_NAME = "default"
SOCKET_VARIABLE = "CALLBOARD_SOCKET"
PATH_LIMIT_BYTES = 100
"""What a socket's address has room for on Linux is 107 bytes."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,38}[A-Za-z0-9])?")


def socket_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of this user's sockets, whether it exists or not."""
    base = environ.get("XDG_RUNTIME_DIR", "")
    if base and os.path.isdir(base) and os.access(base, os.W_OK):
        return Path(base) / "callboard"
    return Path(environ.get("TMPDIR") or "/tmp") / f"callboard-{os.getuid()}"


def safe_folder() -> Path:
    """The folder of this user's sockets; made if it is missing.

    Raises:
        UnsafePlace: it belongs to somebody else, or others may write to it.
    """
    folder = socket_folder()
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UnsafePlace(f"{folder} must be a folder of yours that nobody else may use: remove it, or set XDG_RUNTIME_DIR to another one")
    return folder


def name_of_data(data: str | Path) -> str:
    """How the cluster of a data folder is called, unless it is given a name: by the folder's own name and path."""
    import hashlib  # brings OpenSSL in, which most commands never need

    path = Path(data).resolve()
    plain = re.sub(r"[^A-Za-z0-9]+", "-", path.name).strip("-")[:20] or "data"
    return f"{plain}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """A socket's path as its address; by way of its folder's descriptor where it is too long for one."""
    text = str(path)
    if len(os.fsencode(text)) <= PATH_LIMIT_BYTES:
        yield text
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        NoCluster: it can't be a cluster's name.
    """
    if not _NAME.fullmatch(name):
        raise NoCluster(f'"{name}" can\'t be the name of a cluster: it takes up to 40 letters, digits, dots, dashes and underscores')
    return name


class Place:
    """The socket's path of one cluster, and the lock that says that it is ours. `release` it when the cluster ends."""

    def __init__(self, folder: Path, name: str) -> None:
        """Raises `NameTaken` if a running cluster has the name."""
        self.name = name
        self.socket = folder / f"{name}.sock"
        self._lock = folder / f"{name}.lock"
        self._descriptor = self._locked()
        self.socket.unlink(missing_ok=True)  # whoever left it does not run, or it would hold the lock

    def _locked(self) -> int:
        while True:
            try:
                descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except FileNotFoundError:  # the last cluster that ended has taken the folder along
                safe_folder()
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.stat(self._lock)):
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                raise NameTaken(f'a cluster named "{self.name}" runs already; give this one another name with --name') from None
            except FileNotFoundError:
                pass  # who had it has removed it between our opening and locking it: try again with a new file
            os.close(descriptor)

    def release(self) -> None:
        """Remove the socket and the lock, and the folder if it holds no other cluster's."""
        self.socket.unlink(missing_ok=True)
        self._lock.unlink(missing_ok=True)
        os.close(self._descriptor)
        with contextlib.suppress(OSError):  # others are there, or somebody has removed it already
            self.socket.parent.rmdir()


def take_place(name: str) -> Place:
    """A place for a cluster of this name; "" is `default`, or the first free one after it.

    Raises:
        NameTaken: a running cluster has the name.
        UnsafePlace: there is no folder that is only ours.
    """
    folder = safe_folder()
    if name:
        return Place(folder, check_name(name))
    for candidate in (DEFAULT_NAME, *(f"{DEFAULT_NAME}-{number}" for number in range(2, 1000))):
        try:
            return Place(folder, candidate)
        except NameTaken:
            continue
    raise NameTaken("a thousand clusters run already")


def running() -> list[str]:
    """The names of this user's clusters that run now, sorted."""
    try:
        entries = sorted(os.listdir(socket_folder()))
    except OSError:
        return []
    return [entry.removesuffix(".sock") for entry in entries if entry.endswith(".sock") and _is_held(entry.removesuffix(".sock"))]


def _is_held(name: str) -> bool:
    try:
        descriptor = os.open(socket_folder() / f"{name}.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def find(path_or_name: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """The socket of a cluster: by its path, by its name, by `CALLBOARD_SOCKET` (a path or a name), or the only one that runs.

    Raises:
        NoCluster: there is none, or there are several and none was named.
    """
    wanted = path_or_name or environ.get(SOCKET_VARIABLE, "")
    if "/" in wanted:
        return Path(wanted)
    if wanted:
        path = socket_folder(environ) / f"{check_name(wanted)}.sock"
        if not path.exists():
            names = running()
            there = f"those that run: {', '.join(names)}" if names else "none runs at all; start one with: callboard up"
            raise NoCluster(f'no cluster named "{wanted}" runs; {there}')
        return path
    names = running()
    if not names:
        raise NoCluster("no cluster runs; start one with: callboard up")
    if len(names) > 1:
        raise NoCluster(f"several clusters run ({', '.join(names)}); name one: --cluster NAME, or connect(NAME)")
    return socket_folder(environ) / f"{names[0]}.sock"
