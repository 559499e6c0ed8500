"""A thread for a user's controller that blocks or takes long: the rest of the cluster goes on meanwhile. Started by `Cluster.add`.

The actor hands what is to be decided to its thread and is at once ready for more; the thread brings the answer in from outside, as drivers
do.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from callboard.actors.component import Component, Port, handles
from callboard.actors.usercontroller.actor import Decide, Decided, Program, WorkerStarted
from callboard.models.messages.base import Address, Message


class ReconcileWorker(Component):
    """Runs `reconcile` for the controller at `controller`, one decision after the other. `post` brings messages in from the thread."""

    def __init__(self, port: Port, program: Program, controller: Address, post: Callable[[Address, Message], None]) -> None:
        super().__init__(port)
        self._program = program
        self._controller = controller
        self._post = post
        self._orders: queue.SimpleQueue[Decide | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"callboard-{port.me}", daemon=True)

    def on_start(self) -> None:
        """Begin to work."""
        self._thread.start()
        self.port.send(self._controller, WorkerStarted())

    def on_stop(self) -> None:
        """The thread ends after the decision that it is at; nobody waits for that, since it may take as long as its user likes."""
        self._orders.put(None)

    @handles(Decide)
    def _decide(self, order: Decide) -> None:
        self._orders.put(order)

    def _work(self) -> None:
        try:
            reconcile = self._program.make()
        except BaseException as problem:
            broken = problem

            def reconcile(_view: object, _now_s: float) -> None:
                raise broken

        while (order := self._orders.get()) is not None:
            began_s = time.monotonic()
            try:
                wishes = tuple(reconcile(order.view, order.now_s) or ())
                answer = Decided(order.id, order.key, wishes, None, time.monotonic() - began_s)
            except BaseException as problem:  # the user's code: whatever it raises concerns this key, and this thread has nobody above it
                answer = Decided(order.id, order.key, (), problem, time.monotonic() - began_s)
            self._post(order.reply_to, answer)
