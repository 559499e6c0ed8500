"""A client may speak before there is an endpoint to listen: what it says then waits."""

from __future__ import annotations

import socket

from callboard.models.messages.proxy import ServicePort

from .conftest import WAIT_S, Proxy
from .test_proxy import MakeAddress, connect


def test_what_a_client_says_before_an_endpoint_stands_waits_for_it(proxy: Proxy, address: MakeAddress) -> None:
    """The endpoint's queue of connections is full, so that a further one stands only once the others have been accepted."""
    ip = address()
    with socket.create_server((address(), 0), backlog=0) as slow, socket.create_connection(slow.getsockname()):
        proxy.serve(ServicePort("default/web:http", ip, 18080, "TCP", (slow.getsockname(),)))
        with connect(ip) as client:
            client.sendall(b"early")
            assert proxy.driver.stats()[0].endpoints[0].bytes_to_endpoint == 0
            slow.settimeout(WAIT_S)
            taken = [slow.accept()[0] for _ in range(2)]
            with taken[0], taken[1]:
                taken[1].settimeout(WAIT_S)
                assert taken[1].recv(5) == b"early"
