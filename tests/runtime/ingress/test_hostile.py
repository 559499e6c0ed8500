"""What clients may not do to the Ingress, its endpoints and each other: smuggling, size, slowness."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.ingress.kit import HOST, QUICK, World, raw, run, status

GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
POST = f"POST /in HTTP/1.1\r\nHost: {HOST}\r\n".encode()
SMUGGLED = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
REFUSED = {
    "two equal lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "a length beyond all numbers": POST + b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    "length and coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding of HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a folded header": GET + b"X-One: a\r\n b\r\n\r\n",
    "a header without a colon": GET + b"what is this\r\n\r\n",
    "a lone carriage return": GET + b"X-One: a\rContent-Length: 5\r\n\r\n",
    "a zero byte": GET + b"X-One: a\x00b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: other.local\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: shop.local/x\r\n\r\n",
    "a host with a space": b"GET / HTTP/1.1\r\nHost: shop.local x\r\n\r\n",
    "a target that is no path": f"GET nothing HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
    "a target with a control character": f"GET /a\x0bb HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
    "a path above the root": f"GET /a/../../b HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
    "a path above the root in disguise": f"GET /%2e%2e/b HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 4,
    "a chunk without a size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a chunk with a sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than it says": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "a chunk beyond all numbers": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a chunk's line with a lone line feed": POST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_heard(request_: bytes) -> None:
    async def test(world: World) -> None:
        answer = await world.talk(request_ + SMUGGLED)
        assert status(answer) == 400
        assert answer.count(b"HTTP/1.1 ") == 1
        assert (await world.ask())[0] == 200, "others are served"
        assert [seen for seen in world.endpoints[0].seen if "smuggled" in seen.line] == []

    run(test)


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (b"CONNECT shop.local:443 HTTP/1.1\r\nHost: shop.local:443\r\n\r\n", 405),
        (POST + b"Expect: miracles\r\nContent-Length: 2\r\n\r\nab", 417),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: shop.local\r\n\r\n", 414),
        (b"GET /" + b"a" * 200_000, 414),
        (GET + b"X-Long: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (GET + b"X-Endless: " + b"a" * 300_000, 431),
        (GET + b"X: y\r\n" * 101 + b"\r\n", 431),
        (GET + b"Some-Header-With-A-Name: and a value of some length, too\r\n" * 20_000, 431),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: t\r\n" * 200, 431),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000, 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nT: " + b"x" * 200_000, 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_too_much_is_told_by_its_status(request_: bytes, wanted: int) -> None:
    async def test(world: World) -> None:
        assert status(await world.talk(request_)) == wanted

    run(test)


def test_headers_by_which_a_client_could_speak_for_us_are_replaced_or_dropped() -> None:
    said = [
        *("X-Forwarded-For: 6.6.6.6", "x-forwarded-proto: https", "X-Forwarded-Host: evil", "X_Forwarded_For: 6.6.6.6", "Forwarded: for=6"),
        *("X-Real-IP: 6.6.6.6", "Proxy-Connection: keep-alive", "TE: trailers", "Content_Length: 50", "Transfer_Encoding: chunked"),
        *("Connection: X-Secret, X-Forwarded-For, host, content-length", "X-Secret: of this hop", "X-Mine: kept", "X_Mine: kept"),
    ]

    async def test(world: World) -> None:
        data = POST + "\r\n".join([*said, "Content-Length: 5", "", ""]).encode() + b"hello"
        reader, writer = await world.connect()
        writer.write(data)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        (seen,) = world.endpoints[0].seen
        assert seen.body == b"hello"
        for name, value in (("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("X-Forwarded-Proto", "http")):
            assert seen.all(name) == [value]
        assert seen.all("X-Forwarded-Host") == seen.all("Host") == [HOST]
        names = {name.lower() for name, _ in seen.headers}
        assert {"x-mine", "x_mine"} <= names
        assert names.isdisjoint({"x_forwarded_for", "forwarded", "proxy-connection", "te", "content_length", "transfer_encoding"})
        assert names.isdisjoint({"x-secret", "connection"})

    run(test)


def test_a_slow_head_is_told_so_and_ended() -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        began_s = asyncio.get_running_loop().time()

        async def trickle() -> None:
            for byte in GET + b"X-Slow: " + b"a" * 10_000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)

        task = asyncio.create_task(trickle())
        answer = await reader.read()
        task.cancel()
        writer.close()
        assert status(answer) == 408
        assert asyncio.get_running_loop().time() - began_s >= 0.25

    run(test, limits=msgspec.structs.replace(QUICK, head_s=0.3))


def test_who_says_nothing_is_closed_without_a_word() -> None:
    async def test(world: World) -> None:
        assert await world.talk(b"") == b""

    run(test, limits=msgspec.structs.replace(QUICK, head_s=0.1))


def test_a_slow_body_is_told_so_and_ended() -> None:
    async def test(world: World) -> None:
        assert status(await world.talk(POST + b"Content-Length: 50\r\n\r\nhello")) == 408

    run(test, limits=msgspec.structs.replace(QUICK, body_s=0.2))


def test_who_takes_nothing_of_the_answer_is_ended_and_holds_back_nobody() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"a" * 65536)
            await writer.drain()

    async def test(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(GET + b"\r\n")
        await reader.readexactly(100)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        while world.front.clients:
            await asyncio.sleep(0.02)
        writer.close()

    run(test, endless, limits=msgspec.structs.replace(QUICK, send_s=0.3))


def test_a_hundred_stuck_clients_cost_others_nothing() -> None:
    async def test(world: World) -> None:
        stuck = [await world.connect() for _ in range(100)]
        for _, writer in stuck:
            writer.write(POST + b"Content-Length: 100\r\n\r\nstuck")
        for _ in range(20):
            assert (await world.ask())[0] == 200
        for _, writer in stuck:
            writer.close()

    run(test)


def test_at_the_limit_of_clients_accepting_waits_until_one_goes() -> None:
    async def test(world: World) -> None:
        first = [await world.connect() for _ in range(3)]
        for reader, writer in first:
            writer.write(GET + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
        late = asyncio.create_task(world.ask())
        await asyncio.sleep(0.1)
        assert not late.done()
        first[0][1].close()
        assert (await late)[0] == 200
        for _, writer in first:
            writer.close()

    run(test, limits=msgspec.structs.replace(QUICK, connections=3))


def test_thousands_of_pipelined_requests_are_answered_in_their_order() -> None:
    async def test(world: World) -> None:
        nowhere = b"GET /%d HTTP/1.1\r\nHost: elsewhere.local\r\n\r\n"
        answer = await world.talk(b"".join(nowhere % number for number in range(3000)), half_close=True)
        assert answer.count(b"HTTP/1.1 404") == 3000
        some = b"".join(b"GET /%d HTTP/1.1\r\nHost: shop.local\r\n\r\n" % number for number in range(200))
        answer = await world.talk(some, half_close=True)
        assert [int(part.partition(b" ")[0]) for part in answer.split(b'"line": "GET /')[1:]] == [*range(200)]

    run(test)


def test_a_bad_request_behind_good_ones_is_refused_in_its_turn() -> None:
    async def test(world: World) -> None:
        answer = await world.talk(GET + b"\r\n" + GET + b"\r\n" + b"nonsense\r\n\r\n" + SMUGGLED)
        assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()] == [200, 200, 400]

    run(test)


HEADERS = [b"Content-Length: 5", b"content-length: 7", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: upgrade", b"X: y"]
PIECES = st.sampled_from([*HEADERS, b"Upgrade: websocket", b"Upgrade: h2c", b"Host: shop.local", b"Expect: 100-continue", b" folded", b":"])
BODIES = st.sampled_from([b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", SMUGGLED, b"\r\n\r\n", b"\x00", b"5\r\nhel"])
LINES = st.sampled_from([b"GET / HTTP/1.1", b"POST /a HTTP/1.1", b"HEAD / HTTP/1.0", b"OPTIONS * HTTP/1.1", b"GET http://a.b HTTP/1.1"])


@st.composite
def conversations(draw: Any) -> bytes:
    said = b""
    for _ in range(draw(st.integers(1, 3))):
        ends = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
        lines = [draw(LINES), *draw(st.lists(PIECES, max_size=5)), b"", b""]
        said += ends.join(lines) + draw(BODIES) + draw(st.binary(max_size=3))
    return said


@settings(max_examples=150, deadline=None)
@given(conversations())
def test_whatever_is_said_endpoints_get_whole_requests_only_and_nothing_falls(said: bytes) -> None:
    async def test(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(said)
        writer.write_eof()
        await reader.read()
        writer.close()
        assert (await world.ask())[0] == 200, "others are served"
        assert len(world.endpoints[0].seen) <= 8

    run(test)


def test_an_endpoint_that_answers_twice_answers_nobody_else() -> None:
    twice = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", close=False)

    async def test(world: World) -> None:
        for _ in range(3):
            assert (await world.ask())[1] == b"one"

    run(test, twice)
