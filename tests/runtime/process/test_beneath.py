"""What lies below a folder is opened and made there, and nowhere else, also while somebody plants links and swaps them."""

from __future__ import annotations

import ctypes
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.runtime.process.beneath import make_beneath, make_file_beneath, open_beneath

AT_FDCWD = -100
RENAME_EXCHANGE = 2
libc = ctypes.CDLL(None)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "volume" / "in").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "volume" / "in" / "file").write_text("inside")
    return tmp_path


@pytest.fixture
def volume(place: Path) -> Iterator[int]:
    fd = os.open(place / "volume", os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def read(fd: int) -> str:
    with os.fdopen(fd) as file:
        return file.read()


def test_links_that_stay_below_the_folder_are_followed(place: Path, volume: int) -> None:
    (place / "volume" / "link").symlink_to("in/../in/file")
    assert read(open_beneath(volume, "link", os.O_RDONLY)) == "inside"


@pytest.mark.parametrize("target", ["../outside", "/", "in/../../outside", "/proc/self/root"])
def test_a_link_that_leads_out_is_an_error_whoever_asks_for_a_folder_or_makes_one(place: Path, volume: int, target: str) -> None:
    (place / "volume" / "link").symlink_to(target)
    for ask in (
        lambda: open_beneath(volume, "link/secret"),
        lambda: make_beneath(volume, ("link", "new")),
        lambda: make_file_beneath(volume, ("link", "new")),
    ):
        with pytest.raises(OSError, match="cross-device"):
            ask()
    assert [entry.name for entry in (place / "outside").iterdir()] == ["secret"]


def test_missing_folders_are_made_with_the_mode_of_the_folder_itself(place: Path, volume: int) -> None:
    (place / "volume").chmod(0o777)
    before = os.umask(0o077)
    try:
        os.close(make_beneath(volume, ("a", "b")))
    finally:
        os.umask(before)
    assert [(place / "volume" / path).stat().st_mode & 0o777 for path in ("a", "a/b")] == [0o777, 0o777]


def test_a_place_for_a_file_is_made_and_what_is_there_is_left(place: Path, volume: int) -> None:
    make_file_beneath(volume, ("deep", "file"))
    make_file_beneath(volume, ("in", "file"))
    assert ((place / "volume/deep/file").read_text(), (place / "volume/in/file").read_text()) == ("", "inside")


def test_nobody_gets_out_by_swapping_a_folder_for_a_link_between_check_and_use(place: Path, volume: int) -> None:
    """Another thread exchanges a folder for a link to the outside again and again; what is opened is the inside or an error."""
    (place / "volume" / "swap").mkdir()
    (place / "volume" / "swap" / "secret").write_text("inside")
    (place / "volume" / "link").symlink_to("../outside")
    over = threading.Event()

    ours, theirs = (os.fsencode(place / "volume" / name) for name in ("swap", "link"))

    def swap() -> None:
        chance = random.Random(1)
        while not over.wait(chance.random() / 5_000):  # without a rest the kernel would only ever say EAGAIN
            for _ in range(chance.randint(1, 4)):
                assert libc.renameat2(AT_FDCWD, ours, AT_FDCWD, theirs, RENAME_EXCHANGE) == 0

    attacker = threading.Thread(target=swap)
    attacker.start()
    seen = {"inside": 0, "error": 0}
    try:
        for number in range(100_000):
            if number >= 20_000 and all(seen.values()):
                break
            try:
                said = read(open_beneath(volume, "swap/secret", os.O_RDONLY))
                os.close(make_beneath(volume, ("swap", f"new-{number}")))
            except OSError:
                said = "error"
            seen[said] += 1
    finally:
        over.set()
        attacker.join()
    assert all(seen.values()), f"the race was never run: {seen}"
    assert [entry.name for entry in (place / "outside").iterdir()] == ["secret"]
