"""What is said on a link, as bytes: frames of four bytes of length (big endian) and one msgpack value, both ways.

The first frame each way is a map with `callboard` (the protocol's version). All others are arrays that begin with a word:

| client to cluster | means |
|---|---|
| `ask`, number, timeout_s, request | a request message; answered by `answer` or `failed` |
| `carry`, number, timeout_s, [namespace, service, port, method, path, headers, body] | one HTTP request to a Service |
| `locate`, number, namespace, service, port | where a Service's port can be opened |
| `enter`, number, timeout_s, [host, method, path, headers, body] | one HTTP request to the Ingress |
| `gate`, number | where the Ingress can be opened |
| `resolve`, number, timeout_s, [name, type, namespace] | what a name means to a pod of a namespace |
| `watch`, number, [resource, namespace, labels, fields], credit | open a stream of changes; so many batches may be on their way |
| `credit`, number, count | so many batches have been taken in |
| `stop`, number | nobody reads this stream any more |

| cluster to client | means |
|---|---|
| `answer`, number, value | the answer to that number |
| `part`, number, objects | the first objects of a long list; more follow, the `answer` is last |
| `failed`, number, kind, words | what was asked for could not be done here: the name of an error class and its text |
| `events`, number, batch | changes of a stream |

Messages and API objects travel as extension types of msgpack: what the registry below doesn't name is refused on both sides. Objects are
encoded as in the journal, by `models/codec.py`.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import msgspec

from callboard.models import codec
from callboard.models.base import FrozenMap, Kind
from callboard.models.dns import Record, Resolution
from callboard.models.generic import GenericObject
from callboard.models.messages import api, pods
from callboard.models.messages.base import Message
from callboard.models.traffic import Response

PROTOCOL = 1
"""Changes with everything that an older program would misunderstand; ends of different versions don't talk."""
REQUEST_LIMIT_BYTES = 16 * 1024 * 1024
"""Most bytes of a frame to the cluster: an object may have 1.5 MiB, as in Kubernetes."""
ANSWER_LIMIT_BYTES = 512 * 1024 * 1024
NUMBER_LIMIT_DIGITS = 1024
"""Most hexadecimal digits of a number: Python makes text of no number with more than 4300 decimal ones, and whoever has to word a refusal
or a log line makes text of it."""
_OBJECT, _STRUCT, _BIG_NUMBER = 1, 2, 3
_LENGTH = struct.Struct(">I")

REQUESTS: tuple[type[Message], ...] = (
    api.GetObject,
    api.ListObjects,
    api.CreateObject,
    api.UpdateObject,
    api.PatchObject,
    api.ApplyObject,
    api.DeleteObject,
    api.EvictPod,
    pods.ReadPodLog,
    pods.ExecInPod,
)
"""What a program outside may ask. The short ways of components (`WriteStatus`, `BindPod`, `RenewLease`, `RecordEvent`) aren't among it,
since they trust their caller."""
_ANSWERS: tuple[type[msgspec.Struct], ...] = (
    api.Got,
    api.Listed,
    api.Written,
    api.Refused,
    api.WatchEvent,
    pods.PodLogRead,
    pods.ExecDone,
    Response,
    Resolution,
    Record,
)


class BrokenFrame(Exception):
    """What arrived is no frame of ours; the text says why."""


_KNOWN: dict[str, type[msgspec.Struct]] = {type_.__name__: type_ for type_ in (*REQUESTS, *_ANSWERS)}
_NAMES: dict[type[msgspec.Struct], str] = {type_: name for name, type_ in _KNOWN.items()}


def frame(value: Any, limit_bytes: int) -> bytes:
    """One frame around a value.

    Raises:
        BrokenFrame: it would be larger than the limit.
        TypeError: the value holds something that has no place on a link.
    """
    body = _pack(value)
    if len(body) > limit_bytes:
        raise BrokenFrame(f"{len(body)} bytes are more than the {limit_bytes} that a frame may have")
    return _LENGTH.pack(len(body)) + body


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, default=_extend, unicode_errors="surrogatepass"))


