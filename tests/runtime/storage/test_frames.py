"""The bytes of a frame: what goes in comes out, what was changed is noticed, and the other msgpack library reads them too."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.runtime.storage.frames import (
    FRAME_HEADER_BYTES,
    Flaw,
    Frame,
    Group,
    Kind,
    decode_group,
    encode_body,
    encode_frame,
    encode_group_body,
    find_frame,
    read_frame,
    seed_of,
)

REVISIONS = st.integers(min_value=1, max_value=2**63 - 1)
SEED = seed_of(42)


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """A group of one revision with any keys and values."""
    revision = draw(REVISIONS)
    puts = st.tuples(st.just("put"), st.text(), REVISIONS, st.just(revision), REVISIONS, st.text(), st.binary())
    deletes = st.tuples(st.just("delete"), st.text(), st.just(revision))
    compactions = st.tuples(st.just("compact"), st.integers(min_value=0, max_value=revision))
    records = draw(st.lists(st.one_of(puts, deletes, compactions), max_size=5))
    return Group(revision, revision, revision, tuple(records))


@given(groups(), REVISIONS, st.binary(max_size=60))
def test_a_group_comes_out_of_its_frame_as_it_went_in(group: Group, sequence: int, before: bytes) -> None:
    data, checksum = encode_frame(Kind.GROUP, sequence, sequence - 1, 7, encode_group_body(group, 0), SEED)
    frame = read_frame(memoryview(before + data), len(before), SEED)
    assert isinstance(frame, Frame)
    assert decode_group(frame.body) == group
    assert frame[:5] == (Kind.GROUP, sequence, sequence - 1, 7, checksum)
    assert (frame.start, frame.end) == (len(before), len(before) + len(data))
    assert find_frame(before + data, 0, SEED) == frame


@given(groups(), st.data())
def test_a_changed_bit_a_missing_end_and_another_journal_are_noticed(group: Group, data: st.DataObject) -> None:
    whole, _ = encode_frame(Kind.GROUP, 1, 0, 0, encode_group_body(group, 0), SEED)
    bit = data.draw(st.integers(min_value=0, max_value=len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    assert read_frame(memoryview(bytes(changed)), 0, SEED) is (Flaw.HEADER if bit // 8 < FRAME_HEADER_BYTES else Flaw.BODY)
    size = data.draw(st.integers(min_value=0, max_value=len(whole) - 1))
    assert read_frame(memoryview(whole[:size]), 0, SEED) is Flaw.SHORT
    assert read_frame(memoryview(whole), 0, seed_of(43)) is Flaw.HEADER


@given(groups())
@settings(max_examples=50)
def test_both_msgpack_libraries_read_each_others_groups(group: Group) -> None:
    content = (group.first_revision, group.last_revision, group.reserved_revision, group.records)
    decoded = msgspec.msgpack.decode(encode_group_body(group, 0))
    assert encode_body(decoded) == encode_body(content)
    assert decode_group(memoryview(msgspec.msgpack.encode(content))) == group
