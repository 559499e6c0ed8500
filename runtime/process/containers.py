"""The containers of a cluster as the process daemon knows them: starting, signalling, reaping, and clearing up what they leave behind.

Only used inside the daemon, which has a single thread. The daemon is a subreaper: whatever a container's processes leave behind becomes
the daemon's own child, so "a direct child that is no container's main process and whose container has ended" is exactly what must die.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

from callboard.runtime.process import procfs
from callboard.runtime.process.container import Container, StartFailure
from callboard.runtime.process.sandboxes import Sandboxes
from callboard.runtime.process.spawning import PreparationFailed, spawn, why_not_started
from callboard.runtime.process.wire import ENV_CLUSTER, ENV_CONTAINER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable, Mapping
    from typing import Any

    from callboard.runtime.process.cell import Cell
    from callboard.runtime.process.cgroups import Cgroups, Group

LEFTOVERS_LIMIT_S = 2.0
LOOK_AGAIN_S = 0.1
"""After the end of a child its orphans are looked for at once and after so long: one that is just being replaced (exec) says nothing."""


class Containers:
    """All containers, running and ended, until they're forgotten."""

    def __init__(
        self,
        cluster_id: str,
        cgroups: Cgroups,
        cell: Cell | None = None,
        selector: selectors.BaseSelector | None = None,
        other_ended: Callable[[int, int], Any] = lambda _pid, _code: None,
    ) -> None:
        self._cluster_id = cluster_id
        self._cgroups = cgroups
        self._sandboxes = Sandboxes(cell, selector) if cell is not None and cell.exists and selector is not None else None
        self._other_ended = other_ended
        self._by_id: dict[str, Container] = {}
        self._by_pid: dict[int, Container] = {}  # running ones, by their main process
        self._commands: dict[int, tuple[str, str, Callable[[int], None]]] = {}  # by main process: container, mark, who hears of the end
        self._marks: dict[str, None] = {}  # of commands under way
        self._dying: dict[int, str] = {}  # orphans that were killed and are not reaped yet, with the container they belong to
        self._commanded: set[str] = set()  # containers beside which a command has ended since leftovers were looked for
        self._look_again_at_s: float | None = None

    def start(
        self,
        container_id: str,
        node: str,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        log_path: str,
        user: list[int] | None = None,
        confinement: Mapping[str, Any] | None = None,
        limits: Mapping[str, int] | None = None,
        settled: Callable[[Container], None] = lambda _container: None,
    ) -> Container:
        """Start a program as the leader of a session of its own. `user` is a user id, a group id and further group ids (None: as this
        process); `limits` are the fields of `confinement.Limits`. A confined one has been started when `settled` is called, if its sandbox
        tells of no failure. Raises `StartFailure`."""
        if container_id in self._by_id:
            raise StartFailure(
                "CreateContainerError", f"there is a container {container_id!r} already; every attempt needs an id of its own"
            )
        if not argv or not argv[0]:
            raise StartFailure("CreateContainerError", "the container has no command; give it spec.containers[].command")
        if confinement is not None and self._sandboxes is None:
            raise StartFailure(
                "CreateContainerError", "a container can't be confined at isolation level C0; start it without, or choose C1, B or A"
            )
        marked = {**env, ENV_CONTAINER: container_id, ENV_CLUSTER: self._cluster_id}
        try:
            os.makedirs(os.path.dirname(log_path), mode=0o755, exist_ok=True)
            log = os.open(log_path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StartFailure("CreateContainerError", f"cannot open the log file {log_path!r}: {error.strerror}") from error
        group = self._group(container_id, limits or {}, log)
        sandbox = None
        try:
            if confinement is not None and self._sandboxes is not None:
                sandbox = self._sandboxes.start(
                    argv, marked, cwd, user, log, confinement, lambda: self._settle(container, settled), group.enter
                )
                process = sandbox.process
            else:
                process = spawn(argv, marked, cwd, user, group.enter, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except (OSError, subprocess.SubprocessError, ValueError, PreparationFailed) as error:
            self._cgroups.remove(container_id)
            raise StartFailure("CreateContainerError", why_not_started(error, argv[0], cwd, env)) from error
        finally:
            os.close(log)
            group.close()
        container = Container(container_id, node, process, log_path, marked, cwd, user, sandbox)
        self._by_id[container_id] = container
        self._by_pid[container.pid] = container
        return container

    def _group(self, container_id: str, limits: Mapping[str, int], log: int) -> Group:
        """A control group for a container, open to be entered. Raises `StartFailure`, and closes the log then."""
        try:
            group = self._cgroups.create(container_id, **limits)
            group.open()
        except OSError as error:
            os.close(log)
            raise StartFailure(
                "CreateContainerError", f"its control group with limits {dict(limits)} could not be made: {error.strerror}"
            ) from error
        return group

    def _settle(self, container: Container, settled: Callable[[Container], None]) -> None:
        if container.sandbox is not None and container.sandbox.failure:
            container.unwanted, container.gone = True, settled  # told when its id is free again
        else:
            settled(container)

    def abandon(self, container: Container) -> None:
        """Nobody knows of this container: end it, and forget it then."""
        container.unwanted = True
        self.send_signal(container, signal.SIGKILL)

    def execute(self, container: Container, argv: list[str], env: dict[str, str], **streams: Any) -> subprocess.Popen[bytes]:
        """Start a command beside a container's program. Raises OSError, ValueError, `PreparationFailed`."""
        group = self._cgroups.group(container.id)
        group.open()
        try:
            if container.sandbox is None or self._sandboxes is None:
                return spawn(argv, env, container.cwd, container.user, group.enter, **streams)
            return self._sandboxes.execute(container.sandbox, argv, env, container.cwd, container.user, group.enter, **streams)
        finally:
            group.close()

    def get(self, container_id: str) -> Container | None:
        """A container by its id, running or ended."""
        return self._by_id.get(container_id)

    def of_node(self, node: str) -> list[Container]:
        """The containers of a node whose program has been executed, in order of their start; those of all nodes if `node` is ""."""
        of_node = (container for container in self._by_id.values() if node in ("", container.node))
        return [container for container in of_node if container.settled and not container.unwanted]

    def forget(self, container: Container) -> None:
        """Drop a container that has ended."""
        del self._by_id[container.id]

    def send_signal(self, container: Container, signum: int) -> bool:
        """Send a signal to a container's process group, or to the program of a confined one. False if its main process has ended."""
        if container.state != "running":
            return False
        container.sent.add(signum)
        if container.sandbox is not None:
            container.sandbox.signal(signum)
            return True
        # The main process is reaped by this thread only, so its number cannot have been given to another process.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(container.pid, signum)
        return True

    def collect(self) -> list[Container]:
        """Reap what has ended, kill what ended containers left behind; returns the containers of which nothing is left now."""
        now_s = time.monotonic()
        due_s = self._leftovers_due_s()
        if self._sandboxes is not None:
            self._sandboxes.look()
        any_ended = self._reap()
        if any_ended or (due_s is not None and now_s >= due_s):  # only then can there be more orphans to kill than before
            self._look_again_at_s = now_s + LOOK_AGAIN_S if any_ended else None
            self._kill_leftovers()
        if self._cgroups.sweep():
            self._look_again_at_s = self._look_again_at_s or now_s + LOOK_AGAIN_S
        with_leftovers = set(self._dying.values())
        finished = []
        for container in list(self._by_id.values()):
            if container.state == "ending" and (container.id not in with_leftovers or now_s >= container.give_up_at_s):
                container.state = "exited"
                self._cgroups.remove(container.id)
                self._release(container)
                if container.unwanted:
                    del self._by_id[container.id]
                    container.gone(container)
                else:
                    finished.append(container)
        return finished

    def _release(self, container: Container) -> None:
        """Its pod's namespace of processes goes with the last container in it."""
        name = container.sandbox.confinement["pid_namespace"] if container.sandbox is not None else ""
        others = (one.sandbox for one in self._by_id.values() if one.state != "exited" and one.sandbox is not None)
        if name and self._sandboxes is not None and all(one.confinement["pid_namespace"] != name for one in others):
            self._sandboxes.release(name)

    def next_deadline_s(self) -> float | None:
        """When, on the monotonic clock, `collect` must run even without a signal; None if not at all."""
        deadlines = (self._leftovers_due_s(), self._sandboxes.next_deadline_s() if self._sandboxes is not None else None)
        return min((deadline_s for deadline_s in deadlines if deadline_s is not None), default=None)

    def _leftovers_due_s(self) -> float | None:
        deadlines = [c.give_up_at_s for c in self._by_id.values() if c.state == "ending"]
        if self._look_again_at_s is not None:
            deadlines.append(self._look_again_at_s)
        return min(deadlines, default=None)

    def watch_command(self, pid: int, container_id: str, mark: str, ended: Callable[[int], None]) -> None:
        """A command beside this container has been started: `ended` hears its exit code (below 0: a signal) when it and its session have
        ended. What carries its mark is killed from then on."""
        self._commands[pid] = (container_id, mark, ended)
        self._marks[mark] = None

    def running(self) -> list[Container]:
        """Containers whose main process runs."""
        return list(self._by_pid.values())

    def kill_everything(self) -> bool:
        """SIGKILL every process below this one. Returns whether any is left to be reaped."""
        for container in self.running():
            self.send_signal(container, signal.SIGKILL)
        children = procfs.children_of_self()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(children)

    def _reap(self) -> bool:
        """Take leave of the children that have ended; returns whether any has."""
        any_ended = False
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return any_ended
            if ended is None:
                return any_ended
            any_ended = True
            container = self._by_pid.pop(ended.si_pid, None)
            command = self._commands.pop(ended.si_pid, None)
            if container is not None or command is not None:
                # Before it's reaped: until then nobody else can get its number as process group.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            self._dying.pop(ended.si_pid, None)
            code = os.waitstatus_to_exitcode(status)
            if container is not None:
                self._note_end(container, code)
            if command is not None:
                del self._marks[command[1]]
                self._commanded.add(command[0])
                command[2](code)
            if container is None and command is None:
                self._other_ended(ended.si_pid, code)
                if self._sandboxes is not None:
                    self._sandboxes.other_ended(ended.si_pid)

    def _note_end(self, container: Container, code: int) -> None:
        container.process.returncode = code  # or Popen would wait for that process id again
        container.state = "ending"
        container.exit_code = 128 - code if code < 0 else code  # as a shell and Kubernetes report a signal
        container.signal = max(-code, 0)
        if container.sandbox is not None and self._sandboxes is not None:
            self._sandboxes.ended(container.sandbox, code)
            # bubblewrap ends by itself whatever its program ended of: a signal is believed that was sent
            container.signal = container.exit_code - 128 if container.exit_code - 128 in container.sent else container.signal
            if not container.sandbox.has_init:
                procfs.kill_container_leftovers(container.id)
        container.oom_killed = container.exit_code != 0 and self._cgroups.oom_killed(container.id)
        container.finished_at_s = time.time()
        container.give_up_at_s = time.monotonic() + LEFTOVERS_LIMIT_S

    def _kill_leftovers(self) -> None:
        """SIGKILL orphans of containers that have ended, and what commands that have ended left. Reading whose a process is costs most."""
        for container in (self._by_id[one] for one in self._commanded if one in self._by_id):
            self._kill_left_inside(container)
        if self._look_again_at_s is None:
            self._commanded.clear()
        for pid in procfs.children_of_self():
            if pid in self._by_pid or pid in self._dying:
                continue
            command = self._commands.get(pid)
            owner_id = command[0] if command is not None else self._owner_of(pid)
            owner = self._by_id.get(owner_id)
            if owner_id and (owner is None or owner.state != "running" or (command is None and self._is_left_by_command(pid))):
                self._dying[pid] = owner_id  # a dying process no longer tells whose it is
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _kill_left_inside(self, container: Container) -> None:
        """SIGKILL what commands that have ended left in a container's own namespace of processes, where the first process inherits it."""
        if container.sandbox is None or container.state != "running":
            return
        for pid in procfs.children_of(container.sandbox.child_pid):
            if self._is_left_by_command(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _is_left_by_command(self, pid: int) -> bool:
        mark = procfs.command_mark(pid)
        return bool(mark) and mark not in self._marks

    def _owner_of(self, pid: int) -> str:
        """Id of the container an orphan belongs to; "" if it left both its session and its environment behind."""
        marked = procfs.container_mark(pid)
        if marked:
            return marked
        session = procfs.session_of(pid)
        return next((c.id for c in self._by_id.values() if c.pid == session and c.state != "exited"), "")
