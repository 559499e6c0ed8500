"""What TAB offers: commands, types, names of what is there; quickly, and never a word where there is nothing to offer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from callboard import Cluster
from callboard.cli.group import COMMANDS, callboard
from tests.cli.conftest import WEB, Shell

BIN = Path(sys.executable).parent
HEAVY = ("numpy", "pykka", "structlog", "rich", "asyncio", "psutil", "yaml", "jsonpatch", "ssl", "subprocess", "callboard.actors")


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    complete = ShellComplete(callboard, {}, "callboard", "_CALLBOARD_COMPLETE")
    return [item.value for item in complete.get_completions([*words[:-1]], words[-1])]


def test_commands_and_options_are_offered(runtime_folder: Path) -> None:
    assert offered("des") == ["describe"]
    assert {"get", "logs", "rollout"} <= {*offered("")}
    assert offered("rollout", "re") == ["restart", "resume"]
    assert "--field-selector" in offered("get", "--fi")
    assert offered("get", "-o", "y") == ["yaml"]


def test_types_and_names_of_what_is_there_are_offered(web: Cluster) -> None:
    pods = [one.metadata.name for one in web.list("pods")]
    assert offered("get", "deploy") == ["deployments"]
    assert offered("get", "pods,serv") == ["pods,services", "pods,serviceaccounts", "pods,servicecidrs"]
    assert offered("get", "pods", "web-") == pods
    assert offered("get", "pods", pods[0], "web-") == pods[1:]
    assert offered("get", "deploy/") == ["deploy/web"]
    assert offered("describe", "node", "") == ["node-1", "node-2"]
    assert offered("drain", "node-2", "node-") == ["node-1", "node-2"]
    assert offered("logs", "w") == pods
    assert offered("logs", pods[0], "-c", "") == ["web"]
    assert offered("scale", "") == ["deployment/web"]
    assert offered("get", "-n", "def") == ["default"]
    assert offered("get", "--cluster", "") == ["test"]
    assert offered("get", "-n", "kube-system", "pods", "") == []
    assert offered("get", "--cluster", "test", "cm", "") == ["web-page"]


@pytest.mark.parametrize("words", [("get", "pods", ""), ("logs", ""), ("get", "-n", ""), ("drain", ""), ("get", "nonsense/", "")])
def test_without_a_cluster_nothing_is_offered_and_nothing_said(
    words: tuple[str, ...], runtime_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert offered(*words) == []
    assert capfd.readouterr() == ("", "")
    assert os.listdir(runtime_folder) == [], "a completion makes nothing"


def test_types_are_offered_without_a_cluster_too(runtime_folder: Path) -> None:
    assert offered("get", "endpointsl") == ["endpointslices"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str, runtime_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = "\n".join(Shell(capsys).say("completion", shell))
    assert "_CALLBOARD_COMPLETE" in script
    if shutil.which(shell) is not None:
        assert subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False).stderr == ""


def test_bash_completes_a_name_of_the_running_cluster(web: Cluster) -> None:
    script = """
    source <(callboard completion bash)
    COMP_WORDS=(callboard get deployments w); COMP_CWORD=3
    _callboard_completion callboard
    echo "${COMPREPLY[@]}"
    """
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("web\n", "")


def test_asking_a_cluster_imports_nothing_heavy(web: Cluster) -> None:
    program = (
        "import sys; from callboard.cli.group import run; code = run(['get', 'pods']);"
        f"print([name for name in sys.modules if name.startswith({HEAVY!r})]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_the_group_s_line_about_it_is_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = callboard.get_command(click.Context(callboard), name)
    assert command is not None
    assert command.name == name
    assert COMMANDS[name][1].endswith(".")
    assert command.help
    assert any(word in command.help.lower() for word in COMMANDS[name][1].lower().rstrip(".").split()[:3])


def test_up_s_live_view_has_nodes_pods_and_their_usage(web: Cluster) -> None:
    import io

    from rich.console import Console

    from callboard.cli.live import Picture

    web.top("pods")  # there are metrics now
    console = Console(file=io.StringIO(), width=160, height=40, force_terminal=True)
    console.print(Picture(web, console))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for pod in web.list("pods"):
        assert pod.metadata.name in text
    for word in ("node-1", "Ready", "1/1", "Running", "RESTARTS", "CPU", "MEMORY", "0Mi"):
        assert word in text


def test_up_s_live_view_shows_what_is_in_trouble_first_and_says_how_much_more_there_is(cluster: Cluster) -> None:
    import io

    from rich.console import Console

    from callboard.cli.live import Picture

    cluster.apply(WEB)
    cluster.scale("deployment/web", 12)
    cluster.wait("deployment/web")
    held = {"name": "held", "namespace": "default"}
    spec = {"nodeSelector": {"no": "such"}, "containers": [{"name": "a", "image": "a"}]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": held, "spec": spec})
    console = Console(file=io.StringIO(), width=160, height=14, force_terminal=True)
    picture = Picture(cluster, console, with_usage=False)
    console.print(picture)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    first = next(number for number, line in enumerate(lines) if "POD" in line)
    assert "held" in lines[first + 1]
    assert "and 6 more pods" in lines[-1]
    cluster.stop()
    assert any("the cluster does not answer" in str(part) for part in picture.__rich__().renderables)
