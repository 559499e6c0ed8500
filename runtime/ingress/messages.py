"""What the main program tells the ingress helper, and what it answers. Plain immutable data over `runtime/helpers/wire.py`."""

from __future__ import annotations

import msgspec

from callboard.models.ingress import IngressTable
from callboard.models.messages.ingress import Certificate
from callboard.runtime.helpers.wire import Done


class IngressRequest(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Base of all requests."""


class ServeTable(IngressRequest, frozen=True, gc=False):
    """Route by this from now on. Answered by `Done`."""

    table: IngressTable


class ServeCertificates(IngressRequest, frozen=True, gc=False):
    """Speak TLS with these from now on. Answered by `CertificatesServed`."""

    certificates: tuple[Certificate, ...]


class Listen(IngressRequest, frozen=True, gc=False):
    """Accept connections at the socket that comes beside this, instead of a former one of this name ("http", "https"). Answered by
    `Done`."""

    name: str


class TellListeners(IngressRequest, frozen=True, gc=False):
    """Where are connections accepted? Answered by `Listeners`."""


class IngressAnswer(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Base of all answers but `Done`."""


class CertificatesServed(IngressAnswer, frozen=True, gc=False):
    """Those Secrets that can't be used, each with why."""

    problems: dict[str, str]


class Listeners(IngressAnswer, frozen=True, gc=False):
    """Address and port by name."""

    places: dict[str, tuple[str, int]]


Requests = ServeTable | ServeCertificates | Listen | TellListeners
Answers = CertificatesServed | Listeners | Done
