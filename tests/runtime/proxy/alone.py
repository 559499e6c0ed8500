"""A proxy in a process of its own, with a limit of open files of its own: `alone.py ADDRESS PORT ENDPOINT_ADDRESS ENDPOINT_PORT FILES`.

It says "serving" once it listens, then one line of JSON for each line that it is given: its counters. It ends with its input.
"""

from __future__ import annotations

import resource
import sys

import msgspec

from callboard.models.messages.proxy import ProxyTable, ServicePort
from callboard.runtime.proxy.driver import ProxyDriver


def main(address: str, port: str, endpoint: str, endpoint_port: str, files: str) -> None:
    """Serve until the input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), hard))
    driver = ProxyDriver(lambda _message: None)
    driver.apply(ProxyTable((ServicePort("default/web", address, int(port), "TCP", ((endpoint, int(endpoint_port)),)),)))
    driver.sync()
    print("serving", flush=True)
    for _ in sys.stdin:
        print(msgspec.json.encode(driver.stats()[0]).decode(), flush=True)
    driver.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
