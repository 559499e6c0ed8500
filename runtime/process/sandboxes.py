"""Confined containers as the process daemon runs them: bubblewrap around the program, in the pod's network, with layers of its own.

Three processes make one: bubblewrap outside, which is the daemon's child and ends as the program ends; unless the container shares its
namespace of processes, the first process inside, with which the kernel ends all others; and the program. Whether the program
could be executed shows only some moments after bubblewrap has been: when a process inside isn't bubblewrap any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import selectors
import signal
import stat
import subprocess
import time

from callboard.runtime.process import bubblewrap, kernel, procfs
from callboard.runtime.process.entering import enter
from callboard.runtime.process.spawning import PreparationFailed, spawn_prepared, why_not_executed
from callboard.runtime.process.view import Views
from callboard.runtime.process.wire import ENV_CLUSTER, ENV_CONTAINER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from callboard.runtime.process.cell import Cell

CROWD = 16
LOOK_AGAIN_S = 0.002
"""Nothing tells that a program has been executed: the table of processes is looked at again after so long."""
PAUSE_LIMIT_S = 10.0
POD = "pod:"
_ERRNOS = {os.strerror(number): number for number in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR)}
_WORDS_LIMIT = 4000


class Sandbox:
    """One confined container from its start on. `settled` says whether its program has been executed; `failure` why that was impossible."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        confinement: Mapping[str, Any],
        argv: list[str],
        env: dict[str, str],
        log: int,
        log_offset: int,
    ) -> None:
        self.process = process
        self.confinement = confinement
        self.program = argv[0]
        self.env = env
        self.child_pid = 0
        """Bubblewrap's child, as its status tells: the first process inside, or in a shared namespace of processes the program."""
        self.app_pid = 0
        self.settled = False
        self.failure = ""
        self.killed = False
        self.log = os.dup(log)
        self.log_offset = log_offset
        self.status = -1
        self.exit_told = False
        self.unread = b""
        self.pending: list[int] = []

    @property
    def has_init(self) -> bool:
        """Whether it has a namespace of processes of its own."""
        return not self.confinement["pid_namespace"]

    def signal(self, signum: int) -> None:
        """Send a signal to the program, SIGKILL to all that is inside."""
        with contextlib.suppress(ProcessLookupError):
            if signum == signal.SIGKILL:
                self.killed = True
                os.kill(self.child_pid or self.process.pid, signum)
            elif not self.settled:
                self.pending.append(signum)
            elif procfs.parent_of(self.app_pid) == (self.child_pid if self.has_init else self.process.pid):
                os.kill(self.app_pid, signum)

    def look(self) -> None:
        """See whether the program has been executed by now."""
        if self.settled or not self.child_pid:
            return
        self.app_pid = self.app_pid or (next(iter(procfs.children_of(self.child_pid)), 0) if self.has_init else self.child_pid)
        name = procfs.called(self.app_pid) if self.app_pid else ""
        if name and name not in (bubblewrap.PROGRAM_NAME, bubblewrap.SETPRIV):
            self._settle()

    def ended(self, code: int) -> None:
        """Bubblewrap has ended; if the program was never seen, that has been too quick, or failed."""
        if not self.settled:
            words = self._complaint(code)
            if words:
                os.ftruncate(self.log, self.log_offset)  # what our own tools said is no output of the container
                self.failure = words
                self.settled = True
            else:
                self._settle()
        os.close(self.log)

    def _settle(self) -> None:
        self.settled = True
        for signum in self.pending:
            self.signal(signum)

    def _complaint(self, code: int) -> str:
        """Why the program could not be executed; "" if it was."""
        with open(f"/proc/self/fd/{self.log}", "rb") as file:
            file.seek(self.log_offset)
            words = file.read(_WORDS_LIMIT).decode(errors="replace").strip()
        if code < 0 or self.killed or (self.exit_told and not words.startswith("setpriv: ")):
            return ""
        for beginning in ("bwrap: execvp ", "setpriv: failed to execute "):
            last = words.rpartition("\n")[2]
            if last.startswith(beginning):
                return why_not_executed(_ERRNOS.get(last.rpartition(": ")[2], 0), self.program, self.env) if _known(last) else last
        return f"cannot start {self.program!r}: {words or f'bubblewrap ended with {code}'}"


