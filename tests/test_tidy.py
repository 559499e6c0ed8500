"""House rules that no linter knows: sizes, rooms, and what actors must never reach."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("actors", "models", "runtime", "bench", "src/callboard/cli", "src/callboard/chaos", "tests")
GENERATED = ("models/api/",)
FILE_LINES_LIMIT = 400
FUNCTION_LINES_LIMIT = 70
PURE_ROOMS = ("actors", "models")
OFFLINE_TOOLS = ("models/codegen/",)
BANNED_IMPORTS = frozenset(
    [
        "time",
        "random",
        "uuid",
        "os",
        "threading",
        "asyncio",
        "socket",
        "subprocess",
        "pathlib",
        "io",
        "secrets",
        "selectors",
        "signal",
        "tempfile",
        "shutil",
        "multiprocessing",
        "concurrent",
        "logging",
        "queue",
        "sched",
        "glob",
    ]
)
BANNED_NAMES = frozenset({"open", "input", "print", "id", "hash"})
TOP_LEVEL = frozenset(
    [
        "pyproject.toml",
        "Makefile",
        "packages.apt",
        "README.md",
        "ARCHITECTURE.md",
        "LICENSE",
        "CHANGELOG.md",
        ".gitignore",
        ".ci",
        "actors",
        "runtime",
        "models",
        "tests",
        "bench",
        "src",
        "examples",
        "docs",
    ]
)


def _sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not _relative(path).startswith(GENERATED):
                yield path


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_are_short_enough_to_read_in_one_go() -> None:
    long = {_relative(path): lines for path in _sources(*ROOMS) if (lines := len(path.read_text().splitlines())) > FILE_LINES_LIMIT}
    assert not long, f"files of more than {FILE_LINES_LIMIT} lines; split them by what they judge: {long}"


def test_functions_are_short_enough_to_see_at_once() -> None:
    long = []
    for path in _sources(*ROOMS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines >= FUNCTION_LINES_LIMIT:
                    long.append(f"{_relative(path)}:{node.lineno} {node.name} has {lines} lines")
    assert not long, "\n".join(long)


def test_every_module_says_why_it_exists() -> None:
    silent = [
        _relative(path) for path in _sources(*ROOMS) if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent, silent


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_actors_and_models_reach_no_clock_no_randomness_and_no_io(room: str) -> None:
    found = []
    for path in _sources(room):
        if _relative(path).startswith(OFFLINE_TOOLS):
            continue
        for line, module in _imported(ast.parse(path.read_text())):
            if module.split(".")[0] in BANNED_IMPORTS:
                found.append(f"{_relative(path)}:{line} imports {module}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_actors_and_models_call_nothing_that_differs_between_runs(room: str) -> None:
    found = []
    for path in _sources(room):
        if _relative(path).startswith(OFFLINE_TOOLS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_NAMES:
                found.append(f"{_relative(path)}:{node.lineno} calls {node.func.id}()")
            if isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
                found.append(f"{_relative(path)}:{getattr(node, 'lineno', node.iter.lineno)} iterates over a set")
            if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"} and _names_datetime(node.value):
                found.append(f"{_relative(path)}:{node.lineno} reads the wall clock")
    assert not found, "\n".join(found)


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"set", "frozenset"}


def _names_datetime(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"datetime", "date"}


def test_the_top_level_holds_only_the_rooms() -> None:
    strangers = {path.name for path in ROOT.iterdir()} - TOP_LEVEL
    unexpected = {name for name in strangers if not name.startswith(".") and name not in {"build", "dist"}}
    assert not unexpected, unexpected


def test_the_package_links_to_the_real_rooms() -> None:
    for room in ("actors", "models", "runtime", "bench"):
        link = ROOT / "src/callboard" / room
        assert link.resolve() == (ROOT / room).resolve(), f"{link} should be a link to ../../{room}"
