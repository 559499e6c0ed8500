"""A load generator: real HTTP over kept connections at a steady pace, each request with its outcome. `python -m callboard.bench.load JSON`.

It is a process of its own, so that what it measures doesn't wait for the cluster in the same interpreter. It prints one line of JSON per
request and ends when its standard input does, thus also when whoever started it is gone. `callboard.bench.steadyload` starts and reads it.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time

import msgspec

RETRY_PAUSE_S = 0.05
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Ask(msgspec.Struct, frozen=True):
    """One kind of request: sent again and again, in turn with its siblings."""

    path: str
    method: str = "GET"
    body: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What to send where: `connections` at once, together `rate_per_s` requests a second (0: as fast as answers come)."""

    address: str
    port: int
    host: str
    asks: tuple[Ask, ...]
    connections: int = 4
    rate_per_s: float = 50.0
    timeout_s: float = 10.0
    connects: int = 5
    """A failed connect is tried again; after so many the request counts as failed."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one request; times by the machine's monotonic clock, which all processes share."""

    ask: int
    """Which of the plan's asks."""
    began_s: float
    ended_s: float
    status: int = 0
    """0: no answer."""
    pod: str = ""
    """Who answered, by its own header X-Pod."""
    connects: int = 0
    """How many connects it took, those that failed included; 0: a kept connection."""
    error: str = ""

    @property
    def failed(self) -> bool:
        """No answer, or one that says that the server is at fault."""
        return self.status == 0 or self.status >= 500


class Sender:
    """One kept connection, and the requests on it one after the other."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._link: http.client.HTTPConnection | None = None

    def send(self, number: int) -> Outcome:
        """Send the plan's ask of this number. A connect that fails is tried again; so is, once, a request that can be repeated and whose
        kept connection was closed before a byte of the answer came (RFC 9110, 9.2.2)."""
        ask, began_s, connects, again = self._plan.asks[number], time.monotonic(), 0, True
        while True:
            kept = self._link is not None
            try:
                if self._link is None:
                    connects += 1
                    self._connect()
                status, pod = self._exchange(ask)
                return Outcome(number, began_s, time.monotonic(), status, pod, connects)
            except (OSError, http.client.HTTPException) as problem:
                connecting = self._link is None
                self._close()
                closed_early = kept and isinstance(problem, ConnectionError | http.client.RemoteDisconnected) and ask.method in IDEMPOTENT
                if connecting and connects < self._plan.connects:
                    time.sleep(RETRY_PAUSE_S)
                elif closed_early and again:
                    again = False
                else:
                    words = f"{type(problem).__name__}: {problem}"
                    return Outcome(number, began_s, time.monotonic(), connects=connects, error=words)

    def _connect(self) -> None:
        link = http.client.HTTPConnection(self._plan.address, self._plan.port, timeout=self._plan.timeout_s)
        try:
            link.connect()
        except OSError:
            link.close()
            raise
        self._link = link

    def _exchange(self, ask: Ask) -> tuple[int, str]:
        assert self._link is not None
        body = ask.body.encode() if ask.body else None
        self._link.request(ask.method, ask.path, body=body, headers={"Host": self._plan.host})
        answer = self._link.getresponse()
        answer.read()
        if answer.will_close:
            self._close()
        return answer.status, answer.getheader("X-Pod") or ""

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class _Desk:
    """Writes outcomes of all senders, one line each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._encoder = msgspec.json.Encoder()

    def write(self, outcome: Outcome) -> None:
        line = self._encoder.encode(outcome) + b"\n"
        with self._lock:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def _keep_sending(plan: Plan, first: int, desk: _Desk, stop: threading.Event) -> None:
    """One sender's turns: those numbered first, first + connections, ...; paced by the clock, so a slow answer is not made up for."""
    sender, turn = Sender(plan), first
    due_s = time.monotonic()
    pause_s = plan.connections / plan.rate_per_s if plan.rate_per_s else 0.0
    if stop.wait(pause_s * first / plan.connections):
        return
    while not stop.is_set():
        desk.write(sender.send(turn % len(plan.asks)))
        turn += 1
        due_s = max(due_s + pause_s, time.monotonic() - pause_s)
        if stop.wait(max(0.0, due_s - time.monotonic())):
            return


def main() -> None:
    """Send what the plan in the first argument says, until standard input ends."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    stop, desk = threading.Event(), _Desk()
    threads = [threading.Thread(target=_keep_sending, args=(plan, number, desk, stop)) for number in range(plan.connections)]
    for thread in threads:
        thread.start()
    sys.stdin.buffer.read()
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
