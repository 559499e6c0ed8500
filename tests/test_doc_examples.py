"""The examples in docstrings and in the README run."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("actors", "bench", "models", "runtime", "src/callboard/cli")
MODULES = [
    "callboard." + str(path.relative_to(ROOT / "src" / "callboard" if room.startswith("src") else ROOT).with_suffix("")).replace("/", ".")
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
"""Every module that has an example, wherever it is moved."""
README_BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    failures, tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert tried > 0, f"{name} has no example"
    assert failures == 0


def test_the_public_verbs_each_have_an_example() -> None:
    from callboard.runtime.face.cluster import Cluster
    from callboard.runtime.face.handles import ComponentHandle, NodeHandle, Nodes
    from callboard.runtime.face.rollout import Rollouts
    from callboard.runtime.face.simulation import Simulation

    contract: dict[type, str] = {
        Rollouts: "history undo pause resume restart status",
        Cluster: "apply get list watch wait scale patch delete url request stats namespace serve logs exec describe events events_text top"
        " evict still_there resolve add",
        Simulation: "advance settle invariant trace_hash add",
        Nodes: "add remove",
        NodeHandle: "crash restart partition heal cordon uncordon drain",
        ComponentHandle: "crash restart",
    }
    silent = [
        f"{owner.__name__}.{name}"
        for owner, names in contract.items()
        for name in names.split()
        if ">>>" not in (getattr(owner, name).__doc__ or "")
    ]
    assert not silent, f"these have no example in their docstring: {silent}"


@pytest.mark.parametrize("number", range(len(README_BLOCKS)))
def test_python_in_the_readme_runs(number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(README_BLOCKS[number], f"README.md, block {number + 1}", "exec"), {"__name__": "readme"})
