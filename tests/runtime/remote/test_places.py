"""Where sockets lie, who may reach them, and how a cluster is found."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from callboard.runtime.remote.errors import NameTaken, NoCluster, UnsafePlace
from callboard.runtime.remote.places import find, name_of_data, running, safe_folder, socket_folder, take_place
from callboard.runtime.remote.server import RemoteServer
from tests.runtime.remote.conftest import FakeHost


def test_the_socket_is_for_its_user_only_and_gone_at_the_end(server: RemoteServer, runtime_folder: Path) -> None:
    path = Path(server.path)
    assert path == runtime_folder / "callboard" / "test.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert running() == ["test"]
    server.stop()
    server.stop()
    assert not path.parent.exists()
    assert running() == []


@pytest.mark.parametrize("spoil", ["others may enter", "it is a link", "it is a file"])
def test_a_folder_that_others_may_use_is_refused(runtime_folder: Path, spoil: str) -> None:
    folder = runtime_folder / "callboard"
    if spoil == "others may enter":
        folder.mkdir(mode=0o700)
        folder.chmod(0o755)
    elif spoil == "it is a link":
        (runtime_folder / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(runtime_folder / "elsewhere")
    else:
        folder.write_text("")
    with pytest.raises(UnsafePlace, match="must be a folder of yours"):
        safe_folder()


def test_without_a_runtime_folder_the_temporary_one_carries_the_user_s_number(tmp_path: Path) -> None:
    assert socket_folder({"TMPDIR": str(tmp_path)}) == tmp_path / f"callboard-{os.getuid()}"
    assert socket_folder({"XDG_RUNTIME_DIR": str(tmp_path / "missing")}) == Path("/tmp") / f"callboard-{os.getuid()}"


def test_names_are_taken_in_turn_and_a_given_one_only_once() -> None:
    first, second = take_place(""), take_place("")
    assert (first.name, second.name) == ("default", "default-2")
    with pytest.raises(NameTaken, match='a cluster named "default" runs already'):
        take_place("default")
    first.release()
    again = take_place("default")
    for place in (again, second):
        place.release()


def test_a_socket_that_nobody_listens_at_any_more_is_replaced(runtime_folder: Path, host: FakeHost) -> None:
    folder = safe_folder()
    leftover = socket.socket(socket.AF_UNIX)
    leftover.bind(str(folder / "test.sock"))
    leftover.close()
    (folder / "test.lock").touch()
    assert running() == []
    server = RemoteServer(host, "test")
    assert running() == ["test"]
    server.stop()


def test_a_very_long_path_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: FakeHost) -> None:
    from callboard.runtime.remote.link import Link

    deep = tmp_path.joinpath(*["a-very-long-name"] * 8)
    deep.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    server = RemoteServer(host, "test")
    assert len(server.path) > 108
    link = Link(Path(server.path))
    assert link.greeting["name"] == "test"
    link.close()
    server.stop()


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", ".hidden", "-x", "x" * 60, "a\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(NoCluster, match="can't be the name of a cluster"):
        take_place(name)


def test_a_cluster_is_found_by_its_name_its_path_the_environment_or_because_it_is_alone(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NoCluster, match="no cluster runs; start one with: callboard up"):
        find()
    one = RemoteServer(host, "one")
    assert find() == find("one") == find(one.path) == Path(one.path)
    two = RemoteServer(host, "two")
    with pytest.raises(NoCluster, match=r"several clusters run \(one, two\)"):
        find()
    with pytest.raises(NoCluster, match='no cluster named "three" runs; those that run: one, two'):
        find("three")
    for said in ("two", two.path):
        monkeypatch.setenv("CALLBOARD_SOCKET", said)
        assert find() == Path(two.path)
    one.stop()
    two.stop()


def test_a_data_folder_has_one_name_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my state!"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    assert name_of_data("my state!") == name_of_data(folder) == name_of_data(tmp_path / "x" / ".." / "my state!")
    assert name_of_data(folder).startswith("my-state-")
    assert name_of_data(folder) != name_of_data(tmp_path)
    place = take_place(name_of_data(folder))
    place.release()


def test_the_last_cluster_that_ends_takes_the_folder_along_and_a_new_one_makes_it_again(runtime_folder: Path) -> None:
    folder = safe_folder()
    first, second = take_place("one"), take_place("two")
    first.release()
    assert folder.is_dir()
    second.release()
    assert not folder.exists()
    again = take_place("one")
    assert folder.is_dir()
    again.release()
