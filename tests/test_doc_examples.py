"""The examples in docstrings and on the pages for users run."""

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
PAGES = ("README.md", "docs/chaos.md")
BLOCKS = [
    (page, number, text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S), start=1)
]


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
        Simulation: "advance settle invariant trace_hash add faults eventually links save_replay chart",
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


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS, ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "")
def test_python_on_the_pages_runs(
    page: str, number: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)  # what an example writes is not to stay
    exec(compile(text, f"{page}, block {number}", "exec"), {"__name__": "page"})
