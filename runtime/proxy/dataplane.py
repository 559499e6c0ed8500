"""The data plane of a cluster with real processes: a component around the proxy's thread, which really listens.

Started by `Cluster`. The service proxy sends it tables; whoever wants to open a Service asks it where that really is. What the proxy's
thread reports comes back as messages to whichever incarnation plays the part, and goes on to the service proxy.
"""

from __future__ import annotations

from collections.abc import Callable

from callboard.actors.component import Component, Port, handles
from callboard.models.messages.base import Address, Message
from callboard.models.messages.proxy import (
    DataPlaneStarted,
    ListenFailed,
    Listening,
    ListenStopped,
    LocateService,
    Place,
    ProxyTable,
    ServeTable,
    ServiceLocated,
)
from callboard.runtime.proxy.driver import ProxyDriver
from callboard.runtime.proxy.locating import matching

Post = Callable[[Address, Message], None]


class DriverSlot:
    """Holds the proxy's thread across the lives of its component: a crashed one cleans nothing up, so the next one does, or `close`."""

    def __init__(self) -> None:
        self._driver: ProxyDriver | None = None

    @property
    def driver(self) -> ProxyDriver | None:
        """The one that is held."""
        return self._driver

    def put(self, driver: ProxyDriver) -> None:
        """Hold this one from now on; an earlier one is stopped."""
        self.close()
        self._driver = driver

    def close(self) -> None:
        """Stop the one that is held. Calling it twice is allowed."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.stop()


class UserspaceDataPlane(Component):
    """Listens at the addresses of the newest table. `post` brings messages in from another thread; `proxy` is who sends tables.

    Give the same `slot` to every life of it, and close it at the end of the cluster, where a crash of this component is possible.
    """

    def __init__(self, port: Port, post: Post, proxy: Address, slot: DriverSlot | None = None) -> None:
        super().__init__(port)
        self.proxy = proxy
        self._post = post
        self._slot = slot or DriverSlot()
        self._table = ProxyTable()
        self._listening: dict[Place, Listening] = {}
        self._refused: dict[Place, str] = {}

    def on_start(self) -> None:
        """Start the proxy's thread, and ask for the table."""
        self._slot.close()
        me, post = self.port.me, self._post
        self._driver = ProxyDriver(lambda fact: post(me, fact))
        self._slot.put(self._driver)
        self.port.send(self.proxy, DataPlaneStarted())

    def on_stop(self) -> None:
        """Close all listeners and connections."""
        self._slot.close()

    @handles(ServeTable)
    def _serve(self, message: ServeTable) -> None:
        self._table = message.table
        wanted = {service.place for service in message.table.services}
        self._refused = {place: reason for place, reason in self._refused.items() if place in wanted}
        self._driver.apply(message.table)

    @handles(Listening)
    def _listens(self, fact: Listening) -> None:
        place = (fact.service_key, fact.cluster_ip, fact.port, fact.protocol)
        self._listening[place] = fact
        self._refused.pop(place, None)
        self.port.send(self.proxy, fact)

    @handles(ListenStopped)
    def _stopped(self, fact: ListenStopped) -> None:
        self._listening.pop((fact.service_key, fact.cluster_ip, fact.port, fact.protocol), None)
        self.port.send(self.proxy, fact)

    @handles(ListenFailed)
    def _failed(self, fact: ListenFailed) -> None:
        self._refused[fact.service_key, fact.address, fact.port, fact.protocol] = fact.reason
        self.port.send(self.proxy, fact)

    @handles(LocateService)
    def _locate(self, request: LocateService) -> None:
        self.port.send(request.reply_to, self._located(request))

    def _located(self, request: LocateService) -> ServiceLocated:
        chosen, problem = matching(self._table.services, request)
        for port in chosen:
            fact = self._listening.get(port.place)
            if fact is not None:
                return ServiceLocated(request.id, fact.actual_address, fact.actual_port)
        return ServiceLocated(request.id, problem=problem or self._refused.get(chosen[0].place, "it does not listen yet"))
