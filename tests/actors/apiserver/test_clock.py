"""The clock of an apiserver's machine is set back by an hour: it notices all the same that its store has fallen silent."""

from __future__ import annotations

from typing import Any

from callboard.actors.apiserver.actor import ApiServer
from callboard.actors.store.actor import Store
from callboard.models.messages.store import FollowStore
from callboard.runtime.systems import SimulatedSystem


def test_a_stream_that_fell_silent_is_opened_again_though_the_clock_was_set_back() -> None:
    system = SimulatedSystem(seed=1)
    machine = system.add_machine("control-plane")
    system.start("store", Store, machine.disk)
    system.start("apiserver-0", ApiServer)
    system.run_for(1.0)
    opened: list[FollowStore] = []

    def lost(_passage: Any, message: Any) -> bool:
        if isinstance(message, FollowStore):
            opened.append(message)
        return True

    system.links.drop("apiserver-0", "store", lost)
    system.links.drop("store", "apiserver-0")
    machine.skew_s -= 3600.0
    system.run_for(60.0)
    assert opened
    system.stop()
