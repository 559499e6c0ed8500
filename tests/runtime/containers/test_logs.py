"""What is read of the output of containers, simulated and real: tails, pieces, places that stay right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.runtime.containers import process_logs
from callboard.runtime.containers.process_logs import bound_log, read_piece
from callboard.runtime.containers.simulated_log import LINES_LIMIT, SimulatedLog

TEXTS = st.lists(st.sampled_from([b"a", b"bb\n", b"\n", b"\xff\n", b"long " * 9]), max_size=30).map(b"".join)


def tail_of(content: bytes, lines: int) -> bytes:
    return b"".join(content.splitlines(keepends=True)[-lines:]) if lines else b""


@given(content=TEXTS, lines=st.integers(0, 12), block=st.integers(1, 40))
def test_the_tail_of_a_file_is_its_last_lines_whatever_the_size_of_the_blocks(
    tmp_path_factory: object, content: bytes, lines: int, block: int
) -> None:
    path = Path(tmp_path_factory.mktemp("logs")) / "0.log"  # type: ignore[attr-defined]
    path.write_bytes(content)
    before, process_logs.BLOCK_BYTES = process_logs.BLOCK_BYTES, block
    try:
        piece = read_piece(path, 0, lines)
    finally:
        process_logs.BLOCK_BYTES = before
    assert piece.content == tail_of(content, lines)
    assert piece.offset == piece.end == len(content)


def test_a_large_file_is_read_by_pieces_and_a_growing_one_from_where_the_last_piece_ended(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    content = b"0123456789\n" * 50_000
    path.write_bytes(content)
    read, offset, pieces = b"", 0, 0
    while True:
        piece = read_piece(path, offset, -1)
        read, offset, pieces = read + piece.content, piece.offset, pieces + 1
        if offset == piece.end:
            break
    assert read == content
    assert pieces == 3
    with path.open("ab") as more:
        more.write(b"more\n")
    assert read_piece(path, offset, -1).content == b"more\n"
    assert read_piece(path, offset + 10**9, -1).content == b""


def test_a_simulated_log_keeps_its_newest_lines_and_readers_keep_their_place() -> None:
    log = SimulatedLog()
    for number in range(LINES_LIMIT + 10):
        log.write(f"line {number}", float(number))
    assert log.read(0, -1, 0.0, False).startswith(b"line 10\n")
    assert log.read(LINES_LIMIT + 9, -1, 0.0, False) == b"line 1009\n"
    assert log.read(log.end, -1, 0.0, False) == b""
    assert log.read(0, 2, 0.0, False) == b"line 1008\nline 1009\n"
    assert log.read(0, -1, 1009.0, True) == b"1970-01-01T00:16:49.000000000Z line 1009\n"


def kept_of(path: Path) -> bytes:
    """All that can still be read of a file."""
    read, offset = b"", 0
    while True:
        piece = read_piece(path, offset, -1)
        read, offset = read + piece.content, piece.offset
        if offset == piece.end:
            return read


def test_the_oldest_output_goes_when_there_is_too_much_and_no_line_is_lost_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_logs, "LOG_FILE_BYTES", 256 * 1024)
    path = tmp_path / "0.log"
    with path.open("ab", buffering=0) as container:
        container.write(b"".join(b"%015d\n" % number for number in range(81_920)))  # 1.25 MiB: as much as may be kept
        bound_log(path)
        assert kept_of(path) == path.read_bytes()
        place = read_piece(path, 0, 0).offset
        container.write(b"one more\n")
        bound_log(path)
        kept = kept_of(path)
        assert len(kept) <= 4 * 256 * 1024 + process_logs.BLOCK_BYTES
        assert path.stat().st_blocks * 512 <= 4 * 256 * 1024 + 2 * process_logs.BLOCK_BYTES
        lines = kept.splitlines()
        assert [int(line) for line in lines[:-1]] == list(range(81_920 - len(lines) + 1, 81_920))
        assert lines[-1] == b"one more"
        assert read_piece(path, place, -1).content == b"one more\n", "who follows it reads on where he was"
        container.write(b"and on\n")
        assert read_piece(path, 0, 2).content == b"one more\nand on\n"
        assert read_piece(path, 0, 10**6).offset == read_piece(path, 0, -1).offset


def test_output_without_a_line_end_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_logs, "LOG_FILE_BYTES", 128 * 1024)
    path = tmp_path / "0.log"
    path.write_bytes(b"x" * 1_000_000)
    bound_log(path)
    assert kept_of(path) in (b"x" * length for length in range(4 * 128 * 1024, 4 * 128 * 1024 + process_logs.BLOCK_BYTES))
    assert read_piece(path, 0, 5).offset > 0


@pytest.mark.parametrize("number", [-(2**80), -1, 2**80])
def test_places_and_tails_that_are_nowhere_are_taken_as_the_nearest_ones(tmp_path: Path, number: int) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"a\nb\n")
    rest = b"a\nb\n" if number < 0 else b""
    assert read_piece(path, number, -1).content == rest
    assert read_piece(path, 0, number).content == b"a\nb\n"
    log = SimulatedLog()
    log.write("a\nb", 1.0)
    assert log.read(number, -1, 0.0, False) == rest
    assert log.read(0, number, 0.0, False) == b"a\nb\n"
