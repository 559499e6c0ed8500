"""A user's own watch: a small client process with an informer, which tells every change to whoever reads the stream.

Used by `watch` and `wait`. It is a process like any other component (`client/watch-1`), so cuts, stale apiservers and lost pieces are
handled by the informer and not once more here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from callboard.actors.client import ApiComponent
from callboard.actors.component import Port
from callboard.actors.informer import ClientSettings, Informer
from callboard.models.messages.api import Got, Listed, Refused, WatchEvent, Written
from callboard.runtime.systems import OUTSIDE, System

Tell = Callable[[WatchEvent], None]


class Watcher(ApiComponent):
    """Tells each change of one selection. `tell` runs on the system's thread and must be quick."""

    def __init__(
        self, port: Port, settings: ClientSettings, tell: Tell, resource: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> None:
        super().__init__(port, settings)
        self._tell = tell
        self.inform(resource, self._changed, namespace=namespace, labels=labels, fields=fields)

    def on_start(self) -> None:
        """Begin to list and watch."""
        self.start_informers()

    def _changed(self, key: str, old: Any, new: Any) -> None:
        if new is None:
            self._tell(WatchEvent("DELETED", key, old))
        else:
            self._tell(WatchEvent("ADDED" if old is None else "MODIFIED", key, new))

    def answered(self, context: Any, answer: Got | Listed | Written | Refused) -> None:
        """It asks for nothing itself."""

    def caught_up(self, informer: Informer) -> None:
        """Everything has been told already."""


class Watchers:
    """Starts and ends the watchers of one user, on the machine where the user's program stands."""

    def __init__(self, system: System, settings: ClientSettings) -> None:
        self._system = system
        self._settings = settings
        self._numbers = itertools.count(1)  # many threads may open watchers at once

    def open(self, tell: Tell, resource: str, namespace: str = "", labels: str = "", fields: str = "") -> str:
        """Start a watcher; returns its name for `close`."""
        name = f"client/watch-{next(self._numbers)}"
        self._system.start(name, Watcher, self._settings, tell, resource, namespace, labels, fields, machine=OUTSIDE)
        return name

    def close(self, name: str) -> None:
        """End it, if the system still knows it."""
        if name in self._system.names():
            self._system.remove(name)
