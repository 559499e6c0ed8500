"""The component before the program that serves the Ingress: hands on what the controller tells, and asks for all of it when it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from callboard.actors.component import Component, Port, handles
from callboard.models.ingress import IngressTable
from callboard.models.messages.base import Address, Message
from callboard.models.messages.ingress import Certificate, CertificatesRefused, IngressListening, IngressServerStarted, ServeIngress


class Serving(Protocol):
    """What serves: an `IngressDriver`."""

    def hear(self, heard: Callable[[Message], None]) -> None:
        """Tell this what the server has to say from now on."""

    def tell(self, table: IngressTable, certificates: tuple[Certificate, ...]) -> None:
        """Serve this from now on; must be quick."""


class IngressServer(Component):
    """`post` brings messages in from another thread; `controller` is who sends tables. What serves (`serving`) lives longer than this
    component, and is closed by its owner."""

    def __init__(self, port: Port, post: Callable[[Address, Message], None], controller: Address, serving: Serving) -> None:
        super().__init__(port)
        self._post = post
        self._controller = controller
        self._serving = serving
        self._listening: IngressListening | None = None

    def on_start(self) -> None:
        """Ask for the table."""
        me, post = self.port.me, self._post
        self._serving.hear(lambda fact: post(me, fact))
        self.port.send(self._controller, IngressServerStarted())

    @handles(ServeIngress)
    def _serve(self, message: ServeIngress) -> None:
        self._serving.tell(message.table, message.certificates)
        if self._listening is not None:
            self.port.send(self._controller, self._listening)  # the controller may be a new one, that has heard nothing yet

    @handles(IngressListening, CertificatesRefused)
    def _heard(self, fact: IngressListening | CertificatesRefused) -> None:
        if isinstance(fact, IngressListening):
            self._listening = fact
        self.port.send(self._controller, fact)