class Sandboxes:
    """Starts confined containers, and knows which of them are not settled."""

    def __init__(self, cell: Cell, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._views = Views(cell)
        self._bwrap = _copied(_found("bwrap"))
        self._look_at_s = 0.0
        self._unsettled: dict[Sandbox, Callable[[], None]] = {}
        self._pauses: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def start(
        self,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        user: list[int] | None,
        log: int,
        confinement: Mapping[str, Any],
        settled: Callable[[], None],
        in_child: Callable[[], None] | None = None,
    ) -> Sandbox:
        """Start a program; `settled` is called when it has been executed, or could not be. Raises `PreparationFailed`, ValueError."""
        try:
            return self._start(argv, env, cwd, user, log, confinement, settled, in_child)
        except OSError as error:  # of bubblewrap, or of what surrounds it: the program's own trouble shows later
            raise PreparationFailed(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error

    def _start(
        self,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        user: list[int] | None,
        log: int,
        confinement: Mapping[str, Any],
        settled: Callable[[], None],
        in_child: Callable[[], None] | None,
    ) -> Sandbox:
        self._views.prepare()
        wanted = bubblewrap.layered(confinement, self._views.host.links)
        devices = frozenset(bind["source"] for bind in confinement["binds"] if _is_device(bind["source"]))
        words = bubblewrap.options(confinement, env, cwd, user, self._views.host, self._views.places(wanted), devices)
        pod_space = self._pod_space(confinement["pid_namespace"])
        if pod_space >= 0:
            words += ["--pidns", str(pod_space)]

        def prepare() -> None:
            if in_child is not None:
                in_child()
            if confinement["netns"]:
                kernel.enter(confinement["netns"], kernel.CLONE_NEWNET)
            kernel.unshare(kernel.CLONE_NEWNS)
            self._views.mount(wanted)

        if user is not None:
            os.fchown(log, user[0], -1)  # as container runtimes do with a container's own streams: /dev/stdout can be opened
        log_offset = os.fstat(log).st_size  # what is said from now on may be bubblewrap's
        command, inherited = bubblewrap.command(argv, confinement, user), [pod_space] if pod_space >= 0 else []
        try:
            process, status = self._bubblewrap(words, command, env, prepare, inherited, stdout=log, stderr=log)
        finally:
            for fd in inherited:
                os.close(fd)
        sandbox = Sandbox(process, confinement, argv, env, log, log_offset)
        sandbox.status = status
        self._unsettled[sandbox] = settled
        self._selector.register(status, selectors.EVENT_READ, lambda fd, _events: self._read(sandbox, fd))
        return sandbox

    def execute(
        self,
        sandbox: Sandbox,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        user: list[int] | None,
        in_child: Callable[[], None] | None = None,
        **streams: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a command beside a container's program. Raises OSError, ValueError, `PreparationFailed`."""
        pid = sandbox.child_pid

        def prepare() -> None:
            if in_child is not None:
                in_child()
            enter(pid, sandbox.confinement, user, cwd)

        return spawn_prepared(argv, env, prepare, **streams)

    def look(self) -> None:
        """Move on what isn't settled, if it's time: the more there are, the rarer, since looking costs."""
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_AGAIN_S * (1 + len(self._unsettled) / CROWD)
        for sandbox in list(self._unsettled):
            sandbox.look()
            if sandbox.settled:
                self._unsettled.pop(sandbox)()

    def next_deadline_s(self) -> float | None:
        """When, on the monotonic clock, `look` must run."""
        return self._look_at_s if any(sandbox.child_pid for sandbox in self._unsettled) else None

    def ended(self, sandbox: Sandbox, code: int) -> None:
        """Bubblewrap around a container has ended."""
        while sandbox.status >= 0 and self._read(sandbox, sandbox.status):  # its last word may not have been read yet
            pass
        sandbox.ended(code)
        settled = self._unsettled.pop(sandbox, None)
        if settled is not None:
            settled()

    def release(self, pid_namespace: str) -> None:
        """The last container in a pod's namespace of processes is gone: so is that one."""
        pause = self._pauses.pop(pid_namespace, None)
        if pause is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pause[1], signal.SIGKILL)
            pause[0].wait()

    def other_ended(self, pid: int) -> None:
        """A child that is no container has been reaped. If it kept a pod's namespace of processes, its number means nothing any more."""
        for name, (process, _) in list(self._pauses.items()):
            if process.pid == pid:
                process.returncode = 0  # or Popen would wait for that process id again
                del self._pauses[name]

    def _bubblewrap(
        self, options: list[str], argv: list[str], env: Mapping[str, str], prepare: Callable[[], None], inherited: list[int], **streams: Any
    ) -> tuple[subprocess.Popen[bytes], int]:
        """Start bubblewrap; what it tells of its status can be read from the descriptor. Options go by a file that nobody else can read."""
        if any("\0" in word for word in options):
            raise ValueError("embedded null byte")  # it would be the end of an option, and the rest of the value another one
        reader, writer = os.pipe2(os.O_CLOEXEC)
        words = os.memfd_create("callboard-options", os.MFD_CLOEXEC)
        try:
            with open(words, "wb", closefd=False) as file:
                file.write(b"".join(os.fsencode(word) + b"\0" for word in [*options, "--json-status-fd", str(writer)]))
            os.lseek(words, 0, os.SEEK_SET)
            process = spawn_prepared(
                [bubblewrap.PROGRAM_NAME, "--args", str(words), "--", *argv],
                {"PATH": "/usr/bin:/bin", **{name: value for name, value in env.items() if name in (ENV_CONTAINER, ENV_CLUSTER)}},
                prepare,
                executable=f"/proc/{os.getpid()}/fd/{self._bwrap}",  # ours: the child's is closed by then
                stdin=subprocess.DEVNULL,
                cwd="/",
                pass_fds=(words, writer, *inherited),
                **streams,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(words)
            os.close(writer)
        os.set_blocking(reader, False)
        return process, reader

    def _read(self, sandbox: Sandbox, status: int) -> bool:
        """Hear what bubblewrap tells; whether there may be more to hear now."""
        try:
            data = os.read(status, 4096)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(status)
            os.close(status)
            sandbox.status = -1
            return False
        sandbox.unread += data
        while b"\n" in sandbox.unread:
            line, _, sandbox.unread = sandbox.unread.partition(b"\n")
            told = json.loads(line)
            sandbox.child_pid = told.get("child-pid", sandbox.child_pid)
            sandbox.exit_told |= "exit-code" in told
        return True

    def _pod_space(self, name: str) -> int:
        """The namespace of processes of a pod, kept by a process that does nothing, as an open file; -1 if this names none."""
        if not name.startswith(POD):
            return -1
        if name not in self._pauses:
            process, status = self._bubblewrap(
                bubblewrap.keeper(self._views.host), ["/usr/bin/sleep", "infinity"], {}, lambda: None, [], stdout=subprocess.DEVNULL
            )
            try:
                told = b""
                while b"\n" not in told:  # a line may come in pieces
                    if not select.select([status], [], [], PAUSE_LIMIT_S)[0]:
                        raise OSError(errno.ETIMEDOUT, "the pod's own namespace of processes was not made in time", name)
                    if not (piece := os.read(status, 4096)):
                        raise OSError(errno.ECHILD, "the pod's own namespace of processes could not be made", name)
                    told += piece
            except OSError:
                process.kill()
                process.wait()
                raise
            finally:
                os.close(status)
            self._pauses[name] = process, json.loads(told.splitlines()[0])["child-pid"]
        return os.open(f"/proc/{self._pauses[name][1]}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def _found(program: str) -> str:
    for folder in os.get_exec_path():
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK):
            return path
    return program


def _copied(program: str) -> int:
    """A copy of a program in memory that nobody can change. Its process is the first one that a container has, and a container's root
    user can open the file that a process was executed from, past all views (CVE-2019-5736 of runc). Raises OSError."""
    with open(program, "rb") as file:
        content = file.read()
    copy = os.memfd_create("callboard-sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(copy, "wb", closefd=False) as file:
        file.write(content)
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return copy


def _known(line: str) -> bool:
    return line.rpartition(": ")[2] in _ERRNOS


def _is_device(path: str) -> bool:
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    return False
