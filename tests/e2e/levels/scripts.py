"""Programs that tests run inside pods, with plain functions that fill them in."""

from __future__ import annotations


def get(url: str, patience_s: float = 5.0) -> str:
    """Prints what a GET brings; a refused connection is tried again for a while."""
    return f"""
import time, urllib.error, urllib.request
until = time.monotonic() + {patience_s}
while True:
    try:
        print(urllib.request.urlopen({url!r}, timeout=5).read().decode())
        break
    except urllib.error.URLError:
        if time.monotonic() > until:
            raise
        time.sleep(0.1)
"""


def reach(port: int, patience_s: float) -> str:
    """Prints whether the pod's localhost takes connections on a port: "reached" or "refused"."""
    return f"""
import socket, time
until = time.monotonic() + {patience_s}
while True:
    try:
        socket.create_connection(("127.0.0.1", {port}), 5).close()
        print("reached")
        break
    except ConnectionRefusedError:
        if time.monotonic() > until:
            print("refused")
            break
        time.sleep(0.1)
"""


def holds(pattern: str, mark: str) -> str:
    """Prints whether any file of a pattern holds the mark (which stands here in two pieces, so that this program isn't found)."""
    return f"""
import glob
def read(path):
    try:
        return open(path, errors="replace").read()
    except OSError:
        return ""
print(any({mark[:16]!r} + {mark[16:]!r} in read(path) for path in glob.glob({pattern!r})))
"""


def ask_udp(address: str, port: int) -> str:
    """Prints the answer to one datagram."""
    return f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(3)
    client.connect(({address!r}, {port}))
    client.send(b"ping")
    print(client.recv(2048).decode())
"""


def look_up(name: str) -> str:
    """Prints the addresses that a name means, sorted."""
    return f"import socket; print(*sorted({{found[4][0] for found in socket.getaddrinfo({name!r}, 80, socket.AF_INET)}}))"


def keep_asking(address: str, turns: int, pause_s: float) -> str:
    """Sends so many requests over one kept connection, and prints who answered each."""
    return f"""
import http.client, time
link = http.client.HTTPConnection({address!r}, 8080, timeout=10)
link.auto_open = False
link.connect()
for turn in range({turns}):
    link.request("GET", "/")
    print(link.getresponse().read().decode().split()[0], flush=True)
    time.sleep({pause_s})
"""
