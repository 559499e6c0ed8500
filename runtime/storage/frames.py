"""The bytes of journal and snapshot files: pure functions between plain data and checksummed frames.

Called by the journal, its recovery and its snapshots; knows no disk.

A file is a file header and then frames without gaps. A frame is a header of 40 bytes and a body of msgpack. Three things are
checked on reading: the header's own checksum (so its length can be trusted), the body's checksum, and that the frame names the
checksum of the frame before it (so a vanished frame is noticed). All checksums start from the journal's identity, a random number
drawn when the journal was made: a frame of another journal, say inside a stored value or in a recycled disk block, is no frame here.

CRC-32 is enough for what disks do to files: it finds every burst of up to 32 bits and lets one in 4 * 10^9 other changes
pass, and header, body and chain must all agree. Nobody is kept from forging a journal by it, but who can write here has already won.
"""

from __future__ import annotations

import enum
import struct
import sys
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import msgpack
import msgspec

FORMAT = 1
_FILE_HEADER = struct.Struct(">8sIQQII")  # magic, format, identity, first sequence, checksum before the first frame, header checksum
_FRAME_HEADER = struct.Struct(">4sHHIQQIII")  # magic, format, kind, body length, sequence, synced sequence, previous, body, header checksum
FILE_HEADER_BYTES = _FILE_HEADER.size
FRAME_HEADER_BYTES = _FRAME_HEADER.size
_FRAME_MAGIC = b"\xcbGRP"
BODY_BYTES_MAX = 1 << 30

Put: TypeAlias = tuple[Literal["put"], str, int, int, int, str, bytes]
"""``("put", key, create_revision, mod_revision, version, type_name, value)``"""
Delete: TypeAlias = tuple[Literal["delete"], str, int]
"""``("delete", key, mod_revision)``"""
Compact: TypeAlias = tuple[Literal["compact"], int]
"""``("compact", revision)``: history before that revision is forgotten."""
Record: TypeAlias = Put | Delete | Compact
StoredValue: TypeAlias = tuple[int, int, int, str, bytes]
"""``(create_revision, mod_revision, version, type_name, value)``"""


class GroupLike(Protocol):
    """Whatever has these four fields can be appended; :class:`Group` is the plain form."""

    @property
    def first_revision(self) -> int: ...
    @property
    def last_revision(self) -> int: ...
    @property
    def reserved_revision(self) -> int: ...
    @property
    def records(self) -> Sequence[Record]: ...


class Group(msgspec.Struct, frozen=True, gc=False):
    """The transactions ``first_revision..last_revision`` (both included), which survive together or not at all.

    ``reserved_revision`` is an upper bound of every revision handed out so far, also of those that are never journalled. A group without
    a transaction (a reservation, a compaction) has ``first_revision == last_revision + 1``.
    """

    first_revision: int
    last_revision: int
    reserved_revision: int
    records: tuple[Record, ...]


class FileKind(enum.Enum):
    """What a file is; the value is its first eight bytes."""

    SEGMENT = b"CBJOURNL"
    SNAPSHOT = b"CBSNAPSH"


class Kind(enum.IntEnum):
    """What a frame's body is."""

    GROUP = 1
    SNAPSHOT_HEAD = 2
    SNAPSHOT_PIECE = 3
    SNAPSHOT_END = 4


class FileHeader(NamedTuple):
    """``previous`` is the checksum of the frame before the file's first one, whose number is ``first_sequence``."""

    identity: int
    first_sequence: int
    previous: int


class Frame(NamedTuple):
    """A frame whose checksums are right. ``synced_sequence``: all groups up to it were durable before this one was written."""

    kind: int
    sequence: int
    synced_sequence: int
    previous: int
    checksum: int
    body: memoryview
    start: int
    end: int


class Flaw(enum.Enum):
    """Why there is no frame at an offset."""

    SHORT = "the file ends inside it"
    ZERO = "only zeros follow"
    HEADER = "its header is unreadable"
    BODY = "its checksum is wrong"


class UnknownFormat(Exception):
    """The checksum is right, but the format number is not ours. ``format`` is that number."""

    def __init__(self, format_: int) -> None:
        super().__init__(format_)
        self.format = format_


class BadFileHeader(Exception):
    """These are not the first bytes of such a file."""


class BadContent(Exception):
    """The checksums are right, but the content makes no sense."""


def seed_of(identity: int) -> int:
    """Where every checksum of a journal starts."""
    return zlib.crc32(identity.to_bytes(8, "big"))


def encode_file_header(kind: FileKind, header: FileHeader) -> bytes:
    """The first ``FILE_HEADER_BYTES`` bytes of a file."""
    plain = _FILE_HEADER.pack(kind.value, FORMAT, header.identity, header.first_sequence, header.previous, 0)[:-4]
    return plain + zlib.crc32(plain).to_bytes(4, "big")


