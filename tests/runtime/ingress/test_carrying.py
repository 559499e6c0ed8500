"""Requests and answers of every shape, carried as they are: bodies, connections, WebSockets, changes of the table, the end."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from tests.runtime.ingress.kit import HOST, QUICK, World, raw, read_chunks, run, status

GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
POST = f"POST / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\n"
PIECE = bytes(range(256)) * 256
PIECES = 300


def echoed(body: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(body)
    return found


def test_a_request_says_how_it_came_and_keeps_what_is_its_own() -> None:
    async def test(world: World) -> None:
        code, body = await world.ask("/a/b?c=d%20e", "PUT", "X-Mine: yes", "Cookie: a=b", body=b"hello")
        assert code == 200
        seen = world.endpoints[0].seen[0]
        assert echoed(body)["line"] == "PUT /a/b?c=d%20e HTTP/1.1"
        assert seen.body == b"hello"
        assert seen.all("X-Mine") == ["yes"]
        assert seen.all("X-Forwarded-Port") == [str(world.port)]
        assert seen.all("X-Forwarded-Host") == [HOST]

    run(test)


@pytest.mark.parametrize(
    ("target", "host", "code"), [(f"http://{HOST}/x?y", "a.b", 200), (f"http://{HOST}", HOST, 200), ("http://a.b/", HOST, 404)]
)
def test_a_target_with_a_host_says_more_than_the_host_header(target: str, host: str, code: int) -> None:
    async def test(world: World) -> None:
        answer = await world.talk(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert status(answer) == code
        for seen in world.endpoints[0].seen:
            assert seen.all("Host") == [HOST]
            assert seen.line.startswith("GET /")

    run(test)


def test_bodies_flow_both_ways_without_being_held() -> None:
    async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        chunked = b"Transfer-Encoding: chunked" in head
        assert chunked != (b"Content-Length" in head)
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        left = len(PIECE) * PIECES
        while chunked or left:
            size = int(await reader.readline(), 16) if chunked else min(left, 65536)
            piece = await reader.readexactly(size)
            left -= size
            if chunked:
                await reader.readexactly(2)
            if not size:
                break
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def talk(world: World, head: bytes, frame: str) -> None:
        reader, writer = await world.connect()

        async def send() -> None:
            writer.write(POST + head + b"\r\n\r\n")
            for _ in range(PIECES):
                writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if frame == "chunked" else PIECE)
                await writer.drain()
            if frame == "chunked":
                writer.write(b"0\r\n\r\n")

        sending = asyncio.create_task(send())
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        assert await read_chunks(reader) == PIECE * PIECES
        await sending
        writer.close()

    async def test(world: World) -> None:
        await talk(world, b"Transfer-Encoding: chunked", "chunked")
        await talk(world, b"Content-Length: %d" % (len(PIECE) * PIECES), "length")

    run(test, mirror)


def test_an_answer_until_the_end_of_its_connection_is_framed_for_the_client() -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(GET + b"\r\n")
        assert b"Transfer-Encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        assert await read_chunks(reader) == b"hello there"
        writer.write(GET + b"\r\n")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200, "the client's connection is kept"
        writer.close()
        old = await world.talk(b"GET / HTTP/1.0\r\nHost: shop.local\r\n\r\n")
        assert old.endswith(b"\r\n\r\nhello there")
        assert b"chunked" not in old

    run(test, raw(OK + b"\r\nhello", b" there", pause_s=0.05))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n"])
def test_answers_without_a_body_end_with_their_head(answer: bytes) -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        for _ in range(3):
            writer.write(GET + b"\r\n")
            assert status(await reader.readuntil(b"\r\n\r\n")) in (204, 304)
        writer.close()

    async def always(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer)

    run(test, always)


def test_head_gets_the_length_and_no_body() -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        for _ in range(3):
            writer.write(GET.replace(b"GET", b"HEAD") + b"\r\n")
            assert b"Content-Length: " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HEAD / HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 404
        writer.write(GET + b"Connection: close\r\n\r\n")
        assert status(await reader.read()) == 200, "nothing was left between"
        writer.close()

    run(test)


def test_who_asks_before_sending_its_body_is_answered_once_there_is_an_endpoint() -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        assert world.endpoints[0].seen[0].body == b"hello"
        writer.close()
        nobody = await world.talk(b"POST /nobody HTTP/1.1\r\nHost: shop.local\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert status(nobody) == 503
        assert b"100 Continue" not in nobody

    run(test)


def test_provisional_answers_are_passed_over() -> None:
    async def test(world: World) -> None:
        assert await world.ask() == (200, b"ok")

    run(test, raw(b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok"))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_sends_nothing_more_still_gets_its_answer(version: str) -> None:
    async def test(world: World) -> None:
        answer = await world.talk(f"GET / HTTP/{version}\r\nHost: {HOST}\r\n\r\n".encode(), half_close=True)
        assert status(answer) == 200

    run(test)


def test_a_client_of_http_1_0_may_keep_its_connection() -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        for _ in range(2):
            writer.write(f"GET / HTTP/1.0\r\nHost: {HOST}\r\nConnection: keep-alive\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Connection: keep-alive" in head
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]))
        writer.close()

    run(test)


# -- WebSockets

UPGRADE = GET + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"


async def mirror_socket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Switches, says so, mirrors until the client's half is closed, then says goodbye."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Upgrade: websocket" in head
    assert b"Sec-WebSocket-Key" in head
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nwelcome")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"goodbye")


def test_a_websocket_carries_bytes_both_ways_until_either_half_is_closed() -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(UPGRADE + b"too early")
        head = await reader.readuntil(b"\r\n\r\n")
        assert status(head) == 101
        assert b"Sec-WebSocket-Accept: x" in head
        assert await reader.readexactly(16) == b"welcometoo early"
        for size in (1, 1000, 3_000_000):
            data = bytes(size)
            writer.write(data)
            assert await reader.readexactly(size) == data
        writer.write_eof()
        assert await reader.read() == b"goodbye"
        writer.close()

    run(test, mirror_socket)


def test_the_endpoint_s_half_of_a_websocket_may_be_closed_first() -> None:
    heard: list[bytes] = []

    async def leaving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nthat is all")
        writer.write_eof()
        heard.append(await reader.read())

    async def test(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b"that is all"
        writer.write(b"mine goes on")
        await asyncio.sleep(0.05)
        writer.write_eof()
        while not heard:
            await asyncio.sleep(0.01)
        assert heard == [b"mine goes on"]
        writer.close()

    run(test, leaving)


def test_a_websocket_that_is_refused_is_an_answer_like_others_and_the_last() -> None:
    async def test(world: World) -> None:
        answer = await world.talk(UPGRADE + GET + b"\r\n")
        assert status(answer) == 403
        assert answer.count(b"HTTP/1.1 ") == 1
        assert status(await world.talk(UPGRADE.replace(b"GET / ", b"GET /nobody "))) == 503

    run(test, raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", close=False))


def test_other_protocols_are_not_switched_to() -> None:
    async def test(world: World) -> None:
        answer = await world.talk(
            GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n" + GET + b"\r\n", True
        )
        assert answer.count(b"HTTP/1.1 200") == 2
        for seen in world.endpoints[0].seen:
            assert seen.all("Upgrade") == seen.all("Connection") == seen.all("HTTP2-Settings") == []

    run(test)


# -- changes and the end


def test_a_new_table_keeps_connections_and_routes_their_next_request() -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        for number in range(20):
            world.serve(world.endpoints[number % 2].address)
            writer.write(GET + b"\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert status(head) == 200
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]))
        assert [len(endpoint.seen) for endpoint in world.endpoints] == [10, 10]
        writer.close()

    run(test, None, None)


def test_at_the_end_requests_under_way_are_answered_and_idle_connections_closed() -> None:
    async def test(world: World) -> None:
        idle_reader, idle_writer = await world.connect()
        idle_writer.write(b"GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
        await idle_reader.readuntil(b'"\n')
        busy = asyncio.create_task(world.talk(GET + b"\r\n"))
        while not world.endpoints[0].connections:
            await asyncio.sleep(0.01)
        draining = asyncio.create_task(world.front.drain())
        assert await idle_reader.read() == b""
        answer = await busy
        assert answer.endswith(b"hello there!")
        assert b"Connection: close" in answer
        await draining
        with pytest.raises(ConnectionRefusedError):
            await world.connect()
        idle_writer.close()

    slow = raw(b"", OK + b"Content-Length: 12\r\n\r\nhello ", b"there!", pause_s=0.1)
    run(test, slow, limits=msgspec.structs.replace(QUICK, drain_s=5.0))


def test_without_a_table_nothing_is_known_yet() -> None:
    async def test(world: World) -> None:
        world.front._served = False
        code, words = await world.ask()
        assert (code, b"yet" in words) == (503, True)

    run(test)
