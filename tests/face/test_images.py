"""The table of images as users write it: a mapping or a file, what is refused of it, and what this machine has."""

from __future__ import annotations

import os
import pwd
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from callboard import Cluster
from callboard.models.api.core import Container
from callboard.models.errors import BadRequest
from callboard.models.images import PATH, Program, PullProblem, Resolved
from callboard.models.programs import builtin
from callboard.runtime.face.images import image_table
from callboard.runtime.process.installed import Installed


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_says_the_same_as_a_mapping(tmp_path: Path) -> None:
    text = """
    tool:
      command: [/bin/echo, hello]
      args: [world]
      env: {A: "1"}
      workingDir: /data
      user: 7
      install: "apt-get install tool"
    "shop/*": {command: [/bin/cat]}
    """
    program = Program(["/bin/echo", "hello"], ["world"], {"A": "1"}, "/data", 7, install="apt-get install tool")
    tables = [image_table(write(tmp_path / "a.yaml", text)), image_table(str(tmp_path / "a.yaml")), image_table({"tool": program})]
    for table in tables:
        assert table.program_of("docker.io/library/tool:2") == program
    assert tables[0].program_of("shop/web:1") == Program(["/bin/cat"])


def test_fields_may_be_given_where_a_program_is_expected() -> None:
    assert image_table({"tool": {"command": ["/bin/echo"]}}).program_of("tool") == Program(["/bin/echo"])


def test_an_empty_file_adds_nothing(tmp_path: Path) -> None:
    table = image_table(write(tmp_path / "empty.yaml", ""))
    assert table.program_of("nginx") is not None
    assert table.program_of("nosuch") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]", "holds a list"),
        ("a: b", "a is a str; give a Program"),
        ("a: {comand: [b]}", "has no field 'comand'; there are aliases, args, command, env"),
        ("a: {command: b}", r"Expected `array`, got `str` - at `\$.command`"),
        ("a: {command: [1]}", "Expected `str`"),
        ("a: {}", "command is empty"),
        ("7: {command: [b]}", "7 is no name or pattern"),
        ("a: {command: [b], workingDir: c}", "'c' is no absolute path"),
        ("a: [", "is no YAML"),
        ("a: !!binary x", "is no YAML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_where_and_what(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "images.yaml", text)
    with pytest.raises(BadRequest, match=words) as refused:
        image_table(path)
    assert "images.yaml" in str(refused.value)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(BadRequest, match=r"images: '/no/such/file' can't be read: No such file or directory"):
        image_table("/no/such/file")


@pytest.mark.parametrize("images", [{"web": 7}, {7: Program(["a"])}, {"web": {"command": "x"}}])
def test_a_cluster_refuses_a_table_that_makes_no_sense(images: Any) -> None:
    with pytest.raises(BadRequest):
        Cluster(nodes=1, containers="process", isolation="C0", images=images)


# -- this machine -------------------------------------------------------------------------------------------------------------------


def test_the_folders_of_the_machine_come_first_and_shims_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/opt/mine/bin:/root/.pyenv/shims:relative:/usr/bin:")
    assert Installed().path == f"{PATH}:/opt/mine/bin"


def test_what_is_installed_is_found_and_what_is_not_is_not(tmp_path: Path) -> None:
    machine = Installed()
    assert machine.find("sh", machine.path).endswith("/sh")
    assert machine.find("no-such-program", machine.path) == ""
    tool = write(tmp_path / "tool", "#!/bin/sh\n")
    assert machine.find("tool", str(tmp_path)) == "", "nobody may execute it"
    tool.chmod(0o755)
    assert machine.find("tool", str(tmp_path)) == str(tool)
    assert machine.find(str(tool), "") == str(tool)


def test_what_lies_outside_usr_needs_its_prefix_and_that_of_what_it_points_at(tmp_path: Path) -> None:
    machine = Installed()
    for name in ("real/bin", "links/bin", "loose"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "real/bin/tool").touch()
    (tmp_path / "links/bin/tool").symlink_to(tmp_path / "real/bin/tool")
    (tmp_path / "loose/tool").touch()
    assert machine.mounts(str(tmp_path / "links/bin/tool")) == (str(tmp_path / "links"), str(tmp_path / "real"))
    assert machine.mounts(str(tmp_path / "loose/tool")) == (str(tmp_path / "loose"),)
    assert machine.mounts("/usr/bin/sh") == machine.mounts("/bin/sh") == ()


def test_users_of_the_machine_are_known_by_name() -> None:
    me = pwd.getpwuid(os.geteuid())
    assert Installed().user(me.pw_name) == (me.pw_uid, me.pw_gid)
    assert Installed().user("no-such-user") is None


def test_python_is_there_even_where_only_the_one_that_runs_this_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installed, "path", f"{sys.base_exec_prefix}/nothing-here")
    answer = image_table().command_of(Container(name="a", image="python:3.12", command=("python", "-V")))
    assert isinstance(answer, Resolved)
    assert answer.argv[0] in ("python", "python3")
    assert dict(answer.env)["PATH"].startswith(f"{sys.base_exec_prefix}/bin:")


def test_what_nobody_knows_is_told_by_the_table_of_this_machine() -> None:
    answer = image_table({"ghost": Program(["no-such-program"])}).command_of(Container(name="a", image="ghost:1"))
    assert isinstance(answer, PullProblem)
    assert "'no-such-program' is not installed" in answer.message


# -- docs/images.md -----------------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[2] / "docs" / "images.md"


def test_the_file_on_the_page_is_read_and_says_what_the_mapping_above_it_says(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    table = image_table(write(tmp_path / "images.yaml", text))
    greeter = table.program_of("greeter:1")
    assert greeter is not None
    assert (greeter.command, greeter.args, greeter.working_dir) == (("echo", "hello"), ("world",), "/data")
    assert table.program_of("shop/web") == Program(["/bin/cat"])
    fields = {*re.findall(r"^  (\w+):", text, re.M)}
    assert fields == {name for name in Program.__struct_fields__ if name != "working_dir"} | {"workingDir"}


def test_the_page_knows_the_images_that_are_known_and_what_they_need() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \|[^|]*\| `([a-z0-9-]+)` \|", PAGE.read_text(encoding="utf-8"), re.M)
    known = {name: (*program.needs, *program.command, *program.args)[0] for name, program in builtin()}
    assert dict(rows) == known


# -- a cluster ----------------------------------------------------------------------------------------------------------------------


def test_what_is_installed_while_a_container_waits_for_it_is_found_by_the_next_try(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "late"}, "spec": {"containers": [{"name": "main", "image": "late:1"}]}}
    images = {"late": Program([str(tool)], ["1000"], install="put it there")}
    with Cluster(nodes=1, containers="process", isolation="C0", timing="fast", images=images) as c:
        c.apply(pod)
        waiting = c.wait("pod/late", lambda one: why_it_waits(one) == "ImagePullBackOff", timeout="30s")
        assert "to have it: put it there" in waiting.status.container_statuses[0].state.waiting.message
        write(tool, '#!/bin/sh\nexec sleep "$@"\n').chmod(0o755)
        c.wait("pod/late", "Ready", timeout="60s")


def why_it_waits(pod: Any) -> str:
    """The reason why a pod's container waits; "" if it doesn't."""
    statuses = pod.status.container_statuses if pod.status is not None else ()
    waiting = statuses[0].state.waiting if statuses and statuses[0].state is not None else None
    return waiting.reason if waiting is not None else ""
