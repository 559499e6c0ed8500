"""Requests as fast as they are answered, for a while: by wrk where it is installed, else by a small program of ours.

Either runs inside a pod or beside the cluster, as a command; its own speed bounds what can be seen, so figures of one run compare and
figures of two runs don't.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable

import msgspec

Run = Callable[[list[str]], str]
"""Carries a command out and returns what it printed."""
_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_WRK = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m), ([\d.]+)([KMGT]?B) read")
_WRK_ERRORS = re.compile(r"(?:Socket errors: .*|Non-2xx.*)")
OURS = """
import http.client, sys, threading, time
url, seconds, connections, close = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "close"
host, _, path = url.removeprefix("http://").partition("/")
headers = {"Host": sys.argv[5] or host, **({"Connection": "close"} if close else {})}
sums, lock, until = [0, 0, 0], threading.Lock(), time.monotonic() + seconds
def ask():
    link, requests, size, failed = None, 0, 0, 0
    while time.monotonic() < until:
        try:
            link = link or http.client.HTTPConnection(host, timeout=10)
            link.request("GET", "/" + path, headers=headers)
            answer = link.getresponse()
            while piece := answer.read(1 << 20):
                size += len(piece)
            requests += 1
            failed += answer.status >= 400
        except (OSError, http.client.HTTPException):
            failed += 1
            link = None
    with lock:
        sums[:] = sums[0] + requests, sums[1] + size, sums[2] + failed
threads = [threading.Thread(target=ask) for _ in range(connections)]
began = time.monotonic()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(f"{sums[0]} requests in {time.monotonic() - began:.3f}s, {sums[1]}B read")
if sums[2]: print("Socket errors:", sums[2])
"""


class Rate(msgspec.Struct, frozen=True):
    """What came back, per second."""

    requests_per_s: float
    bytes_per_s: float


class HammerFailed(Exception):
    """Requests failed, or nothing could be read from what was printed; says what was printed."""


def read(printed: str) -> Rate:
    """The rate that wrk, or our own program, printed.

    Raises:
        HammerFailed: there is none, or requests failed.

    >>> read("  4 requests in 2.00s, 1.00KB read")
    Rate(requests_per_s=2.0, bytes_per_s=512.0)
    """
    found = _WRK.search(printed)
    if found is None or float(found[2]) == 0 or _WRK_ERRORS.search(printed):
        raise HammerFailed(f"no clean run of requests: {printed.strip()[-500:]}")
    seconds = float(found[2]) * {"ms": 1e-3, "s": 1.0, "m": 60.0}[found[3]]
    return Rate(int(found[1]) / seconds, float(found[4]) * _UNITS[found[5]] / seconds)


def here(command: list[str]) -> str:
    """Carry a command out beside the cluster. Raises `HammerFailed` if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise HammerFailed(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def hammer(run: Run, url: str, seconds: float, *, connections: int = 16, close: bool = False, host: str = "") -> Rate:
    """Ask for `url` all the time over so many connections, new ones each time if `close`; `host` is the Host header, if not the URL's.

    Raises:
        HammerFailed: requests failed.
    """
    if shutil.which("wrk"):
        headers = [*(["-H", "Connection: close"] if close else []), *(["-H", f"Host: {host}"] if host else [])]
        return read(run(["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", *headers, url]))
    python = "python3" if run is not here else sys.executable
    return read(run([python, "-c", OURS, url, str(seconds), str(connections), "close" if close else "keep", host]))
