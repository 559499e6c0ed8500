"""Real HTTP requests for the demo: a burst that counts who answered, and a steady stream in a thread while something breaks."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

PAUSE_S = 0.02
REQUEST_TIMEOUT_S = 5.0


def ask_once(url: str) -> str | None:
    """One GET on a new connection; the name of the pod that answered, or None if the request failed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=REQUEST_TIMEOUT_S)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return answer.getheader("X-Pod") if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ask(url: str, requests: int) -> Counter[str | None]:
    """Send so many requests, one after the other; how many each pod answered (None: failed)."""
    return Counter(ask_once(url) for _ in range(requests))


class SteadyTraffic:
    """Requests without end in a thread of its own, from `with` to its end; `answers` counts them by pod (None: failed)."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[str | None] = Counter()
        self.failures_at_s: list[float] = []
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady-traffic", daemon=True)
        self._began_s = time.monotonic()

    def __enter__(self) -> SteadyTraffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def sent(self) -> int:
        """How many requests have been sent so far."""
        return sum(self.answers.values())

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self.answers[None]

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            pod = ask_once(self._url)
            self.answers[pod] += 1
            if pod is None:
                self.failures_at_s.append(time.monotonic() - self._began_s)
