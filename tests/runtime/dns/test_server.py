"""The server of names over real sockets of this machine."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from dnslib import RCODE, DNSRecord

from callboard.models.dns import Record
from callboard.models.messages.dns import NamesPart
from callboard.runtime.dns import server as serving
from callboard.runtime.dns.server import NameServer, sockets_at

WEB = "web.default.svc.cluster.local"
DB = "db.default.svc.cluster.local"
LIMIT_S = 20.0
HERE = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""Where nobody else's connections take ports away, since both sockets need the same one."""


def part(key: str, *records: Record) -> NamesPart:
    return NamesPart(key, records)


NAMES = (
    part("web", Record(WEB, "A", "10.96.0.7")),
    part("db", *(Record(DB, "A", f"10.244.{number // 200}.{number % 200 + 1}") for number in range(200))),
)


def run(test: Callable[[NameServer, int], Awaitable[None]], told: bool = True) -> None:
    """Run a test beside a server on a port of its own."""

    async def whole() -> None:
        server = NameServer(HERE)
        datagrams, listener = sockets_at(HERE, 0)
        await server.serve("here", datagrams, listener)
        if told:
            server.tell(True, ("default",), NAMES)
        try:
            await asyncio.wait_for(test(server, listener.getsockname()[1]), LIMIT_S)
        finally:
            server.close()

    asyncio.run(whole())


async def by_udp(port: int, name: str, kind: str = "A") -> Any:
    query = DNSRecord.question(name, kind)
    reply = await asyncio.to_thread(query.send, HERE, port, False, 10)
    return DNSRecord.parse(reply)


async def by_tcp(port: int, *names: str) -> list[Any]:
    """Several questions on one connection."""
    reader, writer = await asyncio.open_connection(HERE, port)
    replies = []
    for name in names:
        data = bytes(DNSRecord.question(name).pack())
        writer.write(len(data).to_bytes(2, "big") + data)
        length = int.from_bytes(await reader.readexactly(2), "big")
        replies.append(DNSRecord.parse(await reader.readexactly(length)))
    writer.close()
    return replies


def addresses(reply: Any) -> list[str]:
    return [str(record.rdata) for record in reply.rr]


def test_questions_are_answered_over_udp_and_tcp_and_what_is_cut_off_comes_whole_by_tcp() -> None:
    async def test(_server: NameServer, port: int) -> None:
        assert addresses(await by_udp(port, WEB)) == ["10.96.0.7"]
        cut = await by_udp(port, DB)
        assert (cut.header.tc, cut.rr) == (1, [])
        web, db, absent = await by_tcp(port, WEB, DB, f"no.{WEB}")
        assert addresses(web) == ["10.96.0.7"]
        assert len(addresses(db)) == 200
        assert absent.header.rcode == RCODE.NXDOMAIN

    run(test)


def test_addresses_take_turns_though_answers_are_kept() -> None:
    async def test(server: NameServer, port: int) -> None:
        two = part("two", *(Record("two.default.svc.cluster.local", "A", f"10.244.1.{number}") for number in (2, 3)))
        server.tell(False, ("default",), (two,))
        firsts = {addresses(await by_udp(port, "two.default.svc.cluster.local"))[0] for _ in range(4)}
        assert firsts == {"10.244.1.2", "10.244.1.3"}
        assert [addresses(await by_udp(port, WEB)) for _ in range(3)] == [["10.96.0.7"]] * 3

    run(test)


def test_a_change_is_answered_at_once() -> None:
    async def test(server: NameServer, port: int) -> None:
        assert (await by_udp(port, WEB)).header.rcode == RCODE.NOERROR
        server.tell(False, ("default",), (part("web"),))
        assert (await by_udp(port, WEB)).header.rcode == RCODE.NXDOMAIN
        server.tell(True, ("default",), (part("web", Record(WEB, "A", "10.96.0.8")),))
        assert addresses(await by_udp(port, WEB)) == ["10.96.0.8"]
        assert (await by_udp(port, DB)).header.rcode == RCODE.NXDOMAIN

    run(test)


def test_before_it_is_told_all_it_says_that_it_fails_and_forgets_that_afterwards() -> None:
    async def test(server: NameServer, port: int) -> None:
        server.tell(False, ("default",), NAMES[:1])
        assert (await by_udp(port, WEB)).header.rcode == RCODE.SERVFAIL
        server.tell(True, ("default",), NAMES)
        assert addresses(await by_udp(port, WEB)) == ["10.96.0.7"]

    run(test, told=False)


def test_scraps_are_dropped_and_the_next_question_is_answered() -> None:
    async def test(_server: NameServer, port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for scrap in (b"", b"x", b"\xff" * 12, bytes(3000)):
                sock.sendto(scrap, (HERE, port))
        for scrap in (b"\0", b"\0\3abc", b"\xff\xff"):
            reader, writer = await asyncio.open_connection(HERE, port)
            writer.write(scrap)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert addresses(await by_udp(port, WEB)) == ["10.96.0.7"]

    run(test)


def test_silent_connections_are_hung_up_on_and_too_many_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "IDLE_LIMIT_S", 0.5)
    monkeypatch.setattr(serving, "CONNECTIONS_LIMIT", 3)

    async def test(_server: NameServer, port: int) -> None:
        silent = [await asyncio.open_connection(HERE, port) for _ in range(3)]
        silent[0][1].write(b"\0")
        reader, writer = await asyncio.open_connection(HERE, port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        assert addresses(await by_udp(port, WEB)) == ["10.96.0.7"]
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()
        assert addresses((await by_tcp(port, WEB))[0]) == ["10.96.0.7"]

    run(test)


def test_a_place_that_is_left_is_closed_and_may_be_served_again() -> None:
    async def test(server: NameServer, port: int) -> None:
        reader, writer = await asyncio.open_connection(HERE, port)
        server.leave("here")
        server.leave("here")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        await asyncio.sleep(0)  # a loop closes what was given up with its next turn
        datagrams, listener = sockets_at(HERE, port)
        await server.serve("here", datagrams, listener)
        assert server.places == ("here",)
        assert addresses(await by_udp(port, WEB)) == ["10.96.0.7"]

    run(test)


def test_an_address_that_is_not_here_is_told_as_the_kernel_does() -> None:
    with pytest.raises(OSError, match="assign requested address"):
        sockets_at("192.0.2.7", 0)
