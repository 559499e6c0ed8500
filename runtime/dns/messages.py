"""What the main program tells the dns helper. Plain immutable data over `runtime/helpers/wire.py`; all is answered by `Done`."""

from __future__ import annotations

import msgspec

from callboard.models.messages.dns import NamesPart


class DnsRequest(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Base of all requests."""


class TellNames(DnsRequest, frozen=True, gc=False):
    """These parts are what they are now; `whole`: there are no others. Until a whole has been told, nothing is known and answers are
    SERVFAIL."""

    whole: bool
    namespaces: tuple[str, ...]
    parts: tuple[NamesPart, ...]


class ServeNode(DnsRequest, frozen=True, gc=False):
    """Answer in the namespace that is bound at this file (inside the cell), under the node's name. Told again after the node's namespace
    was made anew, it moves there."""

    node: str
    netns: str


class LeaveNode(DnsRequest, frozen=True, gc=False):
    """Let go of a node's namespace; done also where there is none."""

    node: str


Requests = TellNames | ServeNode | LeaveNode