def read_file_header(kind: FileKind, data: bytes) -> FileHeader:
    """Raises BadFileHeader, or UnknownFormat for a file of our kind in another format (whose checksum we can't know)."""
    if data[:8] != kind.value or len(data) < FILE_HEADER_BYTES:
        raise BadFileHeader
    _, format_, identity, first_sequence, previous, checksum = _FILE_HEADER.unpack_from(data)
    if format_ != FORMAT:
        raise UnknownFormat(format_)
    if zlib.crc32(data[: FILE_HEADER_BYTES - 4]) != checksum:
        raise BadFileHeader
    return FileHeader(identity, first_sequence, previous)


def encode_frame(kind: Kind, sequence: int, synced_sequence: int, previous: int, body: bytes, seed: int) -> tuple[bytes, int]:
    """A frame's bytes, and its checksum for the next frame to name."""
    body_checksum = zlib.crc32(body, seed)
    plain = _FRAME_HEADER.pack(_FRAME_MAGIC, FORMAT, kind, len(body), sequence, synced_sequence, previous, body_checksum, 0)[:-4]
    checksum = zlib.crc32(plain, seed)
    return b"".join((plain, checksum.to_bytes(4, "big"), body)), checksum


def read_frame(data: memoryview, offset: int, seed: int) -> Frame | Flaw:
    """The frame at ``offset``, or why there is none. Raises UnknownFormat."""
    size = len(data)
    if size - offset < FRAME_HEADER_BYTES:
        return Flaw.SHORT
    magic, format_, kind, length, sequence, synced, previous, body_checksum, checksum = _FRAME_HEADER.unpack_from(data, offset)
    if magic != _FRAME_MAGIC:
        return Flaw.HEADER if any(data[offset:]) else Flaw.ZERO
    start = offset + FRAME_HEADER_BYTES
    if zlib.crc32(data[offset : start - 4], seed) != checksum:
        return Flaw.HEADER
    if format_ != FORMAT:
        raise UnknownFormat(format_)
    if size - start < length:
        return Flaw.SHORT
    body = data[start : start + length]
    if zlib.crc32(body, seed) != body_checksum:
        return Flaw.BODY
    return Frame(kind, sequence, synced, previous, checksum, body, offset, start + length)


def find_frame(data: bytes, offset: int, seed: int) -> Frame | None:
    """The first whole frame that starts at ``offset`` or anywhere after it. Raises UnknownFormat."""
    view = memoryview(data)
    at = data.find(_FRAME_MAGIC, offset)
    while at >= 0:
        frame = read_frame(view, at, seed)
        if isinstance(frame, Frame):
            return frame
        at = data.find(_FRAME_MAGIC, at + 1)
    return None


def encode_body(content: Any) -> bytes:
    """Plain data to msgpack."""
    packed: bytes = msgpack.packb(content, use_bin_type=True)
    return packed


def decode_body(body: memoryview) -> Any:
    """Msgpack to plain data, lists as tuples. Raises BadContent."""
    try:
        return msgpack.unpackb(body, use_list=False, strict_map_key=False)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise BadContent(str(error)) from error


def encode_group_body(group: GroupLike, after_revision: int) -> bytes:
    """The body of a group that follows ``after_revision``. Raises ValueError for a group that recovery could not make sense of."""
    first, last, reserved, records = group.first_revision, group.last_revision, group.reserved_revision, group.records
    if not after_revision < first <= last + 1 or reserved < last:
        raise ValueError(
            f"a group of revisions {first}..{last}, reserved up to {reserved}, can't follow revision {after_revision}: "
            f"it takes {after_revision} < first <= last + 1 and last <= reserved"
        )
    for record in records:
        if record[0] == "put":
            valid = len(record) == 7 and first <= record[3] <= last and type(record[6]) is bytes
        elif record[0] == "delete":
            valid = len(record) == 3 and first <= record[2] <= last
        else:
            valid = record[0] == "compact" and len(record) == 2 and record[1] <= reserved
        if not valid:
            raise ValueError(f"not a record of a group of revisions {first}..{last}: {record!r:.200}")
    body = encode_body((first, last, reserved, records))
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"the group of revisions {first}..{last} has {len(body)} bytes, at most {BODY_BYTES_MAX} are allowed")
    return body


def decode_group(body: memoryview) -> Group:
    """The group in a frame's body. Raises BadContent."""
    content = decode_body(body)
    if not isinstance(content, tuple) or len(content) != 4 or not isinstance(content[3], tuple):
        raise BadContent("not a commit group")
    return Group(*content)


def apply_records(state: dict[str, StoredValue], records: Iterable[Record], compacted_revision: int) -> int:
    """Carry records out on ``state`` in place; gives the compacted revision afterwards. Raises BadContent."""
    try:
        for record in records:
            if record[0] == "put":
                _, key, create_revision, mod_revision, version, type_name, value = record
                state[key] = (create_revision, mod_revision, version, sys.intern(type_name), value)
            elif record[0] == "delete":
                state.pop(record[1], None)
            elif record[0] == "compact":
                compacted_revision = max(compacted_revision, record[1])
            else:
                raise BadContent(f"a record of unknown kind {record[0]!r}")
    except (IndexError, TypeError, ValueError) as error:
        raise BadContent(f"a record of wrong form: {error}") from error
    return compacted_revision
