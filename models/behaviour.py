"""What a simulated container does: written by users, carried out by `SimulatedRuntime` on its port's clock.

Image names choose behaviours: `images={"flaky:*": Behaviour(...)}`. Whatever isn't named starts at once, runs for ever, is ready at once
and answers requests with its pod's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from callboard.models.base import EMPTY_MAP, FrozenMap
from callboard.models.times import parse_duration

Duration = float | int | str
SECONDS_FIELDS = ("start", "runs_for", "ready_after", "stops_in")
DEFAULT_STATUS = 200
USER_FAILURES = (Exception, SystemExit)
"""What a user's code may raise without ending more than what it was asked for. `KeyboardInterrupt` and a test's control exceptions go
further."""


class ContainerRequest(msgspec.Struct, frozen=True, gc=False):
    """One request that a simulated container answers. Header names are as they were sent."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    pod: str = ""
    namespace: str = ""
    container: str = ""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class ContainerResponse(msgspec.Struct, frozen=True, gc=False):
    """What a simulated container answered."""

    status: int = DEFAULT_STATUS
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class ContainerCommand(msgspec.Struct, frozen=True, gc=False):
    """One command that is carried out in a simulated container; `env` is the container's environment."""

    command: tuple[str, ...]
    stdin: bytes = b""
    pod: str = ""
    namespace: str = ""
    container: str = ""
    env: Mapping[str, str] = EMPTY_MAP

    @property
    def text(self) -> str:
        """The input as text."""
        return self.stdin.decode("utf-8", "replace")


class CommandResult(msgspec.Struct, frozen=True, gc=False):
    """What a command came to."""

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


class Usage(msgspec.Struct, frozen=True):
    """What a container uses: thousandths of a core, bytes of memory, bytes of files of its own (its writable layer and its log), processes,
    and bytes in emptyDir volumes by the volume's name. Parts of a unit are cut off.

    Raises:
        ValueError: something is negative, or no number.
    """

    cpu_milli: float = 0
    memory_bytes: float = 0
    storage_bytes: float = 0
    processes: float = 1
    volumes: Mapping[str, float] = EMPTY_MAP

    def __post_init__(self) -> None:
        for name in ("cpu_milli", "memory_bytes", "storage_bytes", "processes"):
            msgspec.structs.force_setattr(self, name, _amount(name, getattr(self, name)))
        volumes = FrozenMap({str(name): _amount(f"volumes[{name!r}]", value) for name, value in self.volumes.items()})
        msgspec.structs.force_setattr(self, "volumes", volumes)


