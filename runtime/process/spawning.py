"""Starting programs from the process daemon, which has a single thread: in a session of its own, as a user, perhaps after a preparation in
the child that must be told exactly if it fails."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess

from callboard.runtime.process import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WORDS_LIMIT = 4000


class PreparationFailed(Exception):
    """What had to be done in the child before its program is executed failed; the text says why."""


def spawn(
    argv: list[str], env: dict[str, str], cwd: str, user: list[int] | None, in_child: Callable[[], None] = lambda: None, **streams: Any
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, as this user; the kernel kills it if this process ends. `in_child` is called in the child
    before. Raises OSError, ValueError, SubprocessError (for what fails in the child otherwise)."""
    die = _die_with(os.getpid())

    def prepare() -> None:
        die()
        in_child()

    return subprocess.Popen(
        argv, env=env, cwd=cwd, start_new_session=True, **streams, **_who(user),
        preexec_fn=prepare,  # safe: this process has one thread
    )  # fmt: skip


def _who(user: list[int] | None) -> dict[str, Any]:
    return {} if user is None else {"user": user[0], "group": user[1], "extra_groups": user[2:]}


def spawn_prepared(argv: list[str], env: dict[str, str], prepare: Callable[[], None], **more: Any) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, after `prepare` has been called in the child. Raises OSError (of the program's execution),
    ValueError, `PreparationFailed`."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    die = _die_with(os.getpid())

    def in_child() -> None:
        try:
            die()
            prepare()
        except BaseException as problem:  # goes on below as it would otherwise; here its words are saved
            os.write(writer, _told(problem).encode()[:_WORDS_LIMIT])
            raise

    try:
        return subprocess.Popen(argv, env=env, start_new_session=True, preexec_fn=in_child, **more)
    except subprocess.SubprocessError as error:
        os.close(writer)
        writer = -1
        words = os.read(reader, _WORDS_LIMIT).decode(errors="replace")
        raise PreparationFailed(words or str(error)) from error
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def why_not_started(error: Exception, program: str, cwd: str, env: dict[str, str]) -> str:
    """The operating system's reason in plain words."""
    if isinstance(error, PreparationFailed):
        return f"what surrounds {program!r} could not be made: {error}"
    if not isinstance(error, OSError):
        return f"cannot start {program!r}: {error}"
    if error.filename == cwd and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
        return f"cannot start {program!r}: its working directory {cwd!r} cannot be entered: {error.strerror}"
    path = os.path.join(cwd, program)
    if error.errno == errno.ENOENT and "/" in program and os.path.exists(path):
        return f"cannot start {program!r}: the file exists, but the interpreter that its first line names does not"
    return why_not_executed(error.errno or 0, program, env)


def why_not_executed(number: int, program: str, env: dict[str, str]) -> str:
    """The same where only the error's number is known, and the files aren't ours to look at."""
    if number == errno.ENOENT and "/" not in program:
        searched = env.get("PATH") or os.defpath
        return f"no program {program!r} was found in PATH ({searched}); install it or give the command as a full path"
    if number == errno.ENOENT:
        return f"cannot start {program!r}: there is no such file"
    if number == errno.EACCES:
        return f"cannot start {program!r}: permission denied; it must be an executable file (chmod +x)"
    if number == errno.ENOEXEC:
        return f"cannot start {program!r}: it is neither a program for this machine nor a script that begins with #!"
    return f"cannot start {program!r}: {os.strerror(number)}"


def _told(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror is not None:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return repr(problem)


def _die_with(parent: int) -> Callable[[], None]:
    def ask_kernel() -> None:
        with contextlib.suppress(OSError):  # refused nowhere; and then the daemon's end is noticed by those who look for leftovers
            kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(127)

    return ask_kernel