def _extend(value: Any) -> msgpack.ExtType:
    if isinstance(value, int):
        digits = format(value, "x").encode()
        if len(digits) > NUMBER_LIMIT_DIGITS:
            raise TypeError(f"a number of {value.bit_length()} bits has no place on a link")
        return msgpack.ExtType(_BIG_NUMBER, digits)
    if isinstance(value, Kind | GenericObject):
        return msgpack.ExtType(_OBJECT, _pack(codec.encode(value)))
    name = _NAMES.get(type(value))
    if name is None:
        raise TypeError(f"a {type(value).__name__} has no place on a link")
    fields = {field: getattr(value, field) for field in value.__struct_fields__ if field not in ("id", "reply_to")}
    return msgpack.ExtType(_STRUCT, _pack((name, fields)))


def unpack(body: bytes) -> Any:
    """The value inside a frame's body, deeply immutable: maps are `FrozenMap`, arrays tuples.

    Raises:
        BrokenFrame: it is none.
    """
    try:
        return _unpack(body)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as problem:
        raise BrokenFrame(f"no value of the link: {problem}") from problem


def _unpack(body: bytes) -> Any:
    return msgpack.unpackb(body, ext_hook=_restore, use_list=False, object_hook=FrozenMap, unicode_errors="surrogatepass")


def _restore(code: int, data: bytes) -> Any:
    if code == _BIG_NUMBER:
        if len(data) > NUMBER_LIMIT_DIGITS:
            raise ValueError(f"a number of {len(data)} digits")
        return int(data, 16)
    if code == _OBJECT:
        type_name, content = _unpack(data)
        if type_name.endswith(codec.AWKWARD) and _has_too_long_number(msgpack.unpackb(content, strict_map_key=False)):
            raise ValueError(f"an object with a number of more than {NUMBER_LIMIT_DIGITS} digits")
        return codec.decode(type_name, content)
    if code == _STRUCT:
        name, fields = _unpack(data)
        type_ = _KNOWN.get(name)
        if type_ is None:
            raise ValueError(f"messages of type {name} are unknown on this side")
        return msgspec.convert({"id": 0, "reply_to": "", **fields}, type_)
    raise ValueError(f"values of kind {code} are unknown on this side")


def _has_too_long_number(tree: Any) -> bool:
    """Of an object's tree in the form in which numbers are byte strings; before one of them is made a number."""
    if isinstance(tree, dict):
        return any(_has_too_long_number(key) or _has_too_long_number(value) for key, value in tree.items())
    if isinstance(tree, list):
        return any(_has_too_long_number(value) for value in tree)
    return isinstance(tree, bytes) and codec.is_number(tree) and len(tree) > NUMBER_LIMIT_DIGITS + 1


class FrameBuffer:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies that are complete after `data` has been added.

        Raises:
            BrokenFrame: a length beyond the limit.
        """
        self._data += data
        bodies = []
        start = 0
        while len(self._data) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data, start)
            if length > self._limit_bytes:
                raise BrokenFrame(f"a frame announces {length} bytes; the limit is {self._limit_bytes}")
            end = start + _LENGTH.size + length
            if len(self._data) < end:
                break
            bodies.append(bytes(self._data[start + _LENGTH.size : end]))
            start = end
        del self._data[:start]
        return bodies


def greeting(**more: Any) -> bytes:
    """The first frame of either side."""
    return frame({"callboard": PROTOCOL, **more}, REQUEST_LIMIT_BYTES)


def check_greeting(value: Any) -> FrozenMap:
    """The other side's first frame.

    Raises:
        BrokenFrame: it is no greeting, or of another version.
    """
    version = value.get("callboard") if isinstance(value, FrozenMap) else None
    if version is None:
        raise BrokenFrame("it does not begin with a greeting")
    if version != PROTOCOL:
        raise BrokenFrame(f"it speaks version {version} of the link, this side version {PROTOCOL}; use one version of Callboard on both")
    assert isinstance(value, FrozenMap)
    return value
