"""Small pods and what they answer: a namespace of a running cluster in which one test plays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from callboard import Cluster
from callboard.models.errors import NotFound
from callboard.runtime.face.inpods import CommandOutput
from callboard.runtime.face.verbs import Verbs
from tests.e2e.levels.cells import Refused

TIMEOUT_S = 20.0
REFUSALS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ErrImagePull", "ImagePullBackOff"})
SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
SAYS = """
import http.server, os, signal, socketserver, sys
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (os.environ["SAYS"] + " " + self.client_address[0]).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.send_header("X-Pod", os.environ["SAYS"])
        self.end_headers(); self.wfile.write(body)
    def log_message(self, *words): pass
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server((os.environ["BIND"], int(os.environ["PORT"])), Page).serve_forever()
"""
"""Answers every request with its name and the client's address."""
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def container(name: str = "main", command: Sequence[str] = SLEEP, **more: Any) -> dict[str, Any]:
    """A container; without a command it sleeps."""
    return {"name": name, "image": "busybox", "command": [*command], **more}


def server(says: str, *, port: int = 8080, name: str = "main", bind: str = "$(POD_IP)", **more: Any) -> dict[str, Any]:
    """A container that answers HTTP on a port of its pod's address, Ready when it does."""
    env = [POD_IP, {"name": "SAYS", "value": says}, {"name": "PORT", "value": str(port)}, {"name": "BIND", "value": bind}]
    probe = {"periodSeconds": 1, "tcpSocket": {"port": port}}
    ports = [{"name": f"http{port}", "containerPort": port}]
    about = {"ports": ports, "env": env, **({"readinessProbe": probe} if bind == "$(POD_IP)" else {}), **more}
    return {"name": name, "image": "python:3.11", "command": ["python3", "-c", SAYS], **about}


def pod(name: str, *containers: Mapping[str, Any], labels: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod of these containers (one that sleeps, if none is given) that ends soon when told to."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels or {"app": name})},
        "spec": {"terminationGracePeriodSeconds": 2, "containers": [*containers] or [container()], **spec},
    }


def service(name: str, *ports: Mapping[str, Any], app: str = "", **spec: Any) -> dict[str, Any]:
    """A Service over the pods of an app (its own name, if none is given)."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app or name}, "ports": [*ports] or [{"port": 8080}], **spec},
    }


def config(name: str, kind: str = "ConfigMap", **data: str) -> dict[str, Any]:
    """A ConfigMap or Secret; `_` in a key stands for a dot."""
    content = {key.replace("_", "."): value for key, value in data.items()}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data" if kind == "ConfigMap" else "stringData": content}


def until(met: Callable[[], Any], what: str | Callable[[], str], timeout_s: float = TIMEOUT_S) -> Any:
    """The first true answer of `met`, asked again and again. Raises AssertionError when it takes too long."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        if answer := met():
            return answer
        assert time.monotonic() < deadline_s, f"after {timeout_s:g} s not so: {what if isinstance(what, str) else what()}"
        time.sleep(0.05)


class Yard:
    """The verbs of one namespace, and short ways to try things in its pods."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.verbs: Verbs = cluster.namespace(namespace)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Apply these in the yard's namespace."""
        self.verbs.apply([dict(manifest) for manifest in manifests])

    def run(self, *manifests: Mapping[str, Any], timeout_s: float = TIMEOUT_S) -> None:
        """Apply pods (and what they need, before them) and wait until each pod is Ready or has ended well.

        Raises:
            Refused: a container can't be started; the kubelet's words.
        """
        self.apply(*manifests)
        for manifest in manifests:
            if manifest["kind"] == "Pod":
                name = manifest["metadata"]["name"]
                until(partial(self._is_up, name), partial(self.told, name), timeout_s)

    def told(self, name: str) -> str:
        """A pod as `describe` tells it, for messages of failed tests."""
        try:
            return self.verbs.describe(f"pod/{name}")
        except NotFound as problem:
            return str(problem)

    def _is_up(self, name: str) -> bool:
        status = self.verbs.get(f"pod/{name}").status
        if status is None:
            return False
        for one in (*(status.init_container_statuses or ()), *(status.container_statuses or ())):
            waiting = one.state.waiting if one.state is not None else None
            if waiting is not None and waiting.reason in REFUSALS:
                raise Refused(f"{waiting.reason}: {waiting.message}")
        ready = any(condition.type == "Ready" and condition.status == "True" for condition in status.conditions)
        return ready or status.phase == "Succeeded"

    def ip(self, name: str) -> str:
        """A pod's address."""
        address: str = self.verbs.get(f"pod/{name}").status.pod_ip
        return address

    def node(self, name: str) -> str:
        """Where a pod runs."""
        where: str = self.verbs.get(f"pod/{name}").spec.node_name
        return where

    def exec(self, name: str, script: str, *, inside: str | None = None, timeout_s: float = TIMEOUT_S) -> CommandOutput:
        """Carry a shell script out in a pod's container."""
        return self.verbs.exec(f"pod/{name}", ["sh", "-c", script], container=inside, timeout=timeout_s)

    def sh(self, name: str, script: str, *, inside: str | None = None) -> str:
        """What a script that must succeed prints, without the last line's end."""
        done = self.exec(name, script, inside=inside)
        assert done.exit_code == 0, f"{script!r} in {name} ended with {done.exit_code}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def python(self, name: str, program: str, *, inside: str | None = None) -> str:
        """What a Python program that must succeed prints."""
        done = self.verbs.exec(f"pod/{name}", ["python3", "-c", program], container=inside, timeout=TIMEOUT_S)
        assert done.exit_code == 0, f"{program!r} in {name} ended with {done.exit_code}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def fetch(self, name: str, url: str, *, times: int = 1) -> list[str]:
        """What so many GETs on new connections from inside a pod bring; a failure is told by its error's name."""
        return self.python(name, FETCH.format(url=url, times=times)).splitlines()


FETCH = """
import urllib.request
for _ in range({times}):
    try:
        with urllib.request.urlopen({url!r}, timeout=3) as answer:
            print(answer.read().decode())
    except OSError as problem:
        print("failed", type(getattr(problem, "reason", problem)).__name__, problem)
"""
