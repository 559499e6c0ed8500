"""Ports below 1024 for a user who may not have them: another port of the same address is served and reported."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable

import pytest

from callboard.models.messages.proxy import ListenFailed, Listening, ServicePort

from .conftest import WAIT_S, Proxy, Server
from .test_proxy import MakeServer, ask, says

_CAP_NET_BIND_SERVICE = 10
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _drop_privileged_ports_on_this_thread() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    assert libc.capget(ctypes.byref(header), sets) == 0
    sets[0].effective &= ~(1 << _CAP_NET_BIND_SERVICE)
    assert libc.capset(ctypes.byref(header), sets) == 0, os.strerror(ctypes.get_errno())


def _proxy_without_privileges() -> Proxy:
    """Capabilities belong to threads and are inherited: a proxy made on such a thread cannot have privileged ports."""
    made: list[Proxy] = []

    def make() -> None:
        _drop_privileged_ports_on_this_thread()
        made.append(Proxy())

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def test_a_refused_port_is_replaced_by_another_of_the_same_address(server: MakeServer, address: Callable[[], str]) -> None:
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as setting:
        if int(setting.read()) <= 80:
            pytest.skip("this machine lets every user listen on port 80")
    web: Server = server(says("web"))
    ip = address()
    proxy = _proxy_without_privileges()
    try:
        proxy.serve(ServicePort("default/web:http", ip, 80, "TCP", (web.endpoint,)))
        failed, listening = proxy.said.get(timeout=WAIT_S), proxy.said.get(timeout=WAIT_S)
        assert isinstance(failed, ListenFailed)
        assert "run as root or allow it with `sysctl net.ipv4.ip_unprivileged_port_start=80`" in failed.reason
        assert isinstance(listening, Listening)
        assert (listening.port, listening.actual_address) == (80, ip)
        assert listening.actual_port >= 1024
        assert ask(ip, listening.actual_port) == "web"
    finally:
        proxy.driver.stop()
