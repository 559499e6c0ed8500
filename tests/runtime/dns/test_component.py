"""The component before what makes names known: it hands on what it is told, and notices what it was not told."""

from __future__ import annotations

import pytest

from callboard.actors.component import Component, Port, handles
from callboard.models.dns import Record
from callboard.models.messages.base import Message
from callboard.models.messages.dns import NamesPart, NamesServerStarted, ServeNames
from callboard.runtime.dns.component import NamesServer
from tests.runtime.systems.cast import SYSTEMS, until


class Heard:
    """Plays the names' holder."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def tell(self, names: ServeNames) -> None:
        self.numbers.append(names.number)


class Asked(Component):
    """Plays the name service: counts how often it is asked for all names."""

    def __init__(self, port: Port, times: list[Message]) -> None:
        super().__init__(port)
        self._times = times

    @handles(NamesServerStarted)
    def _started(self, fact: NamesServerStarted) -> None:
        self._times.append(fact)


def names(number: int, whole: bool = False) -> ServeNames:
    return ServeNames(number, whole, (), (NamesPart("web", (Record("web", "A", "10.96.0.7"),)),))


@pytest.mark.parametrize("kind", sorted(SYSTEMS))
def test_what_is_told_is_handed_on_and_after_a_gap_all_is_asked_for_anew(kind: str) -> None:
    asked: list[Message] = []
    heard = Heard()
    with SYSTEMS[kind]() as system:
        system.start("dns", Asked, asked)
        system.start("names", NamesServer, "dns", heard)
        until(system, lambda: len(asked) == 1, "the question for all names at the start")
        for number, whole in ((4, True), (5, False), (7, False), (8, False), (9, True), (10, False)):
            system.post("names", names(number, whole))
        until(system, lambda: heard.numbers[-1:] == [10] and len(asked) == 3, "all of it")
    assert heard.numbers == [4, 5, 9, 10]
