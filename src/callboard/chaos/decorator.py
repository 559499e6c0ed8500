"""`@chaos`: a test whose body is run in many schedules, in each of which other things go wrong."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from callboard.models.base import replace
from callboard.models.timing import Timing
from callboard.runtime.chaos.testing import Case, Failed, explore, kinds_named, replay
from callboard.runtime.errors import CallboardError
from callboard.runtime.faults import replayfile
from callboard.runtime.faults.findings import Outcome
from callboard.runtime.faults.strategies import strategy_named
from callboard.runtime.telling.story import story

PARAMETER = "simulation"
SETTINGS: dict[str, Any] = {"first_seed": 0, "replay": None, "folder": "chaos-failures"}
"""What the pytest plugin's options say; without the plugin these."""


class ChaosFailure(CallboardError, AssertionError):
    """A test under `@chaos` has failed: its text is the story, made small."""


def chaos(
    *,
    nodes: int = 3,
    apiservers: int = 1,
    controllers: int = 1,
    faults: Sequence[Any] = (),
    schedules: int = 100,
    timing: str | Timing = "chaos",
    strategies: Sequence[str] = (),
) -> Callable[[Callable[..., object]], Callable[..., None]]:
    """Run a test in `schedules` simulations in which messages are held and faults happen.

    The test takes a `simulation` (and fixtures, if it likes). What it does should take place in any order of messages: it may `add`
    controllers, `apply` objects, ask for an `invariant` at every step and, in the end, that something holds `eventually`.

    Args:
        nodes, apiservers, controllers: the size of the cluster (copies of each controller compete for leadership).
        faults: kinds of faults that may happen, as classes of `callboard.chaos`; none means all.
        schedules: how many schedules to play; the first of each fifty is played twice, to see that it is deterministic.
        timing: a profile, or a `Timing`.
        strategies: what decides which messages are held, such as "pct/3"; none means all in turn.

    Raises:
        TypeError: the test takes no `simulation`, or what is named is no kind of fault.
        ChaosFailure: (from the test) something was found; a replay file has been written.

    >>> from callboard.chaos import NodeCrash, chaos
    >>> @chaos(nodes=2, faults=[NodeCrash], schedules=3)
    ... def test_three_pods_whatever_happens(simulation):
    ...     simulation.apply("examples/web.yaml")
    ...     simulation.eventually(lambda view: view.get("deployment/web").status.available_replicas == 3)
    >>> test_three_pods_whatever_happens()
    """
    for strategy in strategies:
        strategy_named(strategy, 0, 1.0)
    case = Case(
        nodes=nodes,
        apiservers=apiservers,
        controllers=controllers,
        kinds=kinds_named(faults),
        schedules=schedules,
        timing=timing,
        strategies=tuple(strategies),
    )

    def decorate(test: Callable[..., object]) -> Callable[..., None]:
        signature = inspect.signature(test)
        if PARAMETER not in signature.parameters:
            raise TypeError(f"{test.__name__} takes no {PARAMETER}: write def {test.__name__}({PARAMETER}): ...")

        @functools.wraps(test)
        def run(*args: Any, **fixtures: Any) -> None:
            __tracebackhide__ = True
            _run(case, test.__name__, lambda simulation: test(*args, **{PARAMETER: simulation}, **fixtures))

        rest = [one for one in signature.parameters.values() if one.name != PARAMETER]
        run.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        del run.__wrapped__  # pytest would look at the parameters of what is wrapped
        run.callboard_chaos = case  # type: ignore[attr-defined]
        return run

    return decorate


def _run(case: Case, name: str, body: Callable[[Any], object]) -> None:
    __tracebackhide__ = True
    if SETTINGS["replay"] is not None:
        _replay(case, body, Path(SETTINGS["replay"]))
        return
    failed = explore(replace(case, first_seed=SETTINGS["first_seed"]), body)
    if failed is not None:
        raise ChaosFailure(_words(failed, name))


def _replay(case: Case, body: Callable[[Any], object], path: Path) -> None:
    __tracebackhide__ = True
    kept = replayfile.read(path)
    outcome = replay(case, kept.plan, body)
    if outcome.finding is not None:
        raise ChaosFailure(f"replayed from {path}:\n{story(kept.plan, outcome.finding)}")
    if kept.expected.oracle:
        raise ChaosFailure(f'{path} expects that "{kept.expected.oracle}" is broken, and it is not ({replayfile.why_other(kept)})')


def _words(failed: Failed, name: str) -> str:
    finding = failed.outcome.finding
    if failed.trouble:
        told = f"\n{story(failed.plan, finding)}" if finding is not None else ""
        return f"{failed.trouble}{told}"
    assert finding is not None
    path = _write(failed, name)
    how = f"schedule {failed.schedules} (seed {failed.plan.seed}, {failed.plan.strategy}), made smaller by {failed.replays} replays"
    return f"{story(failed.plan, finding)}\n\n{how}\nplay it again with: pytest -k {name} --callboard-replay={path}"


def _write(failed: Failed, name: str) -> Path:
    folder = Path(SETTINGS["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}-{failed.plan.seed}.jsonl"
    replayfile.write(path, failed.plan, _expected(failed.outcome))
    return path


def _expected(outcome: Outcome) -> replayfile.Expected:
    """What a replay file says of an outcome."""
    finding = outcome.finding
    if finding is None:
        return replayfile.Expected(trace_hash=outcome.trace_hash)
    return replayfile.Expected(
        oracle=finding.oracle,
        object=finding.object,
        words=finding.words,
        at_s=finding.at_s,
        step=finding.step,
        trace_hash=outcome.trace_hash,
    )
