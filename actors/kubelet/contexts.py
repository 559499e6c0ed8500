"""What a kubelet's requests to the API about pods were for: it comes back with their answers."""

from __future__ import annotations

import msgspec


class StatusWrite(msgspec.Struct, frozen=True, gc=False):
    """Context of a status write."""

    uid: str


class Deletion(msgspec.Struct, frozen=True, gc=False):
    """Context of the delete that confirms that a pod has ended."""

    uid: str


class Existence(msgspec.Struct, frozen=True, gc=False):
    """Context of the read that finds out whether a pod's object is gone: an apiserver that said so may be behind."""

    uid: str


class ConfigRead(msgspec.Struct, frozen=True, gc=False):
    """Context of the read of a ConfigMap or Secret."""

    key: str
