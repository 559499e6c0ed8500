"""Frames, and what may be in them: nothing is lost on the way, and nothing that the registry doesn't name gets through."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.base import FrozenMap, freeze
from callboard.models.generic import GenericObject
from callboard.models.messages import api, pods, store
from callboard.runtime.remote.wire import (
    NUMBER_LIMIT_DIGITS,
    PROTOCOL,
    REQUEST_LIMIT_BYTES,
    REQUESTS,
    BrokenFrame,
    FrameBuffer,
    check_greeting,
    frame,
    greeting,
    unpack,
)
from tests.runtime.remote.conftest import config

_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _text | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)


def through(value: Any) -> Any:
    (body,) = FrameBuffer(REQUEST_LIMIT_BYTES).feed(frame(value, REQUEST_LIMIT_BYTES))
    return unpack(body)


@given(_plain)
def test_any_plain_value_arrives_as_it_was_and_immutable(value: Any) -> None:
    arrived = through(value)
    assert arrived == freeze(value)
    if isinstance(value, dict):
        assert type(arrived) is FrozenMap


@given(_plain)
def test_objects_of_any_kind_arrive_as_they_were(value: Any) -> None:
    for obj in (
        config("a", data_="x"),
        GenericObject(api_version="example.com/v1", kind="Thing", content=FrozenMap({"spec": freeze(value)})),
    ):
        assert through(("answer", 1, api.Got(0, obj, 3))) == ("answer", 1, api.Got(0, obj, 3))


@pytest.mark.parametrize(
    "request_",
    [
        api.GetObject(0, "", "pods", "default", "a"),
        api.ListObjects(0, "", "pods", "", "app in (a,b)", "spec.nodeName=x"),
        api.ApplyObject(0, "", "configmaps", "default", "a", freeze({"data": {"n": [1, {"b": None}]}})),
        api.PatchObject(0, "", "pods", "default", "a", "json", freeze([{"op": "remove", "path": "/a"}])),
        api.CreateObject(0, "", "configmaps", config("a")),
        api.DeleteObject(0, "", "pods", "default", "a", "uid", 3, 5, "Foreground"),
        pods.ReadPodLog(0, "", "default", "a", previous=True),
        pods.ExecInPod(0, "", "default", "a", command=("cat", "x"), stdin=b"\x00\xff"),
    ],
)
def test_requests_arrive_as_they_were(request_: Any) -> None:
    assert through(request_) == request_
    assert type(request_) in REQUESTS


def test_a_stream_of_frames_is_cut_where_they_end_however_its_bytes_come() -> None:
    stream = b"".join(frame(("ask", number), REQUEST_LIMIT_BYTES) for number in range(5))
    buffer = FrameBuffer(REQUEST_LIMIT_BYTES)
    bodies = [body for byte in stream for body in buffer.feed(bytes([byte]))]
    assert [unpack(body) for body in bodies] == [("ask", number) for number in range(5)]


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_have_come() -> None:
    with pytest.raises(BrokenFrame, match="announces 4294967295 bytes"):
        FrameBuffer(REQUEST_LIMIT_BYTES).feed(b"\xff\xff\xff\xff")
    with pytest.raises(BrokenFrame, match="are more than"):
        frame(b"x" * 100, 50)


def test_messages_between_components_have_no_place_on_a_link() -> None:
    fence = store.Fence("leases/kube-system/x", 1) if len(store.Fence.__struct_fields__) == 2 else None
    for message in (api.RenewLease(0, "", "leases", "", "a", "me", "now"), fence or api.StopWatch(1, "me")):
        with pytest.raises(TypeError, match="has no place on a link"):
            frame(message, REQUEST_LIMIT_BYTES)


def _struct(name: str, fields: Any) -> bytes:
    return bytes(msgpack.packb(msgpack.ExtType(2, msgpack.packb([name, fields]))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x93\x01",
        b"\x01\x02",
        _struct("RenewLease", {}),
        _struct("os.system", {}),
        _struct("GetObject", {"resource": "pods"}),
        _struct("GetObject", {"resource": 1, "namespace": "", "name": ""}),
        _struct("GetObject", []),
        bytes(msgpack.packb(msgpack.ExtType(1, msgpack.packb(["v1/Pod", b"\xc1"])))),
        bytes(msgpack.packb(msgpack.ExtType(1, msgpack.packb(["v9/Pod", b"\x80"])))),
        bytes(msgpack.packb(msgpack.ExtType(3, b"zz"))),
        bytes(msgpack.packb(msgpack.ExtType(77, b""))),
        b"\x91" * 5000,
        b"\x81\x90\x01\x81" * 3,
    ],
)
def test_what_is_no_value_of_the_link_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenFrame):
        unpack(body)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else_than_arrive_or_be_refused(body: bytes) -> None:
    try:
        value = unpack(body)
    except BrokenFrame:
        return
    assert not isinstance(value, dict | list) or isinstance(value, FrozenMap)


def test_both_sides_must_speak_the_same_version() -> None:
    (body,) = FrameBuffer(REQUEST_LIMIT_BYTES).feed(greeting(name="a"))
    assert check_greeting(unpack(body))["name"] == "a"
    with pytest.raises(BrokenFrame, match=f"version 999 of the link, this side version {PROTOCOL}"):
        check_greeting(FrozenMap({"callboard": 999}))
    for other in (FrozenMap({"a": 1}), ("ask", 1), 7, None):
        with pytest.raises(BrokenFrame, match="does not begin with a greeting"):
            check_greeting(other)


def test_every_message_of_the_registry_is_a_frozen_struct() -> None:
    for type_ in REQUESTS:
        assert issubclass(type_, msgspec.Struct)
        assert type_.__struct_config__.frozen


def test_a_number_too_long_to_be_shown_has_no_place_on_the_link_alone_or_in_an_object() -> None:
    longest = 16**NUMBER_LIMIT_DIGITS - 1
    assert unpack(frame(longest, REQUEST_LIMIT_BYTES)[4:]) == longest
    assert str(longest)
    with pytest.raises(TypeError, match="a number of 4097 bits has no place on a link"):
        frame(longest + 1, REQUEST_LIMIT_BYTES)
    with pytest.raises(BrokenFrame, match="a number of 1025 digits"):
        unpack(msgpack.packb(msgpack.ExtType(3, b"1" + b"0" * 1024)))
    for number in (longest, longest + 1):
        body = frame(GenericObject(api_version="v1", kind="A", content=FrozenMap({"a": (number,)})), REQUEST_LIMIT_BYTES)[4:]
        if number == longest:
            assert unpack(body).content["a"] == (number,)
        else:
            with pytest.raises(BrokenFrame, match="an object with a number of more than 1024 digits"):
                unpack(body)