def _amount(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{name}={value!r}: a container uses a number from 0 on")
    return int(value)


NO_USAGE = Usage()


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated container does. Durations are seconds or text such as "2s".

    Args:
        start: from the order to start it until it runs.
        pull_fails: so many pulls of its image fail in each container before one succeeds (`ErrImagePull`, then `ImagePullBackOff`).
        exits: the first life ends with the first of these codes, the second with the second; later lives run on.
        runs_for: how long a life that ends runs.
        ready_after: how long after its start it is ready (for containers without a readiness probe, and for readiness probes).
        stops_in: how long it takes to end when it is asked to (SIGTERM), with code 143; it is killed (137) if its grace is over before.
        usage: what it uses, as a function of the seconds since it started, or a `Usage` if it is always the same. A container that uses
            more memory than its limit is killed (137, OOMKilled).
        serve: answers a `ContainerRequest` with text, bytes, `(status, body)`, `(status, headers, body)`, or anything that has `status`,
            `headers` and `body`. HTTP and gRPC probes are answered by it too; one of gRPC is `POST /grpc.health.v1.Health/Check` with the
            service's name as the body.
        exec: carries out a `ContainerCommand` and returns its output as text or bytes, its exit code, `(exit_code, stdout)`,
            `(exit_code, stdout, stderr)`, or anything that has these three. Exec probes and hooks are carried out by it too. Without it
            no command is found (exit code 127), and exec probes and hooks succeed.
        says: lines that each life writes to its log when it starts.

    A function that raises (or calls `sys.exit`) is a container that exits with code 1 and the traceback in its log; `exec`, a command
    that exits so.

    Raises:
        ValueError: a duration is none, an exit code is not from 0 to 255, or a count is negative.

    >>> from callboard import Behaviour, Simulation
    >>> flaky = Behaviour(exits=[1], serve=lambda request: f"{request.pod} was asked for {request.path}")
    >>> spec = {"containers": [{"name": "web", "image": "flaky:1"}]}
    >>> pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    >>> with Simulation(nodes=1, seed=1, images={"flaky:*": flaky}) as s:
    ...     _ = s.apply(pod)
    ...     s.wait("pod/web").status.container_statuses[0].restart_count
    1
    """

    start: Duration = "0s"
    pull_fails: int = 0
    exits: Sequence[int] = ()
    runs_for: Duration = "0s"
    ready_after: Duration = "0s"
    stops_in: Duration = "0s"
    usage: Callable[[float], Usage] | Usage | None = None
    serve: Callable[[ContainerRequest], Any] | None = None
    exec: Callable[[ContainerCommand], Any] | None = None
    says: Sequence[str] | str = ()

    def __post_init__(self) -> None:
        for name in SECONDS_FIELDS:
            try:
                seconds = parse_duration(getattr(self, name))
            except ValueError as problem:
                raise ValueError(f"{name}: {problem}") from None
            msgspec.structs.force_setattr(self, name, seconds)
        codes = tuple(self.exits)
        if not all(isinstance(code, int) and 0 <= code <= 255 for code in codes):
            raise ValueError(f"exits={list(codes)!r}: an exit code is a number from 0 to 255")
        msgspec.structs.force_setattr(self, "exits", codes)
        if not isinstance(self.pull_fails, int) or self.pull_fails < 0:
            raise ValueError(f"pull_fails={self.pull_fails!r}: it is a count from 0 on")
        says = (self.says,) if isinstance(self.says, str) else tuple(self.says)
        msgspec.structs.force_setattr(self, "says", tuple(str(line) for line in says))

    def exit_code(self, life: int) -> int | None:
        """The code that the life with this number (from 0) ends with of its own accord; None if it runs on."""
        return self.exits[life] if life < len(self.exits) else None

    def seconds(self, name: str) -> float:
        """One of the durations, in seconds."""
        value: float = getattr(self, name)  # made a float in `__post_init__`
        return value

    def use_at(self, running_s: float) -> Usage:
        """What a container that has run for so long uses. Raises what the function raises; TypeError if it returns no `Usage`."""
        if self.usage is None:
            return NO_USAGE
        used = self.usage(running_s) if callable(self.usage) else self.usage
        if not isinstance(used, Usage):
            raise TypeError(f"usage returned a {type(used).__name__}; it should return a Usage(...)")
        return used

    def answer(self, request: ContainerRequest) -> ContainerResponse:
        """The answer to a request. Raises whatever the user's function raises; TypeError if it returns something that is no answer."""
        return response_of(request.pod if self.serve is None else self.serve(request))

    def run(self, command: ContainerCommand) -> CommandResult:
        """What a command comes to. Raises whatever the user's function raises; TypeError if it returns something that is no result."""
        return not_found(command.command) if self.exec is None else result_of(self.exec(command))


DEFAULT = Behaviour()


def not_found(command: Sequence[str]) -> CommandResult:
    """The result of a command that isn't there: a shell's exit code, a container runtime's words.

    >>> not_found(["cat", "/etc/config/a"]).exit_code
    127
    """
    program = command[0] if command else ""
    words = (
        f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{program}": executable file not found in $PATH\n'
    )
    return CommandResult(127, b"", words.encode())


def result_of(answer: Any) -> CommandResult:
    """What an `exec` function returned, as a result.

    Raises:
        TypeError: it is none.
    """
    match answer:
        case str() | bytes():
            return CommandResult(0, _bytes(answer))
        case None:
            return CommandResult()
        case int():
            return CommandResult(int(answer))
        case (int() as code, str() | bytes() as stdout):
            return CommandResult(code, _bytes(stdout))
        case (int() as code, str() | bytes() as stdout, str() | bytes() as stderr):
            return CommandResult(code, _bytes(stdout), _bytes(stderr))
    if hasattr(answer, "exit_code") and hasattr(answer, "stdout"):
        return CommandResult(int(answer.exit_code), _bytes(answer.stdout), _bytes(getattr(answer, "stderr", b"")))
    kind = type(answer).__name__
    raise TypeError(f"exec returned a {kind}; it should return text, bytes, an exit code, (code, stdout) or (code, stdout, stderr)")


def response_of(answer: Any) -> ContainerResponse:
    """What a `serve` function returned, as a response.

    Raises:
        TypeError: it is none.
    """
    match answer:
        case str() | bytes():
            return ContainerResponse(body=_bytes(answer))
        case (int() as status, str() | bytes() as body):
            return ContainerResponse(status, (), _bytes(body))
        case (int() as status, headers, str() | bytes() as body):
            return ContainerResponse(status, _headers(headers), _bytes(body))
    if hasattr(answer, "status") and hasattr(answer, "body"):
        return ContainerResponse(int(answer.status), _headers(getattr(answer, "headers", ())), _bytes(answer.body))
    raise TypeError(f"serve returned a {type(answer).__name__}; it should return text, bytes, (status, body) or (status, headers, body)")


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)


def _headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((str(name), str(value)) for name, value in pairs)


def behaviour_of(image: str, images: tuple[tuple[str, Behaviour], ...]) -> Behaviour:
    """The behaviour for an image: an exact name first, then the pattern with the most characters that are no wildcards.

    An image without a tag is `latest`, so `web:*` covers `web`.

    >>> slow, fast = Behaviour(start=9), Behaviour(start=1)
    >>> behaviour_of("shop/web:2", (("*", slow), ("shop/*", fast))).start
    1.0
    """
    full = image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
    best, weight = DEFAULT, -1
    for pattern, behaviour in images:
        if pattern in (image, full):
            return behaviour
        own = len(pattern) - pattern.count("*") - pattern.count("?")
        if own > weight and (fnmatchcase(image, pattern) or fnmatchcase(full, pattern)):
            best, weight = behaviour, own
    return best
