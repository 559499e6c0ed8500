"""The Services' network as a namespace's own: whatever is sent to one of its addresses is for whoever listens there. For nodes on which a
program of ours carries Services, since the kernel's rules can't.
"""

from __future__ import annotations

import socket
from contextlib import closing

from callboard.runtime.network import plan
from callboard.runtime.network.netlink import Netlink, order

_LOCAL_TABLE, _HOST_SCOPE = 255, 254


def answer_services() -> None:
    """Do this in the namespace of the calling thread; calling it twice is allowed. Raises OSError."""
    loopback = socket.if_nametoindex("lo")
    with closing(Netlink()) as kernel:
        kernel.do(order("route", "replace", dst=plan.SERVICE_NETWORK, oif=loopback, type="local", table=_LOCAL_TABLE, scope=_HOST_SCOPE))
