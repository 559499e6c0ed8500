"""gRPC probes against a real gRPC server: services that serve, that don't, that nobody knows, and servers that are none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api import core
from callboard.runtime.containers.process_grpc import health_request, health_state
from callboard.runtime.containers.process_probes import Outcome, run_probe

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[int, int]]:
    """The port of a server with the health service, and of one without."""
    with ThreadPoolExecutor(2) as pool:
        healthy, bare = grpc.server(pool), grpc.server(pool)
        servicer = health.HealthServicer()
        servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        servicer.set("shop", health_pb2.HealthCheckResponse.SERVING)
        servicer.set("broken", health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, healthy)
        ports = healthy.add_insecure_port(f"{HOST}:0"), bare.add_insecure_port(f"{HOST}:0")
        healthy.start()
        bare.start()
        yield ports
        healthy.stop(None).wait()
        bare.stop(None).wait()


def check(port: int, service: str = "", timeout_s: float = 20.0) -> Outcome:
    return run_probe(core.Probe(grpc=core.GRPCAction(port=port, service=service)), HOST, port, timeout_s)


def test_a_service_that_serves_is_healthy(servers: tuple[int, int]) -> None:
    assert check(servers[0]) == Outcome(True, "service healthy")
    assert check(servers[0], "shop") == Outcome(True, "service healthy")


def test_a_service_that_does_not_serve_is_not(servers: tuple[int, int]) -> None:
    assert check(servers[0], "broken") == Outcome(False, 'service unhealthy (responded with "NOT_SERVING")')


def test_a_service_that_nobody_knows_fails_with_grpcs_own_code(servers: tuple[int, int]) -> None:
    outcome = check(servers[0], "unheard-of")
    assert not outcome.ok
    assert outcome.message.startswith("error: health rpc probe failed: rpc error: code = NotFound")


def test_a_server_without_the_health_protocol_fails_with_that_reason(servers: tuple[int, int]) -> None:
    outcome = check(servers[1])
    assert not outcome.ok
    assert outcome.message.startswith("error: this server does not implement the grpc health protocol (grpc.health.v1.Health)")


def test_nobody_there_and_a_server_that_says_nothing_or_speaks_otherwise() -> None:
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        assert check(port, timeout_s=0.3) == Outcome(False, "timeout: health rpc did not complete within 0.3s: context deadline exceeded")
    assert "failed to connect service at" in check(port).message
    with socket.create_server((HOST, 0)) as other, ThreadPoolExecutor(1) as pool:

        def speak() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                while connection.recv(4096):
                    pass

        speaking = pool.submit(speak)
        outcome = check(other.getsockname()[1])
        assert not outcome.ok
        assert "does not speak HTTP/2" in outcome.message
        speaking.result(20)


@given(st.text(max_size=400))
def test_requests_are_what_protobuf_makes_of_them(service: str) -> None:
    framed = health_request(service)
    parsed = health_pb2.HealthCheckRequest.FromString(framed[5:])
    assert parsed.service == service
    assert int.from_bytes(framed[1:5], "big") == len(framed) - 5


@pytest.mark.parametrize("state", [0, 1, 2, 3])
def test_answers_are_read_as_protobuf_writes_them(state: int) -> None:
    message = health_pb2.HealthCheckResponse(status=state).SerializeToString()
    assert health_state(b"\0" + len(message).to_bytes(4, "big") + message) == state
