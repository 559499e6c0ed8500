"""Reading the output of real containers: files that only grow, a piece at a time. Called on a worker's thread, since it blocks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import msgspec

PIECE_BYTES = 256 * 1024
"""Most bytes of one answer; whoever wants more reads on from its offset."""
BLOCK_BYTES = 64 * 1024


class Piece(msgspec.Struct, frozen=True):
    """A piece of a file, where to read on, and where the file ended when it was read."""

    content: bytes
    offset: int
    end: int


def read_piece(path: Path, offset: int, tail_lines: int) -> Piece:
    """Read from `offset` on; of what is there only the last `tail_lines` (below 0: all). Raises OSError."""
    with path.open("rb", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size
        if tail_lines >= 0:
            offset = max(offset, start_of_tail(file, end, tail_lines))
        file.seek(min(offset, end))
        content = file.read(min(PIECE_BYTES, end - min(offset, end)))
    return Piece(content, min(offset, end) + len(content), end)


def start_of_tail(file: BinaryIO, end: int, lines: int) -> int:
    """Where the last `lines` lines of a file of `end` bytes begin. A last line without its end counts as one."""
    if lines == 0 or end == 0:
        return end
    file.seek(end - 1)
    wanted = lines + 1 if file.read(1) == b"\n" else lines  # so many line ends from the end, and the tail begins behind the last of them
    place = end
    while place > 0:
        begin = max(place - BLOCK_BYTES, 0)
        file.seek(begin)
        block = file.read(place - begin)
        found = block.count(b"\n")
        if found >= wanted:
            at = len(block)
            for _ in range(wanted):
                at = block.rfind(b"\n", 0, at)
            return begin + at + 1
        wanted -= found
        place = begin
    return 0
