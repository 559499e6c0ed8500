"""The levels of isolation, and the choice among them by trying.

A: root, namespaces for everything. B: the same in a user namespace, without root. C1: loopback addresses, but a view of files and processes
of each container's own. C0: plain processes on loopback addresses. Used by whoever starts a cluster with real containers, and by
`callboard doctor`.
"""

from __future__ import annotations

import functools
import os

import msgspec

from callboard.runtime.errors import CallboardError
from callboard.runtime.isolation import advice
from callboard.runtime.isolation.probing import Outcome, Trial, try_namespaces, try_steps, try_subuids

NAMES = ("A", "B", "C1", "C0")
OVERRIDE = "CALLBOARD_ISOLATION"
"""Environment variable that says which level "auto" is to mean."""
_NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--mount-proc")
_NETWORK = ("net",)
_VIEW = ("overlay", "view")


class Level(msgspec.Struct, frozen=True):
    """What a cluster's containers are kept apart by.

    `network`: nodes and pods have network namespaces; `confined`: each container has a view of files and processes of its own; `rules`:
    nftables answer for Services; `user_namespace`: root is the user who started the cluster; `subuids`: other users than root exist there
    too. `unshare` is what the process daemon's command begins with, () where the daemon runs like any program.
    """

    name: str
    network: bool = False
    confined: bool = False
    rules: bool = False
    user_namespace: bool = False
    subuids: bool = False
    unshare: tuple[str, ...] = ()


C0 = Level("C0")
"""Plain processes: possible wherever there is Linux."""


class Finding(msgspec.Struct, frozen=True):
    """One step that a level needs, as tried on this machine: `why` says what failed (or what is missing by it), `advice` what to install or
    set."""

    level: str
    step: str
    ok: bool
    why: str = ""
    advice: str = ""


class IsolationRefused(CallboardError):
    """The level of isolation that is wanted can't be had here; the text says what failed, and what to install or set."""


def chosen(wanted: str = "auto") -> Level:
    """The level by this name, or for "auto" the first of A, B, C1, C0 that works here (the environment variable CALLBOARD_ISOLATION may
    name another). Everything is tried in children with time limits, which takes about 0.1 s; the outcome is remembered.

    Raises `IsolationRefused` if there's no such level or it doesn't work here.
    """
    asked_by = "isolation"
    if wanted == "auto" and os.environ.get(OVERRIDE):
        wanted, asked_by = os.environ[OVERRIDE], OVERRIDE
    if wanted not in (*NAMES, "auto"):
        raise IsolationRefused(
            f"{asked_by}={wanted!r} is no level of isolation; there are {', '.join(NAMES)}, and auto for the best of them"
        )
    if wanted != "auto":
        level, found = _tried(wanted)
        if level is None:
            raise IsolationRefused(_refusal(wanted, found))
        return level
    return next(level for level in (_tried(name)[0] for name in NAMES) if level is not None)


def findings() -> tuple[Finding, ...]:
    """Every step of every level as tried here, from A to C0."""
    return tuple(finding for name in NAMES for finding in _tried(name)[1])


def forget() -> None:
    """Try anew when next asked: something was installed or set."""
    _tried.cache_clear()


@functools.cache
def _tried(name: str) -> tuple[Level | None, tuple[Finding, ...]]:
    """The level, None if it doesn't work here, and what was found."""
    if name == "C0":
        return C0, (Finding("C0", "processes", True),)
    missing = [Finding(name, f"program {one}", False, f"there is no program {one}", advice.install(one)) for one in advice.absent(name)]
    if missing:
        return None, tuple(missing)
    if name == "C1":
        as_root = _with_namespaces(name, user_namespace=False)
        return as_root if as_root[0] is not None else _with_namespaces(name, user_namespace=True)
    return _with_namespaces(name, user_namespace=name == "B")


def _with_namespaces(name: str, user_namespace: bool) -> tuple[Level | None, tuple[Finding, ...]]:
    """Try a level that has namespaces, step by step."""
    network = name in ("A", "B")
    found: list[Finding] = []
    subuids = not user_namespace
    prefix: tuple[str, ...] = ("unshare",)
    if user_namespace:
        first = try_namespaces(("unshare", "--user"))
        found.append(_told(name, "user namespace", first, user_namespace))
        if not first.ok:
            return None, tuple(found)
        more = try_subuids()
        subuids = more.ok
        found.append(_told(name, "more users", more, user_namespace))
        prefix += ("--user", "--map-root-user", *(("--map-auto",) if subuids else ()))
    prefix += (("--net",) if network else ()) + _NAMESPACES
    spaces = try_namespaces(prefix)
    found.append(_told(name, "namespaces", spaces, user_namespace))
    if not spaces.ok:
        return None, tuple(found)
    wanted = (*_NETWORK, "rules", *_VIEW) if network else _VIEW
    outcomes = try_steps(Trial(prefix, wanted, user_namespace))
    found += [_told(name, step, outcomes[step], user_namespace) for step in wanted]
    if not all(outcomes[step].ok for step in wanted if step != "rules"):
        return None, tuple(found)
    rules = network and outcomes["rules"].ok
    return Level(name, network, True, rules, user_namespace, subuids, prefix), tuple(found)


def _told(level: str, step: str, outcome: Outcome, user_namespace: bool) -> Finding:
    if outcome.ok:
        return Finding(level, step, True)
    return Finding(level, step, False, outcome.why, advice.for_step(step, outcome.why, user_namespace))


def _refusal(name: str, found: tuple[Finding, ...]) -> str:
    failed = [finding for finding in found if not finding.ok]
    words = "; ".join(f"{one.step}: {one.why}" + (f" ({one.advice})" if one.advice else "") for one in failed)
    return f"isolation level {name} does not work here: {words}. `callboard doctor` shows what does"
