"""What to install or set when a step of isolation fails: words for refusals and for `callboard doctor`."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from callboard.runtime.isolation.probing import search_path

_PACKAGES = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "bwrap": "bubblewrap",
    "ip": "iproute2",
    "nft": "nftables",
    "newuidmap": "uidmap",
}
_NEEDED = {"A": ("unshare", "setpriv", "bwrap", "ip"), "B": ("unshare", "setpriv", "bwrap", "ip"), "C1": ("unshare", "setpriv", "bwrap")}
_SYSCTLS = (
    # (file below /proc/sys, value that forbids, what to say)
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
)


def absent(level: str) -> list[str]:
    """Programs that a level can't do without and that aren't installed."""
    return [program for program in _NEEDED[level] if shutil.which(program, path=search_path()) is None]


def install(program: str) -> str:
    """How to get a program."""
    return f"apt-get install {_PACKAGES[program]}"


def for_step(step: str, why: str, user_namespace: bool) -> str:
    """What to do about a step that failed with these words."""
    if step == "user namespace":
        return _for_user_namespaces(why)
    if step == "more users":
        return _for_subuids()
    if step == "rules" and shutil.which("nft", path=search_path()) is None:
        return f"{install('nft')}; without it Services are answered by a proxy of Callboard's own"
    if step == "rules":
        return "load the kernel's nf_tables modules (modprobe nft_chain_nat); without them a proxy of Callboard's own answers Services"
    if step == "namespaces" and not user_namespace and os.geteuid() != 0:
        return "run as root, or use level B"
    if step == "namespaces":
        return "the kernel or the container around refuses them; in a container, allow CAP_SYS_ADMIN and an unmasked /proc (--privileged)"
    if step == "net":
        return "needs the kernel's veth and bridge (modprobe veth bridge) and, in a container, CAP_NET_ADMIN"
    if step == "overlay":
        return "needs overlayfs (modprobe overlay), in a user namespace Linux 5.11 or later"
    return "see `bwrap` in its own words; bubblewrap 0.8 or later is known to work"


def _for_user_namespaces(why: str) -> str:
    for name, forbidding, words in _SYSCTLS:
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if value == forbidding:
            return words
    if "No space left" in why:  # what the kernel says when there are as many as there may be
        return "sysctl -w user.max_user_namespaces=15000, unless a sandbox around this program allows none"
    return "the kernel or the container around refuses user namespaces; in a container, allow them in its seccomp profile"


def _for_subuids() -> str:
    if shutil.which("newuidmap", path=search_path()) is None:
        return f"{install('newuidmap')}; without it containers have no other user than root"
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    ids = "--add-subuids 100000-165535 --add-subgids 100000-165535"
    return f"usermod {ids} {user} (and util-linux 2.38 or later); without it containers have no other user than root"
