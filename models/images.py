"""Which program a container's image stands for, where containers are real processes and nothing is pulled. Pure: what is installed on the
machine is asked of a `Machine`.

Names are matched as Docker reads them: `nginx`, `nginx:1.25` and `docker.io/library/nginx@sha256:...` are all `nginx`. Sources:
distribution's reference package (normalize.go, regexp.go), kubernetes pkg/kubelet/images/image_manager.go, and the table of command and
args in Kubernetes' page "Define a Command and Arguments for a Container".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol

import msgspec

from callboard.models.base import EMPTY_MAP, FrozenMap

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""As the images of Docker's library have it."""
ERR_IMAGE_PULL = "ErrImagePull"
ERR_NEVER_PULL = "ErrImageNeverPull"
INVALID_NAME = "InvalidImageName"
_DOMAINS = ("docker.io/", "index.docker.io/")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REFERENCE = re.compile(
    rf"(?:(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


class Program(msgspec.Struct, frozen=True):
    """The program of this machine that an image stands for.

    Args:
        command: what a container without a `command` of its own runs (an image's ENTRYPOINT).
        args: further words, where the container gives neither `command` nor `args` (an image's CMD). Either may be empty.
        env: variables; those of the container's own spec win.
        working_dir: where it runs, if the container doesn't say; made if it is missing.
        user: a user id, "uid:gid", or a name of this machine; None: the user of the cluster.
        mounts: files and folders of this machine, beside /usr, that it needs; they can be read at the same path in the container.
        needs: programs that must be installed; if empty, the first word of `command` (of `args`, if that is empty) and no other.
        aliases: commands that the image has and this machine calls otherwise; used for a container's own command too.
        install: what to do where it is missing, for people: "apt-get install nginx".

    Raises:
        ValueError: there is no command, or something is of the wrong type.

    >>> Program(["redis-server"], args=["--port", "7000"]).command
    ('redis-server',)
    """

    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = EMPTY_MAP
    working_dir: str = ""
    user: int | str | None = None
    mounts: Sequence[str] = ()
    needs: Sequence[str] = ()
    aliases: Mapping[str, Sequence[str]] = EMPTY_MAP
    install: str = ""

    def __post_init__(self) -> None:
        for name in ("command", "args", "mounts", "needs"):
            msgspec.structs.force_setattr(self, name, _words(name, getattr(self, name)))
        if not (*self.command, *self.args, "")[0]:
            raise ValueError("command is empty: it says which program to run")
        if not isinstance(self.env, Mapping) or not all(isinstance(word, str) for pair in self.env.items() for word in pair):
            raise ValueError("env is no map of text to text")
        msgspec.structs.force_setattr(self, "env", FrozenMap(self.env))
        aliases = {str(name): _words(f"aliases[{name!r}]", words) for name, words in self.aliases.items()}
        msgspec.structs.force_setattr(self, "aliases", FrozenMap(aliases))
        if self.working_dir and not self.working_dir.startswith("/"):
            raise ValueError(f"working_dir={self.working_dir!r} is no absolute path")
        for path in self.mounts:
            if not path.startswith("/"):
                raise ValueError(f"mounts: {path!r} is no absolute path")


def _words(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{name}={value!r}: give a list of words")
    words = tuple(value)
    if not all(isinstance(word, str) for word in words):
        raise ValueError(f"{name}={words!r}: every word is text")
    return words


class Machine(Protocol):
    """What is installed here. Its answers may differ from one question to the next: things are installed meanwhile."""

    @property
    def path(self) -> str:
        """Where the programs of images are looked for that have no PATH of their own."""

    def find(self, program: str, path: str) -> str:
        """The full path of a program, looked for in the folders of `path` if its name has no slash; "" if there is none."""

    def mounts(self, program: str) -> tuple[str, ...]:
        """Folders outside /usr that a program (a full path) needs to run."""

    def user(self, name: str) -> tuple[int, int] | None:
        """User and group id of a user's name; None if there is no such user."""


class Resolved(msgspec.Struct, frozen=True, gc=False):
    """What a container runs. `argv` is ready: Kubernetes' `$(NAME)` is replaced. `env` is what its image says (its PATH included), to be
    overruled by the container's own; `working_dir` is "" for the default; `user` is that of the image; `mounts` are to be readable at the
    same path."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: tuple[int, int] | None = None
    mounts: tuple[str, ...] = ()


class PullProblem(msgspec.Struct, frozen=True, gc=False):
    """Why an image can't be had: `reason` is one of Kubernetes' words, the text says what to do."""

    reason: str
    message: str


class ImageTable:
    """Programs by image name or pattern. `own` is the user's table and comes first; `builtin` is for what it says nothing of.

    May be used by several threads, and looks at the disk: not to be asked by an actor."""

    def __init__(self, machine: Machine, own: Iterable[tuple[str, Program]] = (), builtin: Iterable[tuple[str, Program]] = ()) -> None:
        self._machine = machine
        self._tables = (tuple(own), tuple(builtin))

    def program_of(self, image: str) -> Program | None:
        """The program that an image stands for, whether or not it is installed; None if the table has none."""
        return next((found for table in self._tables if (found := _entry(image, table)) is not None), None)

    def command_of(self, container: Any, env: Mapping[str, str] = EMPTY_MAP) -> Resolved | PullProblem:
        """What a `core.Container` runs; `env` is its environment, for `$(NAME)` in its command and arguments.

        A container with a command of its own needs no entry, and nothing that its image needs has to be installed.
        """
        image = container.image
        if not _REFERENCE.fullmatch(image):
            return PullProblem(INVALID_NAME, f'Failed to apply default image tag "{image}": {_unreadable(image)}')
        program = self.program_of(image)
        command = [expanded(word, env) for word in container.command]
        args = [expanded(word, env) for word in container.args]
        if command and program is None:
            return Resolved((*command, *args))
        problem = "" if command else self._missing(image, program)
        if problem and container.image_pull_policy == "Never":
            return PullProblem(ERR_NEVER_PULL, f'Container image "{image}" is not present with pull policy of Never: {problem}')
        if problem:
            return PullProblem(ERR_IMAGE_PULL, problem)
        assert program is not None
        argv = (*command, *args) if command else (*program.command, *(args or program.args))
        user = self._user(program)
        if isinstance(user, str):
            return PullProblem(ERR_IMAGE_PULL, user)
        argv = self._known_here(argv, program)
        path = self._path(program)
        mounts = dict.fromkeys(program.mounts)
        for name in {argv[0]: None, **dict.fromkeys(program.needs)}:
            if full := self._machine.find(name, path):
                mounts.update(dict.fromkeys(self._machine.mounts(full)))
        return Resolved(argv, tuple({**program.env, "PATH": path}.items()), program.working_dir, user, tuple(mounts))

    def _missing(self, image: str, program: Program | None) -> str:
        """What an image lacks to be run; "" if nothing."""
        if program is None:
            name = familiar(image)[-1]
            words = f'give the container a command, or name the program: images={{"{name}": Program([...])}}'
            return f'failed to resolve image "{image}": no program is known by this name; {words}'
        path = self._path(program)
        for name in program.needs or (*program.command, *program.args)[:1]:
            if not self._machine.find(name, path):
                advice = program.install or f"install it, or name another program: images={{...: Program(...)}} (looked in {path})"
                return f'failed to resolve image "{image}": its program {name!r} is not installed on this machine; to have it: {advice}'
        return ""

    def _user(self, program: Program) -> tuple[int, int] | str | None:
        """User and group of a program; text if there is no such user."""
        wanted = program.user
        if wanted is None or isinstance(wanted, int):
            return None if wanted is None else (wanted, wanted)
        uid, _, gid = wanted.partition(":")
        if uid.isdigit() and (gid or uid).isdigit():
            return int(uid), int(gid or uid)
        return self._machine.user(wanted) or f"unable to find user {wanted}: no matching entries in the passwd file of this machine"

    def _known_here(self, argv: tuple[str, ...], program: Program) -> tuple[str, ...]:
        alias = program.aliases.get(argv[0])
        return (*alias, *argv[1:]) if alias and not self._machine.find(argv[0], self._path(program)) else argv

    def _path(self, program: Program) -> str:
        return program.env.get("PATH") or self._machine.path


def familiar(image: str) -> tuple[str, ...]:
    """The names that an image goes by, the most exact first: as it is written, with its tag, and without tag and digest; all without what
    Docker's own library needs not.

    >>> familiar("docker.io/library/nginx:1.25")
    ('docker.io/library/nginx:1.25', 'nginx:1.25', 'nginx')
    >>> familiar("shop/web")
    ('shop/web', 'shop/web:latest')
    """
    short = _short(image)
    name, _, digest = short.partition("@")
    folder, slash, last = name.rpartition("/")
    bare, _, tag = last.partition(":")
    tagged = (f"{name}:latest",) if not tag and not digest else (name,)
    return tuple(dict.fromkeys((image, short, *tagged, f"{folder}{slash}{bare}")))


def _short(image: str) -> str:
    for domain in _DOMAINS:
        image = image.removeprefix(domain)
    return image.removeprefix("library/") if image.count("/") == 1 else image


def _entry(image: str, table: Sequence[tuple[str, Program]]) -> Program | None:
    """An exact name first, the most exact one; then the pattern with the most characters that are no wildcards."""
    names = familiar(image)
    by_name = {_short(pattern): program for pattern, program in reversed(table)}
    for name in names:
        if name in by_name:
            return by_name[name]
    best, weight = None, -1
    for pattern, program in table:
        own = len(pattern) - pattern.count("*") - pattern.count("?")
        if own > weight and any(fnmatchcase(name, pattern) or fnmatchcase(name, _short(pattern)) for name in names):
            best, weight = program, own
    return best


def _unreadable(image: str) -> str:
    lower = " (repository name must be lowercase)" if image != image.lower() and _REFERENCE.fullmatch(image.lower()) else ""
    return f'couldn\'t parse image name "{image}": invalid reference format{lower}'


def expanded(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where `env` has that name, else left as it is; `$$` is one `$`.

    Source: kubernetes third_party/forked/golang/expansion/expand.go.
    """

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, text)
