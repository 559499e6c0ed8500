"""Messages per second of each actor system: two actors that answer each other, and one that tells a hundred."""

from __future__ import annotations

import time
from collections.abc import Callable

from callboard.actors.component import Component, Port, handles
from callboard.models.messages.base import Address, Message, Request
from callboard.runtime.systems import RealTimeSystem, SimulatedSystem, System, ThreadedSystem

SYSTEMS: dict[str, Callable[[], System]] = {
    "realtime": RealTimeSystem,
    "simulated": lambda: SimulatedSystem(seed=1),
    "threaded": ThreadedSystem,
}
LISTENERS = 100
ASK_TIMEOUT_S = 300.0


class Ball(Message, frozen=True, gc=False):
    """Goes to and fro; `left` counts down."""

    left: int
    back_to: str


class Play(Request, frozen=True, gc=False):
    """Start a game of so many messages; answered when it is over."""

    messages: int


class Tell(Request, frozen=True, gc=False):
    """Tell all listeners so many times; answered when every one has heard the last."""

    rounds: int


class Noise(Message, frozen=True, gc=False):
    """What listeners hear; each reports the last one."""

    last: bool
    back_to: str


class Heard(Message, frozen=True, gc=False):
    """A listener has heard its last message."""


class Over(Message, frozen=True, gc=False):
    """Answer to `Play` and `Tell`."""

    id: int


class Player(Component):
    """Returns the ball; the one that was asked to play says when it's over."""

    def __init__(self, port: Port, other: str) -> None:
        super().__init__(port)
        self.other = other
        self.asked: Request | None = None

    @handles(Play)
    def _play(self, request: Play) -> None:
        self.asked = request
        self.port.send(self.other, Ball(request.messages, self.port.name))

    @handles(Ball)
    def _ball(self, ball: Ball) -> None:
        if ball.left > 0:
            self.port.send(ball.back_to, Ball(ball.left - 1, self.port.name))
        elif self.asked is not None:
            self.port.send(self.asked.reply_to, Over(self.asked.id))
        else:
            self.port.send(ball.back_to, ball)


class Speaker(Component):
    """Tells every listener."""

    def __init__(self, port: Port, listeners: int) -> None:
        super().__init__(port)
        self.names = [f"listener-{number}" for number in range(listeners)]
        self.unheard = listeners
        self.asked: Request | None = None

    @handles(Tell)
    def _tell(self, request: Tell) -> None:
        self.asked = request
        for left in reversed(range(request.rounds)):
            for name in self.names:
                self.port.send(name, Noise(left == 0, self.port.name))

    @handles(Heard)
    def _heard(self, _message: Heard) -> None:
        self.unheard -= 1
        if self.unheard == 0 and self.asked is not None:
            self.port.send(self.asked.reply_to, Over(self.asked.id))


class Listener(Component):
    """Hears."""

    @handles(Noise)
    def _noise(self, noise: Noise) -> None:
        if noise.last:
            self.port.send(noise.back_to, Heard())


def measure(system: str, messages: int) -> dict[str, float]:
    """Messages per second to and fro, and from one to a hundred."""
    world = SYSTEMS[system]()
    try:
        world.add_machine("m")
        world.start("a", Player, "b", machine="m")
        world.start("b", Player, "a", machine="m")
        ping = _timed(world, "a", lambda number, me: Play(number, me, messages), messages)
        for number in range(LISTENERS):
            world.start(f"listener-{number}", Listener, machine="m")
        world.start("speaker", Speaker, LISTENERS, machine="m")
        rounds = messages // LISTENERS
        fan = _timed(world, "speaker", lambda number, me: Tell(number, me, rounds), rounds * LISTENERS)
    finally:
        world.stop()
    return {"ping_pong_per_s": ping, "fan_out_per_s": fan}


def _timed(world: System, to: str, build: Callable[[int, Address], Request], messages: int) -> float:
    began_s = time.perf_counter()
    world.ask(to, build, timeout_s=ASK_TIMEOUT_S)
    return messages / (time.perf_counter() - began_s)
