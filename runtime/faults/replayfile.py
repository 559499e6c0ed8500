"""Replay files: a schedule in JSON lines, for people to read and for another version of the program to refuse in plain words.

Line 1 is the header: format, package version, Python, a hash over the sources that decide histories, scenario, seed, topology. Then one
line per operation, fault and hold, then what to expect.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from callboard.models.base import decode_hook
from callboard.runtime.errors import CallboardError
from callboard.runtime.faults.plan import AnyOperation, Hold, Plan
from callboard.runtime.faults.vocabulary import AnyFault

FORMAT = 1
SIZE_LIMIT_BYTES = 4 * 1024 * 1024
ROOMS = ("models", "actors", "runtime")


class BadReplayFile(CallboardError):
    """A file is no replay file, or one that this version can't read; says which line, and what to do."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What the run came to. `words` is the finding in a sentence; "" in `oracle`: nothing was found. `checks` is a byte for each step, in
    base64: by them the first step that differs is found."""

    oracle: str = ""
    object: str = ""
    words: str = ""
    at_s: float = 0.0
    step: int = 0
    trace_hash: str = ""
    checks: str = ""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds. `sources` is the hash over the program's sources when it was written."""

    plan: Plan
    expected: Expected
    version: str
    python: str
    sources: str


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    callboard_replay: int
    version: str
    python: str
    sources: str
    scenario: str
    seed: int
    strategy: str
    nodes: int
    node_cpu: str
    apiservers: int
    controllers: int


@lru_cache(maxsize=1)
def sources_hash() -> str:
    """A hash over the sources of the rooms that decide histories."""
    root = Path(__file__).resolve().parents[2]
    found = hashlib.blake2b(digest_size=8)
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def package_version() -> str:
    """The version of this package; "unknown" where it runs from sources that nobody has installed."""
    try:
        return version("callboard")
    except PackageNotFoundError:
        return "unknown"


def write(path: str | Path, plan: Plan, expected: Expected) -> None:
    """Write a replay file. Raises OSError."""
    header = _Header(
        callboard_replay=FORMAT,
        version=package_version(),
        python=platform.python_version(),
        sources=sources_hash(),
        scenario=plan.scenario,
        seed=plan.seed,
        strategy=plan.strategy,
        nodes=plan.nodes,
        node_cpu=plan.node_cpu,
        apiservers=plan.apiservers,
        controllers=plan.controllers,
    )
    lines: list[Any] = [header]
    lines += [{"operation": one} for one in plan.operations]
    lines += [{"fault": one} for one in plan.faults]
    lines += [{"hold": one} for one in plan.holds]
    lines.append({"expected": expected})
    Path(path).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def read(path: str | Path) -> Replay:
    """Read a replay file.

    Raises:
        BadReplayFile: it can't be read, or is none of this format; names the line.
    """
    try:
        data = Path(path).read_bytes()[: SIZE_LIMIT_BYTES + 1]
    except OSError as problem:
        raise BadReplayFile(f"{path}: can't be read: {problem.strerror or problem}") from None
    if len(data) > SIZE_LIMIT_BYTES:
        raise BadReplayFile(f"{path}: larger than {SIZE_LIMIT_BYTES} bytes, which no replay file is")
    lines = data.splitlines()
    header = _header(path, lines[0] if lines else b"")
    parts: dict[str, list[Any]] = {name: [] for name in _PARTS}
    for number, name, value in _parts(path, lines[1:]):
        if name == "expected" and parts["expected"]:
            raise BadReplayFile(f"{path}:{number}: a second expectation; the file holds more than one run")
        parts[name].append(value)
    if not parts["expected"]:
        raise BadReplayFile(f"{path}: ends before what is expected; it was cut short")
    plan = Plan(
        scenario=header.scenario,
        seed=header.seed,
        strategy=header.strategy,
        nodes=header.nodes,
        node_cpu=header.node_cpu,
        apiservers=header.apiservers,
        controllers=header.controllers,
        operations=tuple(parts["operation"]),
        faults=tuple(parts["fault"]),
        holds=tuple(parts["hold"]),
    )
    return Replay(plan=plan, expected=parts["expected"][0], version=header.version, python=header.python, sources=header.sources)


_PARTS: dict[str, Any] = {"operation": AnyOperation, "fault": AnyFault, "hold": Hold, "expected": Expected}


def _header(path: str | Path, line: bytes) -> _Header:
    try:
        told = msgspec.json.decode(line)
    except msgspec.DecodeError:
        raise BadReplayFile(f"{path}:1: this is no replay file of callboard: it does not begin with a line of JSON") from None
    number = told.get("callboard_replay") if isinstance(told, dict) else None
    if number is None:
        raise BadReplayFile(f'{path}:1: this is no replay file of callboard: there is no "callboard_replay" in its first line')
    if number != FORMAT:
        raise BadReplayFile(f"{path}:1: format {number} is of another version of callboard; this one reads format {FORMAT}")
    try:
        return msgspec.convert(told, _Header)
    except msgspec.ValidationError as problem:
        raise BadReplayFile(f"{path}:1: {problem}") from None


def _parts(path: str | Path, lines: list[bytes]) -> Iterator[tuple[int, str, Any]]:
    for number, line in enumerate(lines, start=2):
        try:
            told = msgspec.json.decode(line)
        except msgspec.DecodeError as problem:
            raise BadReplayFile(f"{path}:{number}: {problem}") from None
        if not isinstance(told, dict) or len(told) != 1 or (name := next(iter(told))) not in _PARTS:
            raise BadReplayFile(f"{path}:{number}: a line is one of {', '.join(_PARTS)}")
        try:
            yield number, name, msgspec.convert(told[name], _PARTS[name], dec_hook=decode_hook)
        except msgspec.ValidationError as problem:
            raise BadReplayFile(f"{path}:{number}: {problem}") from None


def why_other(replay: Replay) -> str:
    """Why a history may be another one than that in the file: what is not as it was when it was written."""
    if replay.version != package_version():
        return f"it was written by version {replay.version}, this is {package_version()}"
    if replay.sources != sources_hash():
        return "the program has been changed since"
    if replay.python.rpartition(".")[0] != platform.python_version().rpartition(".")[0]:
        return f"it was written under Python {replay.python}, this is {platform.python_version()}"
    return "version, program and Python are the same: something in it is not deterministic"
