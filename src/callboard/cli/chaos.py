"""`callboard chaos`: explore schedules, replay and shrink failures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from callboard.cli import EXIT_NOT_SO
from callboard.cli.chaosexhaust import exhaust
from callboard.cli.chaosmutants import mutants


@click.group("chaos")
def command() -> None:
    """Break clusters on purpose, in virtual time, and see what notices."""


@command.command("run")
@click.option("--schedules", type=click.IntRange(1), help="How many schedules to play.  [default: 200, unless --seconds is given]")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Play for so long.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The first seed; each schedule has the next one.")
@click.option("--scenario", "scenarios", multiple=True, help="Only this scenario (may be given again).")
@click.option("--strategy", default="", help="Only this strategy, such as pct/3.")
@click.option("--faults", default="", help="Only these kinds of faults, with commas between.")
@click.option(
    "--differential",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Every n-th schedule is played without its faults besides, and has to end alike; 0: none.",
)
@click.option("--jobs", type=click.IntRange(1), help="Worker processes.  [default: one for each core]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("chaos-failures"),
    show_default=True,
    help="Folder for replay files.",
)
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True, help="End after so many different failures.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, writable=True), help="Write what was found here as JSON.")
@click.option("--real-time", is_flag=True, help="A soak: the same schedules on the wall clock, one after the other. Nothing is replayed.")
@click.option("--containers", type=click.Choice(["simulated", "process"]), default="simulated", show_default=True, help="Of a soak.")
def run(
    schedules: int | None,
    seconds: float | None,
    seed: int,
    scenarios: tuple[str, ...],
    strategy: str,
    faults: str,
    differential: int,
    jobs: int | None,
    out: Path,
    keep: int,
    json_file: str | None,
    real_time: bool,
    containers: str,
) -> int:
    """Explore the built-in scenarios. Exit code 1 if anything is found."""
    from callboard.runtime.chaos.drawing import KINDS
    from callboard.runtime.chaos.exploring import Wish
    from callboard.runtime.chaos.scenarios import SCENARIOS
    from callboard.runtime.faults.strategies import strategy_named

    kinds = tuple(kind.strip() for kind in faults.split(",") if kind.strip())
    _known("--scenario", scenarios, SCENARIOS)
    _known("--faults", kinds, KINDS)
    if strategy:
        strategy_named(strategy, 0, 1.0)
    if schedules is None and seconds is None:
        schedules = 200
    wish = Wish(
        first_seed=seed,
        schedules=schedules,
        seconds=seconds,
        scenarios=scenarios,
        kinds=kinds,
        strategy=strategy,
        differential=differential,
    )
    summary = _soak(wish, containers) if real_time else _explore(wish, jobs, out, keep)
    if json_file is not None:
        Path(json_file).write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    return EXIT_NOT_SO if summary["failures"] else 0


def _soak(wish: Any, containers: str) -> dict[str, Any]:
    """Play schedules in real time until as many are played, or the time is over."""
    from callboard.runtime.chaos.exploring import plan_for
    from callboard.runtime.chaos.soaking import soak
    from callboard.runtime.telling.story import story

    began_s, seed, failures = time.monotonic(), wish.first_seed, []
    last = None if wish.schedules is None else wish.first_seed + wish.schedules
    while (last is None or seed < last) and (wish.seconds is None or time.monotonic() - began_s < wish.seconds):
        plan = plan_for(wish, seed)
        outcome = soak(plan, containers)
        click.echo(f"seed {seed}, {plan.scenario}: {outcome.steps} messages in {outcome.virtual_s:.1f} s, " + _verdict(outcome))
        if outcome.finding is not None:
            click.echo(story(plan, outcome.finding))
            failures.append({"seed": seed, "scenario": plan.scenario, "finding": msgspec.to_builtins(outcome.finding)})
        seed += 1
    return {"schedules": seed - wish.first_seed, "real_time": True, "containers": containers, "failures": failures}


def _verdict(outcome: Any) -> str:
    return "nothing is wrong" if outcome.finding is None else f'"{outcome.finding.oracle}" is broken'


def _known(option: str, names: tuple[str, ...], known: Any) -> None:
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is none; there are {', '.join(known)}", param_hint=option)


def _explore(wish: Any, jobs: int | None, out: Path, keep: int) -> dict[str, Any]:
    from rich.console import Console

    from callboard.runtime.chaos.exploring import explore

    console = Console()
    began_s = time.monotonic()
    seen: set[int] = set()
    failures: dict[tuple[str, str], Any] = {}
    played = steps = faults = 0
    with console.status("schedules") as status:
        for one in explore(wish, jobs):
            played, steps, faults = played + 1, steps + one.steps, faults + one.faults
            seen.update(one.coverage)
            if one.finding is not None and (one.scenario, one.finding.oracle) not in failures:
                failures[(one.scenario, one.finding.oracle)] = one
                found = f'seed {one.seed}, {one.scenario}: "{one.finding.oracle}" is broken: {one.finding.object} {one.finding.words}'
                console.print(found, highlight=False, soft_wrap=True, markup=False)
            rate = played / max(time.monotonic() - began_s, 1e-6)
            status.update(f"{played} schedules, {rate:.1f}/s; {len(seen)} situations, {faults} faults, {len(failures)} failures")
            if len(failures) >= keep:
                break
    rate = played / max(time.monotonic() - began_s, 1e-6)
    console.print(
        f"{played} schedules, {rate:.1f} a second, {steps // max(played, 1)} steps each; {len(seen)} situations; {faults} faults; "
        f"{len(failures)} failures",
        highlight=False,
    )
    told = [_tell(console, one, out) for one in failures.values()]
    return {
        "schedules": played,
        "schedules_per_s": round(rate, 2),
        "mean_steps": steps // max(played, 1),
        "situations": len(seen),
        "faults": faults,
        "failures": told,
    }


def _tell(console: Any, one: Any, out: Path) -> dict[str, Any]:
    """Make a failure small, write its replay file, and say it."""
    from callboard.runtime.chaos.explaining import explain as explain_again
    from callboard.runtime.chaos.exploring import replayed
    from callboard.runtime.chaos.replaying import expectation
    from callboard.runtime.chaos.replaying import replay as replay_plan
    from callboard.runtime.chaos.shrinking import shrink
    from callboard.runtime.faults import replayfile
    from callboard.runtime.faults.findings import Outcome
    from callboard.runtime.telling.story import story

    with console.status(f"making the failure of seed {one.seed} smaller"):
        first = Outcome(one.finding, one.steps, one.virtual_s, one.trace_hash)
        shrunk = shrink(one.plan, first, lambda plan: replayed(plan, one.finding.oracle))
    finding = shrunk.outcome.finding
    assert finding is not None  # what is smaller fails too
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{one.scenario}-{one.seed}.jsonl"
    replayfile.write(path, shrunk.plan, expectation(replay_plan(shrunk.plan, finding.oracle)))
    console.print()
    console.print(story(shrunk.plan, finding), highlight=False, soft_wrap=True, markup=False)
    explained = explain_again(shrunk.plan, finding.oracle)
    if explained is not None:
        path.with_suffix(".html").write_text(explained.html, encoding="utf-8")
        if explained.state:
            console.print(f"as it was stored then:\n{explained.state}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"replay it with: callboard chaos replay {path}", highlight=False, soft_wrap=True)
    console.print(f"the picture: {path.with_suffix('.html')}", highlight=False, soft_wrap=True)
    return {
        "seed": one.seed,
        "scenario": one.scenario,
        "strategy": one.strategy,
        "finding": msgspec.to_builtins(finding),
        "replay": str(path),
        "replays": shrunk.replays,
        "holds": len(shrunk.plan.holds),
        "faults": len(shrunk.plan.faults),
    }


@command.command("replay")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--lenient", is_flag=True, help="It is enough that the same oracle fires: holds of messages that never come are left out.")
@click.option("--step", "steps", is_flag=True, help="Show every step.")
@click.option("--until", type=click.IntRange(1), help="Show the steps up to this one.")
def replay(file: Path, lenient: bool, steps: bool, until: int | None) -> int:
    """Play a replay file again. Exit code 0 if it does what it says, 1 if not."""
    from callboard.runtime.chaos import replaying
    from callboard.runtime.faults import replayfile
    from callboard.runtime.telling.story import story

    kept = replayfile.read(file)
    played = replaying.replay(kept.plan, kept.expected.oracle)
    outcome, expected = played.outcome, kept.expected
    if steps or until is not None:
        for step in played.steps[:until]:
            click.echo(replaying.step_words(step, played.began_s))
    if outcome.finding is not None:
        click.echo(story(kept.plan, outcome.finding))
    if outcome.trace_hash == expected.trace_hash:
        click.echo(f"the same history as when {file} was written, bit for bit: {outcome.steps} steps, hash {outcome.trace_hash}")
        return 0
    click.echo(f"another history than when {file} was written ({replayfile.why_other(kept)})", err=True)
    differs = replaying.first_difference(expected, played)
    if differs is not None:
        click.echo(f"the first step that differs, as it is now: {replaying.step_words(differs, played.began_s).strip()}", err=True)
    same = outcome.finding is not None and outcome.finding.oracle == expected.oracle
    if same and lenient:
        click.echo("the same oracle fires all the same")
        return 0
    click.echo("the same oracle fires; --lenient takes that for enough" if same else "that failure does not come again", err=True)
    return EXIT_NOT_SO


@command.command("shrink")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--budget", type=click.IntRange(1), default=2000, show_default=True, help="Replays to spend.")
def shrink_command(file: Path, budget: int) -> int:
    """Make the failure in a replay file smaller; the file is written anew."""
    from callboard.runtime.chaos.exploring import replayed
    from callboard.runtime.chaos.replaying import expectation
    from callboard.runtime.chaos.replaying import replay as replay_plan
    from callboard.runtime.chaos.shrinking import shrink
    from callboard.runtime.faults import replayfile
    from callboard.runtime.telling.story import story

    kept = replayfile.read(file)
    oracle = kept.expected.oracle
    outcome = replayed(kept.plan, oracle)
    if outcome.finding is None:
        click.echo(f"{file}: nothing is wrong in this schedule (any more), so there is nothing to make smaller", err=True)
        return EXIT_NOT_SO
    shrunk = shrink(kept.plan, outcome, lambda plan: replayed(plan, oracle), budget)
    replayfile.write(file, shrunk.plan, expectation(replay_plan(shrunk.plan, oracle)))
    assert shrunk.outcome.finding is not None  # what is smaller fails too
    click.echo(story(shrunk.plan, shrunk.outcome.finding))
    left = "" if shrunk.finished else "; the budget is spent, it may get smaller still"
    click.echo(f"{len(shrunk.plan.faults)} faults, {len(shrunk.plan.holds)} holds after {shrunk.replays} replays{left}")
    return 0


@command.command("explain")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Where the picture goes.  [default: beside the file]")
def explain(file: Path, html: Path | None) -> int:
    """Tell the story of a replay file: in words, and as a picture."""
    from callboard.runtime.chaos import explaining
    from callboard.runtime.faults import replayfile
    from callboard.runtime.telling.story import story

    kept = replayfile.read(file)
    found = explaining.explain(kept.plan, kept.expected.oracle)
    if found is None or found.outcome.finding is None:
        click.echo(f"{file}: nothing is wrong in this schedule (any more)", err=True)
        return EXIT_NOT_SO
    click.echo(story(kept.plan, found.outcome.finding))
    if found.state:
        click.echo(f"as it was stored then:\n{found.state}")
    path = html or file.with_suffix(".html")
    path.write_text(found.html, encoding="utf-8")
    click.echo(f"the picture: {path}")
    return 0


@command.command("audit")
@click.option("--schedules", type=click.IntRange(1), default=1000, show_default=True, help="How many schedules to play, three times each.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1), help="Worker processes.  [default: one for each core]")
def audit_command(schedules: int, seed: int, jobs: int | None) -> int:
    """See that one seed is one history: recorded, replayed, and under another hash seed. Exit code 1 if any differs."""
    from rich.console import Console

    from callboard.runtime.chaos.auditing import audit

    console = Console()
    with console.status("schedules") as status:
        found = audit(seed, schedules, jobs, lambda done: status.update(f"{done} of {schedules} compared"))
    same = found.schedules - len(set(found.replays_differ) | set(found.interpreters_differ))
    console.print(f"{same} of {found.schedules} schedules have one history: played, replayed, and under another hash seed", highlight=False)
    for what, seeds in (("the replay", found.replays_differ), ("another hash seed", found.interpreters_differ)):
        if seeds:
            console.print(f"{what} differs at seeds {', '.join(map(str, seeds))}", highlight=False, soft_wrap=True)
    return 0 if same == found.schedules else EXIT_NOT_SO


command.add_command(mutants)
command.add_command(exhaust)
