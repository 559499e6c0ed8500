"""Hosts files of running pods follow the cluster's names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.models.dns import Record
from callboard.models.messages.dns import NamesPart, ServeNames
from callboard.runtime.dns.hostsbook import HostsBook

OWN = "127.0.0.1\tlocalhost\n"
LIMIT_S = 20.0


@pytest.fixture
def book() -> Iterator[HostsBook]:
    made = HostsBook()
    yield made
    made.close()


def names(number: int, whole: bool, **of: str) -> ServeNames:
    """Addresses of Services of the namespace default by name; "": no longer there."""
    parts = tuple(
        NamesPart(name, (Record(f"{name}.default.svc.cluster.local", "A", address),) if address else ()) for name, address in of.items()
    )
    return ServeNames(number, whole, ("default",), parts)


def becomes(path: Path, *, having: str = "", lacking: str = "\0") -> str:
    """The text of a file once it says the one and not the other."""
    deadline_s = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline_s:
        text = path.read_text()
        if having in text and lacking not in text:
            return text
        time.sleep(0.01)
    raise AssertionError(f"{path} says {path.read_text()!r}")


def test_a_pods_file_says_at_once_what_is_known_and_follows(book: HostsBook, tmp_path: Path) -> None:
    book.tell(names(1, True, web="127.7.128.1"))
    path = tmp_path / "hosts"
    book.put("a", "default", path, OWN)
    assert path.read_text().startswith(OWN)
    assert "127.7.128.1\tweb.default.svc.cluster.local\tweb.default.svc\tweb.default\tweb\n" in path.read_text()
    book.tell(names(2, False, db="127.7.128.2"))
    assert "127.7.128.1\tweb" in becomes(path, having="127.7.128.2\tdb")
    book.tell(names(3, False, web=""))
    assert becomes(path, lacking="127.7.128.1").startswith(OWN)
    book.tell(names(4, True, mq="127.7.128.3"))
    assert "127.7.128.3\tmq" in becomes(path, lacking="127.7.128.2")


def test_a_file_is_written_in_place_since_containers_have_it_mounted(book: HostsBook, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    book.put("a", "default", path, OWN)
    with path.open() as mounted:
        book.tell(names(1, True, web="127.7.128.1"))
        becomes(path, having="127.7.128.1")
        assert "127.7.128.1" in mounted.read()


def test_short_names_are_those_of_the_pods_own_namespace(book: HostsBook, tmp_path: Path) -> None:
    book.tell(names(1, True, web="127.7.128.1"))
    book.put("a", "other", tmp_path / "hosts", "")
    assert (tmp_path / "hosts").read_text().splitlines()[-1] == "127.7.128.1\tweb.default.svc.cluster.local\tweb.default.svc\tweb.default"


def test_a_pod_that_is_gone_is_written_for_no_more_and_does_not_hold_up_others(book: HostsBook, tmp_path: Path) -> None:
    for uid in ("gone", "lost", "here"):
        (tmp_path / uid).mkdir()
        book.put(uid, "default", tmp_path / uid / "hosts", OWN)
    book.drop("gone")
    (tmp_path / "lost" / "hosts").unlink()
    (tmp_path / "lost").rmdir()
    book.tell(names(1, True, web="127.7.128.1"))
    becomes(tmp_path / "here" / "hosts", having="127.7.128.1")
    assert (tmp_path / "gone" / "hosts").read_text() == OWN


def test_a_link_in_the_place_of_the_file_is_not_followed(book: HostsBook, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("untouched")
    (tmp_path / "hosts").symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        book.put("a", "default", tmp_path / "hosts", OWN)
    assert (tmp_path / "other").read_text() == "untouched"


def test_after_close_nothing_is_written(tmp_path: Path) -> None:
    book = HostsBook()
    book.put("a", "default", tmp_path / "hosts", OWN)
    book.tell(names(1, True))
    book.close()
    book.close()
    book.tell(names(2, False, web="127.7.128.1"))
    assert (tmp_path / "hosts").read_text() == OWN
