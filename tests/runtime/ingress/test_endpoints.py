"""Endpoints that fail in every way they can, and what clients get to see of it."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from tests.runtime.ingress.kit import HOST, QUICK, Endpoint, Serve, World, raw, run, status

GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "garbage": raw(b"what is this\r\n\r\n"),
    "nothing": raw(),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "two lengths": raw(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    "length and coding": raw(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "another coding": raw(OK + b"Transfer-Encoding: gzip\r\n\r\nhello"),
    "a length that is none": raw(OK + b"Content-Length: five\r\n\r\nhello"),
    "a broken header": raw(OK + b"X-One: a\rb\r\n\r\n"),
    "a split header": raw(OK + b"X-One: a\nSet-Cookie: b\r\n\r\n"),
    "a head that is too large": raw(OK + b"X-One: " + b"a" * 200_000),
    "too many headers": raw(OK + b"X: y\r\n" * 1000 + b"\r\n"),
    "another protocol": raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    "a chunk that is none": raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
}


@pytest.mark.parametrize("serve", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_none_is_told_as_502(serve: Serve) -> None:
    async def test(world: World) -> None:
        answer = await world.talk(GET, half_close=True)
        assert status(answer) == 502
        assert answer.count(b"HTTP/1.1 ") == 1

    run(test, serve)


@pytest.mark.parametrize(
    "serve",
    [
        raw(OK + b"Content-Length: 100\r\n\r\nhello"),
        raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"zz\r\n", pause_s=0.05),
    ],
)
def test_an_answer_that_breaks_off_is_not_whole_for_the_client_either(serve: Serve) -> None:
    async def test(world: World) -> None:
        answer = await world.talk(GET)
        assert answer == b"(reset)" or (b"hello" in answer and not answer.endswith(b"0\r\n\r\n") and b"Content-Length: 5\r\n" not in answer)

    run(test, serve)


def test_an_endpoint_that_never_answers_is_told_as_504() -> None:
    async def test(world: World) -> None:
        assert (await world.ask())[0] == 504

    run(test, raw(close=False), limits=msgspec.structs.replace(QUICK, answer_s=0.2))


def test_a_pause_in_the_middle_of_an_answer_is_borne_and_silence_ends_it() -> None:
    slow = raw(OK + b"Content-Length: 12\r\n\r\n", b"hell", b"o th", b"ere!", pause_s=0.15)

    async def patient(world: World) -> None:
        assert await world.ask() == (200, b"hello there!")

    run(patient, slow, limits=msgspec.structs.replace(QUICK, answer_s=0.4))

    async def silent(world: World) -> None:
        answer = await world.talk(GET)
        assert answer == b"(reset)" or answer.endswith(b"hello")

    run(silent, raw(OK + b"Content-Length: 12\r\n\r\nhello", close=False), limits=msgspec.structs.replace(QUICK, answer_s=0.2))


def test_endpoints_take_turns() -> None:
    async def test(world: World) -> None:
        for _ in range(30):
            assert (await world.ask())[0] == 200
        assert [len(endpoint.seen) for endpoint in world.endpoints] == [10, 10, 10]

    run(test, None, None, None)


def test_a_refused_connection_is_tried_at_another_endpoint_whatever_is_asked() -> None:
    async def test(world: World) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            world.serve(closed.getsockname(), world.endpoints[0].address)
            for number in range(10):
                code, body = await world.ask("/", "POST", body=b"a" * (number * 50_000 + 1))
                assert code == 200
                assert len(body) > number * 50_000

    run(test)


def test_if_no_endpoint_takes_a_connection_it_is_502_and_without_any_503() -> None:
    async def test(world: World) -> None:
        world.endpoints[0].stop()
        code, words = await world.ask()
        assert (code, b"refused" in words) == (502, True)
        assert (await world.ask("/nobody"))[0] == 503
        world.serve()
        assert (await world.ask())[0] == 503

    run(test)


def test_an_endpoint_that_takes_no_connection_in_time_is_passed_over_or_told_as_504() -> None:
    async def test(world: World) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = []
            for _ in range(3):  # with its backlog full, the kernel answers no further connection
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
                fillers.append(filler)
            world.serve(full.getsockname())
            assert (await world.ask())[0] == 504
            world.serve(full.getsockname(), world.endpoints[0].address)
            assert [(await world.ask())[0] for _ in range(4)] == [200] * 4
            for filler in fillers:
                filler.close()

    run(test, limits=msgspec.structs.replace(QUICK, connect_s=0.3))


def test_a_kept_connection_that_the_endpoint_closes_costs_no_request() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Promises to keep the connection, answers once, and drops the next request."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 2\r\n\r\nok")
        await reader.readuntil(b"\r\n\r\n")

    async def test(world: World) -> None:
        for _ in range(6):
            assert (await world.ask())[0] == 200
        assert world.endpoints[0].connections >= 6

    run(test, once)


def test_a_post_is_never_sent_twice() -> None:
    got: list[str] = []

    async def dropping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[0])

    async def test(world: World) -> None:
        assert (await world.ask("/", "POST", body=b"order"))[0] == 502
        assert got == ["POST"]
        got.clear()
        assert (await world.ask())[0] == 502
        assert got == ["GET", "GET"], "a GET is tried at every endpoint"

    run(test, dropping, dropping)


def test_connections_to_endpoints_are_kept_for_many_requests_and_clients() -> None:
    async def test(world: World) -> None:
        for _ in range(20):
            assert (await world.ask())[0] == 200
        assert world.endpoints[0].connections == 1

    run(test)


def test_an_endpoint_that_is_gone_from_the_table_gets_nothing_more_and_answers_what_it_has_got() -> None:
    go = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        writer.write(OK + b"Content-Length: 4\r\n\r\nslow")

    async def test(world: World) -> None:
        under_way = asyncio.create_task(world.ask())
        while not world.endpoints[0].connections:
            await asyncio.sleep(0.01)
        late = Endpoint()
        await late.start()
        world.serve(late.address)
        assert (await world.ask())[0] == 200
        assert len(late.seen) == 1
        go.set()
        assert await under_way == (200, b"slow")
        late.stop()

    run(test, slow)


def test_an_answer_that_comes_before_the_request_is_whole_reaches_the_client() -> None:
    early = raw(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")

    async def test(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000000\r\n\r\n".encode() + b"a" * 100_000)
        answer = await reader.read()
        writer.close()
        assert status(answer) == 413
        assert b"Connection: close" in answer

    run(test, early)
