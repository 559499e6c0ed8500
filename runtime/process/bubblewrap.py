"""A container's confinement as options of bubblewrap. Pure: what the machine has comes as an argument.

Used inside the process daemon. `confinement` is a `confinement.Confinement` as plain data.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PROGRAM_NAME = "callboard-sandbox"
"""What bubblewrap is called in the table of processes until it becomes the container's program."""
SETPRIV = "/usr/bin/../bin/setpriv"
"""Written so that nobody else's setpriv is called the same."""
SWITCHING = ("SETUID", "SETGID", "SETPCAP")
OVERLAID = ("/etc", "/var", "/usr")
"""Folders of the host that a container may see under a layer of its own."""
_FOR_ALL = "1777"


class Host:
    """What the machine's root folder looks like: links in it (`/bin` to `usr/bin`), folders with programs and libraries beside /usr, what
    in /proc no container may change (`guarded`) or read (`masked`), and folders that none may see."""

    def __init__(
        self,
        links: Mapping[str, str],
        folders: tuple[str, ...],
        guarded: tuple[str, ...],
        masked: tuple[str, ...],
        hidden: tuple[str, ...],
    ) -> None:
        self.links = links
        self.folders = folders
        self.guarded = guarded
        self.masked = masked
        self.hidden = hidden


def options(
    confinement: Mapping[str, Any],
    env: Mapping[str, str],
    cwd: str,
    user: list[int] | None,
    host: Host,
    layers: Mapping[str, str],
    devices: frozenset[str] = frozenset(),
) -> list[str]:
    """Options for bubblewrap, without the descriptor for its status. `layers` tells where, by its place in the container, a folder of the
    host is found with the container's own layer on it; `devices` are the sources of binds that are devices."""
    fixed = bool(confinement["read_only_root"])
    words = [*_spaces(confinement), *_capabilities(confinement, user)]
    words += ["--perms", "0755", "--tmpfs", "/"]
    for place in OVERLAID:
        if place in layers:
            words += ["--ro-bind" if fixed or place == "/usr" else "--bind", layers[place], place]
        else:
            words += ["--ro-bind", place, place]
    for place, target in host.links.items():
        words += ["--symlink", target, place]
    for place in host.folders:
        words += ["--ro-bind", place, place]
    words += ["--proc", "/proc", *(("--dev-bind", "/dev", "/dev") if confinement["privileged"] else ("--dev", "/dev"))]
    if not confinement["privileged"]:
        for place in host.guarded:
            words += ["--ro-bind", place, place]
        for place in host.masked:
            words += ["--ro-bind", "/dev/null", place]
    words += ["--perms", _FOR_ALL, "--tmpfs", "/dev/shm", "--perms", "0700", "--dir", "/root"]
    kind = "--dir" if fixed else "--tmpfs"
    words += ["--perms", _FOR_ALL, kind, "/tmp", "--perms", "0755", kind, "/run"]
    for place in host.hidden:
        words += ["--perms", "0000", "--tmpfs", place]
    for place, size_bytes in confinement["tmpfs"]:
        words += ["--perms", _FOR_ALL, *(("--size", str(size_bytes)) if size_bytes else ()), "--tmpfs", seen_at(place, host.links)]
    for bind in confinement["binds"]:
        words += [_bind_option(bind, devices), bind["source"], seen_at(bind["target"], host.links)]
    place = seen_at(cwd or "/", host.links)
    if place != "/":
        words += ["--dir", place]
    if fixed:
        words += ["--remount-ro", "/"]
    words += ["--chdir", place, "--clearenv"]
    for name, value in env.items():
        words += ["--setenv", name, value]
    return words


def keeper(host: Host) -> list[str]:
    """Options for a process that only keeps a pod's namespace of processes. The pod's containers can look into it, and so at its root
    folder: there is nothing but programs in it, which can't be changed."""
    words = ["--unshare-pid", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"]
    for place, target in host.links.items():
        words += ["--symlink", target, place]
    for place in host.folders:
        words += ["--ro-bind", place, place]
    for place in host.hidden:
        if place.startswith(("/usr/", *(f"{folder}/" for folder in host.folders))):
            words += ["--perms", "0000", "--tmpfs", place]
    return [*words, "--remount-ro", "/"]


def command(argv: list[str], confinement: Mapping[str, Any], user: list[int] | None) -> list[str]:
    """What bubblewrap is to execute: the container's command, as its user."""
    if user is None or (user[0] == 0 and user[1:] in ([0], [])):
        return argv
    uid, gid, groups = user[0], user[1], user[2:]
    words = [SETPRIV, "--reuid", str(uid), "--regid", str(gid)]
    words += ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    if not confinement["privileged"]:
        kept = [f"+{name.lower()}" for name in confinement["capabilities"]]
        words += ["--bounding-set", ",".join(["-all", *kept])]
    return [*words, "--", *argv]


def seen_at(path: str, links: Mapping[str, str]) -> str:
    """A path of the container without the links that the view itself has, none of which can lead anywhere yet while it is being made.

    >>> seen_at("/bin/tool", {"/bin": "usr/bin"})
    '/usr/bin/tool'
    >>> seen_at("/var/run//app/", {})
    '/run/app'
    """
    words = [word for word in path.split("/") if word not in ("", ".")]
    plain = "/" + "/".join(words)
    for place, target in (
        *((place, "/" + target.lstrip("/")) for place, target in links.items()),
        ("/var/run", "/run"),
        ("/var/lock", "/run/lock"),
    ):
        if plain == place or plain.startswith(place + "/"):
            return target + plain[len(place) :]
    return plain


def layered(confinement: Mapping[str, Any], links: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """For each folder of the host that may have a layer: the places in it where something is to be mounted, with the source ("" for a
    folder in memory)."""
    places: dict[str, list[tuple[str, str]]] = {folder: [] for folder in OVERLAID}
    wanted = [(path, "") for path, _ in confinement["tmpfs"]] + [(bind["target"], bind["source"]) for bind in confinement["binds"]]
    for target, source in wanted:
        place = seen_at(target, links)
        for folder in OVERLAID:
            if place.startswith(folder + "/"):
                places[folder].append((place, source))
    return places


def _spaces(confinement: Mapping[str, Any]) -> list[str]:
    words = ["--unshare-ipc", "--unshare-uts"]
    if confinement["hostname"]:
        words += ["--hostname", confinement["hostname"]]
    if not confinement["pid_namespace"]:
        words.append("--unshare-pid")
    return words


def _capabilities(confinement: Mapping[str, Any], user: list[int] | None) -> list[str]:
    if confinement["privileged"]:
        return ["--cap-add", "ALL"]
    names = list(confinement["capabilities"])
    if user is not None:  # to become that user; given up by becoming it
        names += [name for name in SWITCHING if name not in names]
    words = ["--cap-drop", "ALL"]
    for name in names:
        words += ["--cap-add", f"CAP_{name}"]
    return words


def _bind_option(bind: Mapping[str, Any], devices: frozenset[str]) -> str:
    if bind["source"] in devices:
        return "--dev-bind"
    return "--ro-bind" if bind["read_only"] else "--bind"
