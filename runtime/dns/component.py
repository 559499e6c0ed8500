"""The component before what makes names known inside pods: hands on what the name service tells, and asks for all of it when it starts."""

from __future__ import annotations

from typing import Protocol

from callboard.actors.component import Component, Port, handles
from callboard.models.messages.base import Address
from callboard.models.messages.dns import NamesServerStarted, ServeNames


class Names(Protocol):
    """What is told the names: a `DnsDriver`, or a `HostsBook`."""

    def tell(self, names: ServeNames) -> None:
        """These are the names now, or what has changed in them; must be quick."""


class NamesServer(Component):
    """`service` is the name service's address. What it holds (`names`) lives longer than this component, and is closed by its owner."""

    def __init__(self, port: Port, service: Address, names: Names) -> None:
        super().__init__(port)
        self._service = service
        self._names = names
        self._last = 0

    def on_start(self) -> None:
        """Ask for all names."""
        self.port.send(self._service, NamesServerStarted())

    @handles(ServeNames)
    def _serve(self, names: ServeNames) -> None:
        if not names.whole and names.number != self._last + 1:
            self.port.send(self._service, NamesServerStarted())  # something was lost between: all anew
            return
        self._last = names.number
        self._names.tell(names)
