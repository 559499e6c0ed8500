"""What the network of a pod costs: made and removed many at once, and a socket of it handed out, by the network's own driver."""

from __future__ import annotations

import queue
import time
from typing import Any

from callboard.runtime.isolation.levels import chosen
from callboard.runtime.network.driver import NetworkDriver
from callboard.runtime.network.messages import NetworkFailed
from callboard.runtime.process.client import ProcessDaemon

ANSWER_LIMIT_S = 60.0
SOCKETS = 200


def measure(isolation: str, pods: int) -> dict[str, float]:
    """Milliseconds per pod to make and to remove its network, up to 250 of them on one node; milliseconds per socket handed out."""
    daemon = ProcessDaemon.start(None, lambda _message: None, level=chosen(isolation))
    driver = NetworkDriver(daemon, lambda _message: None)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    try:
        driver.ensure_node("node", 0, answers.put)
        _all_answered(answers, 1)
        began_s = time.perf_counter()
        for number in range(pods):
            driver.ensure_pod(f"pod-{number}", "node", f"10.244.1.{2 + number}", answers.put)
        _all_answered(answers, pods)
        up_s = time.perf_counter() - began_s
        began_s = time.perf_counter()
        for _ in range(SOCKETS):
            driver.socket_now("pod/pod-0", ANSWER_LIMIT_S).close()
        sockets_s = time.perf_counter() - began_s
        began_s = time.perf_counter()
        for number in range(pods):
            driver.remove_pod(f"pod-{number}", answers.put)
        _all_answered(answers, pods)
        down_s = time.perf_counter() - began_s
    finally:
        driver.close()
        daemon.stop()
    return {"made_ms": 1e3 * up_s / pods, "removed_ms": 1e3 * down_s / pods, "socket_ms": 1e3 * sockets_s / SOCKETS}


def _all_answered(answers: queue.SimpleQueue[Any], count: int) -> None:
    for _ in range(count):
        answer = answers.get(timeout=ANSWER_LIMIT_S)
        if isinstance(answer, NetworkFailed):
            raise RuntimeError(answer.message)
