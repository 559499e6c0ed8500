"""Messages of the cluster's name service: questions, and what is told to the program that answers real packets.

Called by `actors/dns`, its server in `runtime/dns`, and the clients that users hold.
"""

from __future__ import annotations

import msgspec

from callboard.models.dns import Record, Reply
from callboard.models.messages.base import Answer, Message, Request

DNS = "dns"
"""The name of the component that knows all names."""


class ResolveName(Request, frozen=True, gc=False):
    """What is known of a name? `name` is whole, without search domains; `type` as in DNS. Answered by `NameResolved`."""

    name: str
    type: str

    def subject(self) -> str:
        return self.name


class NameResolved(Answer, frozen=True, gc=False):
    """The answer to `ResolveName`."""

    reply: Reply


class NamesPart(msgspec.Struct, frozen=True, gc=False):
    """The records that one Service contributes, by its store key; none: it contributes nothing any more."""

    key: str
    records: tuple[Record, ...]


class ServeNames(Message, frozen=True, gc=False):
    """To the names' server: what has changed since message `number - 1`, or all there is (`whole`)."""

    number: int
    whole: bool
    namespaces: tuple[str, ...]
    parts: tuple[NamesPart, ...]


class NamesServerStarted(Message, frozen=True, gc=False):
    """From the names' server: it knows nothing (any more), and wants to be told all."""
