"""A served cluster, and the command line run against it in this process, as `main` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from callboard import Behaviour, Cluster
from callboard.cli.group import run

WEB = Path(__file__).resolve().parents[2] / "examples" / "web.yaml"
TALKER = Behaviour(says=["one", "two", "three"], exec=lambda asked: f"{' '.join(asked.command)} <{asked.stdin.decode()}>")


@pytest.fixture
def runtime_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sockets of this test only."""
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("CALLBOARD_SOCKET", raising=False)
    return folder


class Said(msgspec.Struct):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it said on standard output, by line."""
        return self.out.splitlines()


class Shell:
    """Runs commands; `say` is for those that must succeed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *words: str) -> Said:
        """Run `callboard WORDS`."""
        self._capsys.readouterr()
        code = run([*words])
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err)

    def say(self, *words: str) -> list[str]:
        """Run a command that succeeds and complains of nothing; the lines of its output."""
        said = self.run(*words)
        assert (said.code, said.err) == (0, ""), said
        return said.lines


@pytest.fixture
def shell(runtime_folder: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def cluster(runtime_folder: Path) -> Iterator[Cluster]:
    """Two nodes, simulated containers, served to this test only."""
    with Cluster(nodes=2, timing="fast", images={"talker": TALKER}) as running:
        running.serve("test")
        yield running


@pytest.fixture
def web(cluster: Cluster) -> Cluster:
    """The cluster with the example's Deployment rolled out."""
    cluster.apply(WEB)
    cluster.wait("deployment/web")
    return cluster


def pod(name: str, image: str = "talker", **labels: str) -> dict[str, object]:
    """A pod of one container."""
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [{"name": "main", "image": image}]}}
