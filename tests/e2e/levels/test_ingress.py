"""The Ingress as clients outside meet it: routing, what is told without a rule or an endpoint, TLS, and changes under way."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.levels.cells import Cell, row
from tests.e2e.levels.yard import Yard, pod, server, service, until


def _ingress(name: str, host: str, *paths: tuple[str, str, str], **spec: Any) -> dict[str, Any]:
    rules = [{"path": path, "pathType": kind, "backend": {"service": {"name": to, "port": {"number": 8080}}}} for path, kind, to in paths]
    about = {"rules": [{"host": host, "http": {"paths": rules}}], **spec}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": about}


def _ask(yard: Yard, name: str, host: str, path: str = "/") -> tuple[int, str]:
    """The status and the first word of the answer to a GET from outside."""
    where = urlsplit(yard.verbs.url(f"ingress/{name}"))
    link = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=10)
    try:
        link.request("GET", path, headers={"Host": host})
        answer = link.getresponse()
        return answer.status, (answer.read().decode().split() or [""])[0]
    finally:
        link.close()


@row("Ingress: host and path, from outside")
def test_requests_are_routed_by_host_and_path(cell: Cell, yard: Yard) -> None:
    host = f"{yard.namespace}.shop.example"
    paths = (("/", "Prefix", "one"), ("/two", "Prefix", "two"), ("/two/exact", "Exact", "one"))
    with cell.judged():
        yard.run(service("one"), service("two"), pod("one", server("one")), pod("two", server("two")), _ingress("shop", host, *paths))
        until(lambda: _ask(yard, "shop", host, "/two/x") == (200, "two"), "an answer by path")
        assert [_ask(yard, "shop", host, path)[1] for path in ("/", "/twofold", "/two", "/two/exact")] == ["one", "one", "two", "one"]
        assert _ask(yard, "shop", "stranger.example") == (404, _ask(yard, "shop", "stranger.example")[1])


@row("Ingress: 404 without a rule, 503 without an endpoint, 502 for a broken one")
def test_what_cannot_be_routed_is_told(cell: Cell, yard: Yard) -> None:
    host = f"{yard.namespace}.shop.example"
    with cell.judged():
        broken = server("broken", bind="127.0.0.1", port=22_345)  # nothing listens where the Service leads
        yard.run(service("nobody"), service("broken"), pod("broken", broken))
        yard.apply(_ingress("shop", host, ("/nobody", "Prefix", "nobody"), ("/broken", "Prefix", "broken")))
        until(lambda: _ask(yard, "shop", host, "/nobody")[0] == 503, "503 without an endpoint")
        until(lambda: _ask(yard, "shop", host, "/broken")[0] == 502, "502 for a broken endpoint")
        assert _ask(yard, "shop", host, "/elsewhere")[0] == 404


@pytest.mark.needs("openssl")
@row("Ingress: TLS with a Secret's certificate")
def test_tls_is_spoken_with_a_secrets_certificate(cell: Cell, yard: Yard, tmp_path: Path) -> None:
    host = f"{yard.namespace}.shop.example"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    about = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", "key", "-out", "crt"]
    subprocess.run([*make, *about], cwd=tmp_path, check=True, capture_output=True)
    data = {"tls.crt": (tmp_path / "crt").read_text(), "tls.key": (tmp_path / "key").read_text()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"}, "type": "kubernetes.io/tls", "stringData": data}
    with cell.judged():
        tls = [{"hosts": [host], "secretName": "cert"}]
        yard.run(secret, service("one"), pod("one", server("one")), _ingress("shop", host, ("/", "Prefix", "one"), tls=tls))
        context = ssl.create_default_context(cafile=str(tmp_path / "crt"))
        until(lambda: _ask_by_tls(yard, context, host) == b"HTTP/1.1 200", "an answer by TLS")


def _ask_by_tls(yard: Yard, context: ssl.SSLContext, host: str) -> bytes:
    where = urlsplit(yard.verbs.url("ingress/shop"))
    assert where.scheme == "https"
    try:
        with (
            socket.create_connection((where.hostname, where.port or 443), 5) as plain,
            context.wrap_socket(plain, server_hostname=host) as link,
        ):
            link.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return link.recv(12)
    except ssl.SSLError as problem:
        return str(problem).encode()


@row("Ingress: changes drop no connection")
def test_changes_drop_no_connection(cell: Cell, yard: Yard) -> None:
    host = f"{yard.namespace}.shop.example"
    with cell.judged():
        yard.run(service("one"), pod("one", server("one")), _ingress("shop", host, ("/", "Prefix", "one")))
        until(lambda: _ask(yard, "shop", host) == (200, "one"), "an answer")
        where = urlsplit(yard.verbs.url("ingress/shop"))
        link = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=10)
        link.connect()
        kept = link.sock
        for number in range(10):
            yard.apply(_ingress(f"more-{number}", f"more-{number}.{host}", ("/", "Prefix", "one")))
            link.request("GET", "/", headers={"Host": host})
            answer = link.getresponse()
            answer.read()
            assert answer.status == 200
            assert link.sock is kept, "the connection was kept"
            threading.Event().wait(0.05)
        link.close()
