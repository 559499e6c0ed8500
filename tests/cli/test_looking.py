"""Commands that look inside: logs, exec, top, describe, events."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from callboard import Cluster
from tests.cli.conftest import Shell, pod


@pytest.fixture
def talker(cluster: Cluster) -> Cluster:
    cluster.apply(pod("a"))
    cluster.wait("pod/a")
    return cluster


def test_logs(talker: Cluster, shell: Shell) -> None:
    assert shell.say("logs", "a") == ["one", "two", "three"]
    assert shell.say("logs", "pod/a", "--tail", "1", "-c", "main") == ["three"]
    stamped = shell.say("logs", "a", "--timestamps", "--since", "1h")
    assert [line.split(" ", 1)[1] for line in stamped] == ["one", "two", "three"]
    missing = shell.run("logs", "b")
    assert (missing.code, missing.err) == (1, 'Error from server (NotFound): pods "b" not found\n')
    assert shell.run("logs", "a", "-c", "other").code == 1
    assert shell.run("logs", "a", "--previous").code == 1
    assert shell.run("logs").code == 2


def test_exec_exits_with_the_command_s_own_code(talker: Cluster, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shell.say("exec", "a", "--", "cat", "-n", "x") == ["cat -n x <>"]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"hello")))
    assert shell.say("exec", "-i", "pod/a", "-c", "main", "--", "cat") == ["cat <hello>"]
    missing = shell.run("exec", "b", "--", "cat")
    assert (missing.code, missing.err) == (1, 'Error from server (NotFound): pods "b" not found\n')
    assert shell.run("exec", "a").code == 2
    talker.apply(pod("plain", image="other"))
    talker.wait("pod/plain")
    failed = shell.run("exec", "plain", "--", "cat")
    assert failed.code == 127
    assert failed.err.endswith("command terminated with exit code 127\n")


def test_top(talker: Cluster, shell: Shell) -> None:
    nodes = shell.say("top", "nodes")
    assert nodes[0] == "NAME     CPU(cores)   CPU(%)   MEMORY(bytes)   MEMORY(%)"
    assert [line.split()[0] for line in nodes[1:]] == ["node-1", "node-2"]
    pods = shell.say("top", "pod", "a", "--containers")
    assert [line.split() for line in pods] == [
        ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"],
        ["a", "main", pods[1].split()[2], pods[1].split()[3]],
    ]
    assert pods[1].split()[2].endswith("m")
    assert pods[1].split()[3].endswith("Mi")
    assert shell.say("top", "po", "-A", "--no-headers")[0].split()[:2] == ["default", "a"]
    assert shell.say("top", "pods", "--sum")[-1].split()[0].endswith("m")
    assert shell.run("top", "node", "node-7").err == 'Error from server (NotFound): nodes "node-7" not found\n'
    assert shell.run("top", "pods", "-n", "kube-system").err == "No resources found in kube-system namespace.\n"


def test_describe(talker: Cluster, shell: Shell) -> None:
    lines = shell.say("describe", "pod", "a")
    assert lines[0].split() == ["Name:", "a"]
    assert any(line.startswith("Events:") for line in lines)
    both = "\n".join(shell.say("describe", "nodes"))
    assert "node-1" in both
    assert "\n\n\nName:" in both
    assert shell.run("describe", "pod", "b").err == 'Error from server (NotFound): pods "b" not found\n'
    assert shell.run("describe", "cm").err == "No resources found in default namespace.\n"


def test_events(talker: Cluster, shell: Shell) -> None:
    lines = shell.say("events")
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert any("Scheduled" in line and "pod/a" in line for line in lines)
    assert all("pod/a" in line for line in shell.say("events", "--for", "pod/a")[1:])
    assert shell.say("events", "-A")[0].split()[0] == "NAMESPACE"
    assert shell.run("events", "--types", "Warning").err == "No events found in default namespace.\n"
    assert shell.run("events", "--types", "Odd").code == 2
    assert shell.run("events", "--for", "pod/b").err == "No events found in default namespace.\n"
