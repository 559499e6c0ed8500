"""The properties notice when one of the rules of convergence, or of rollouts, is taken out of a copy of the code.

The worlds and rollouts that show it are known ones, found by the random search on such copies and shrunk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("actors", "models", "runtime", "bench", "src", "examples", "tests/__init__.py", "tests/properties", "pyproject.toml")

RULES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "2: a gap in a stream leads to a new list": (
        (
            "actors/informer.py",
            "        if subscription == self._subscription and seq == self._expected_seq and self._early:\n            self.relist()",
            "        self._early.clear()",
        ),
    ),
    "3: a key waits for the controller's own writes": (
        ("actors/ownwrites.py", "        return key not in self._in_flight and key not in self._awaited", "        return True"),
    ),
    "5: a write of what was read carries what was read as its precondition": (
        (
            "actors/store/keyspace.py",
            "            if (0 if obj is None else obj.metadata.resource_version) != compare.mod_revision:",
            "            if compare.mod_revision < 1 and (0 if obj is None else obj.metadata.resource_version) != compare.mod_revision:",
        ),
    ),
    "a component leaves an apiserver for what that very one left unanswered": (
        ("actors/client.py", "        if self.server in silent:\n", "        if any(True for _ in silent):\n"),
    ),
    "6: of several copies one leads, and its writes are fenced": (
        ("actors/client.py", "        if self.candidate is None:\n            return True\n", "        return True\n"),
        ("actors/client.py", "        return None if self.candidate is None else self.candidate.fence", "        return None"),
    ),
}

ROLLOUT_RULES: dict[str, tuple[str, str, str]] = {
    "pods beyond the surge": (
        "actors/deployment/sizes.py",
        "    room = wanted + max_surge(deployment) - sum(at_most(one) for one in all_sets)",
        "    room = wanted + max_surge(deployment) + 1 - sum(at_most(one) for one in all_sets)",
    ),
    "whether pods are available": (
        "actors/deployment/sizes.py",
        "    return min(told_available(replica_set), spec_replicas(replica_set))",
        "    return spec_replicas(replica_set)",
    ),
    "how long pods have been ready": (
        "models/podstatus.py",
        "    return since is not None and (min_ready_s <= 0 or since + min_ready_s <= now)",
        "    return since is not None",
    ),
}


def _copy(to: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, to / name
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def _run(copy: Path, probe: str = "test_convergence.py", which: str = "known_worlds") -> subprocess.CompletedProcess[str]:
    probe = f"tests/properties/{probe}"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--show-capture=no", "-k", which, probe],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.mark.parametrize("rule", RULES)
def test_without_this_rule_worlds_do_not_converge(rule: str, tmp_path: Path) -> None:
    _copy(tmp_path)
    for module, before, after in RULES[rule]:
        text = (tmp_path / module).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{module} no longer says exactly once: {before}"
        (tmp_path / module).write_text(text.replace(before, after), encoding="utf-8")
    said = _run(tmp_path)
    assert said.returncode == 1, f"nothing noticed that this rule is gone: {said.stdout[-2000:]}{said.stderr[-2000:]}"
    assert "test_known_worlds_converge" in said.stdout, said.stdout[-4000:]


@pytest.mark.parametrize("rule", ROLLOUT_RULES)
def test_who_forgets_this_in_a_rollout_breaks_a_promise(rule: str, tmp_path: Path) -> None:
    _copy(tmp_path)
    module, before, after = ROLLOUT_RULES[rule]
    text = (tmp_path / module).read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{module} no longer says exactly once: {before}"
    (tmp_path / module).write_text(text.replace(before, after), encoding="utf-8")
    said = _run(tmp_path, "test_rollouts.py", "known_rollouts")
    assert said.returncode == 1, f"nothing noticed that this is forgotten: {said.stdout[-2000:]}{said.stderr[-2000:]}"
    assert "promised" in said.stdout or "allowed" in said.stdout, said.stdout[-4000:]


def test_the_copy_itself_is_sound(tmp_path: Path) -> None:
    _copy(tmp_path)
    said = _run(tmp_path)
    assert said.returncode == 0, said.stdout[-4000:]
