"""Trying what a level of isolation needs, in children that can neither hang nor leave anything behind.

Each trial runs in a session of its own and is killed as a whole afterwards, also when it went well: when the kernel refuses a user
namespace, `unshare --map-auto` ends and leaves a helper behind that waits for ever.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence

import msgspec

LIMIT_S = 10.0
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where programs for administrators are; an ordinary user's PATH lacks these, and in a user namespace they are of use."""
_WORDS_LIMIT = 300

_STEPS = """
mount -t tmpfs t /run && mkdir /run/netns /run/o || exit 1
net() {
  ip netns add p && ip link add v0 type veth peer name v1 netns p && ip link add b0 type bridge && echo 1 >/proc/sys/net/ipv4/ip_forward
}
rules() {
  printf '%s\\n' 'table ip t {' \\
    'map m { type ipv4_addr . inet_proto . inet_service : verdict; }' \\
    'chain s { meta l4proto tcp dnat ip addr . port to numgen inc mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }' '}' \\
    'chain p { type nat hook prerouting priority -100; ip daddr . meta l4proto . th dport vmap @m' '}' \\
    'chain o { type nat hook output priority -100;' '}' \\
    'chain q { type nat hook postrouting priority 100; ct status dnat masquerade' '}' '}' | nft -f -
}
overlay() {
  cd /run/o && mkdir u w m && mount -t overlay o -o "lowerdir=/etc,upperdir=u,workdir=w$USERXATTR" m && mkdir m/callboard-probe
}
view() {
  bwrap --unshare-pid --unshare-ipc --unshare-uts --hostname probe --tmpfs / --ro-bind /usr /usr --ro-bind-try /bin /bin \\
    --ro-bind-try /lib /lib --ro-bind-try /lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --chdir / -- /usr/bin/env true
}
for step in "$@"; do
  if words=$($step 2>&1); then echo "$step ok"; else echo "$step no $(echo "$words" | tr '\\n' ' ')"; fi
done
"""


class Outcome(msgspec.Struct, frozen=True):
    """How a trial went: `why` are the words of what refused it."""

    ok: bool
    why: str = ""


class Trial(msgspec.Struct, frozen=True):
    """Steps to try inside fresh namespaces: `prefix` is the command that makes them."""

    prefix: tuple[str, ...]
    steps: tuple[str, ...]
    user_namespace: bool


def try_namespaces(prefix: Sequence[str]) -> Outcome:
    """Whether the namespaces that this command makes can be had."""
    code, _, complaints = run([*prefix, "true"])
    return Outcome(code == 0, "" if code == 0 else complaints or f"{prefix[0]} ended with {code}")


def try_subuids() -> Outcome:
    """Whether a user namespace with more than one user can be had: needs newuidmap and an entry in /etc/subuid. Only to be asked where a
    user namespace with one can."""
    code, printed, complaints = run(["unshare", "--user", "--map-root-user", "--map-auto", "cat", "/proc/self/uid_map"])
    if code != 0:
        return Outcome(False, complaints or f"unshare --map-auto ended with {code}")
    count = sum(int(line.split()[2]) for line in printed.splitlines() if len(line.split()) == 3)
    return Outcome(True) if count > 1 else Outcome(False, f"only {count} user was mapped")


def try_steps(trial: Trial) -> dict[str, Outcome]:
    """How each step went; all are tried, whatever became of those before."""
    userxattr = ",userxattr" if trial.user_namespace else ""
    code, printed, complaints = run([*trial.prefix, "sh", "-c", _STEPS, "sh", *trial.steps], {"USERXATTR": userxattr})
    outcomes = {}
    for line in printed.splitlines():
        step, _, rest = line.partition(" ")
        outcomes[step] = Outcome(rest == "ok", "" if rest == "ok" else rest[3:].strip() or "it failed without a word")
    untold = Outcome(False, complaints or f"the trial ended with {code} before it came to this")
    return {step: outcomes.get(step, untold) for step in trial.steps}


def run(command: Sequence[str], env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, what was printed and the complaints of a command; when it ends, or after the limit, its whole session is killed."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=complaints,
                start_new_session=True,
                env={**os.environ, "PATH": search_path(), "LC_ALL": "C", **(env or {})},
            )
        except OSError as error:
            return 127, "", f"{command[0]}: {error.strerror}"
        in_time = _ends(process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # before it's reaped: nobody else has its number yet
        code = process.wait()
        printed.seek(0)
        complaints.seek(0)
        words = " ".join(complaints.read().decode(errors="replace").split())[:_WORDS_LIMIT]
        if not in_time:
            words = f"no end within {LIMIT_S:g} s {words}".strip()
        return (code if in_time else -1), printed.read().decode(errors="replace"), words


def search_path() -> str:
    """The user's PATH, with the folders of programs for administrators."""
    own = os.environ.get("PATH", os.defpath)
    return os.pathsep.join([own, *(folder for folder in SYSTEM_FOLDERS if folder not in own.split(os.pathsep))])


def _ends(pid: int) -> bool:
    """Wait for a child to end, without reaping it; whether it does in time."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:  # a kernel older than Linux 5.3: without a limit, then
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(LIMIT_S * 1000))
    finally:
        os.close(pidfd)
