"""The output of real containers: read a piece at a time, and kept within bounds. Called on a worker's thread, since it blocks.

A container writes straight into its file, so nobody can hand it another one, as Kubernetes does with the files of a shim, and cutting the
file short would lose what is written meanwhile. Instead the oldest part of it is given back to the file system: a hole, which takes no
room. What is written stays where it was, and so does every offset that somebody reads on from.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import BinaryIO

import msgspec

PIECE_BYTES = 256 * 1024
"""Most bytes of one answer; whoever wants more reads on from its offset."""
BLOCK_BYTES = 64 * 1024
LOG_FILE_BYTES = 10 * 1024 * 1024
LOG_FILES = 5
"""Kubernetes keeps so many files of so many bytes of a container's output (kubelet's containerLogMaxSize, containerLogMaxFiles): at the
moment of a rotation one less, then up to all of them."""
_PUNCH_HOLE = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE, FALLOC_FL_KEEP_SIZE of linux/falloc.h
_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class Piece(msgspec.Struct, frozen=True):
    """A piece of a file, where to read on, and where the file ended when it was read."""

    content: bytes
    offset: int
    end: int


def read_piece(path: Path, offset: int, tail_lines: int) -> Piece:
    """Read from `offset` on; of what is there only the last `tail_lines` (below 0: all). Raises OSError."""
    with path.open("rb", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size
        begin = first_kept(file, end)
        offset = max(offset, begin)
        if tail_lines >= 0:
            offset = max(offset, start_of_tail(file, end, tail_lines, begin))
        file.seek(min(offset, end))
        content = file.read(min(PIECE_BYTES, end - min(offset, end)))
    return Piece(content, min(offset, end) + len(content), end)


def bound_log(path: Path) -> None:
    """Give the oldest output back to the file system where there is more of it than Kubernetes keeps. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        found = os.fstat(file.fileno())
        first = os.lseek(file.fileno(), 0, os.SEEK_DATA) if found.st_blocks else found.st_size
        if found.st_size - first <= LOG_FILES * LOG_FILE_BYTES:
            return
        goes = (found.st_size - (LOG_FILES - 1) * LOG_FILE_BYTES) // BLOCK_BYTES * BLOCK_BYTES
        if _fallocate(file.fileno(), _PUNCH_HOLE, 0, goes) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))


def first_kept(file: BinaryIO, end: int) -> int:
    """Where the first line that is kept of a file of `end` bytes begins."""
    try:
        first = os.lseek(file.fileno(), 0, os.SEEK_DATA)
    except OSError as problem:
        if problem.errno == errno.ENXIO:  # there is nothing but a hole, or nothing at all
            return end
        raise
    if first == 0:
        return 0
    file.seek(first)
    line_end = file.read(min(BLOCK_BYTES, end - first)).find(b"\n")  # a line that was cut is not shown, unless it is a very long one
    return first + line_end + 1


def start_of_tail(file: BinaryIO, end: int, lines: int, begin: int = 0) -> int:
    """Where the last `lines` lines of a file of `end` bytes begin, not before `begin`. A last line without its end counts as one."""
    if lines == 0 or end == begin:
        return end
    file.seek(end - 1)
    wanted = lines + 1 if file.read(1) == b"\n" else lines  # so many line ends from the end, and the tail begins behind the last of them
    place = end
    while place > begin:
        start = max(place - BLOCK_BYTES, begin)
        file.seek(start)
        block = file.read(place - start)
        found = block.count(b"\n")
        if found >= wanted:
            at = len(block)
            for _ in range(wanted):
                at = block.rfind(b"\n", 0, at)
            return start + at + 1
        wanted -= found
        place = start
    return begin
