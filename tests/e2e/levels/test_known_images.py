"""The images that are known without being told, with their real programs: what they serve and log, what can be mounted into them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.levels.yard import POD_IP, Yard, config, pod, until

LOW_PORTS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
ASK = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s.sendall(sys.argv[3].encode().decode("unicode_escape").encode())
s.settimeout(5)
print(b"".join(iter(lambda: s.recv(65536), b"")).decode(errors="replace"))
"""


def may_use_port_80(level: str) -> bool:
    """Whether a program in a pod can listen below 1024: where it has a network of its own, or its user may on this machine."""
    return level in ("A", "B") or os.geteuid() == 0 or int(LOW_PORTS.read_text()) <= 80


def known(name: str, image: str, port: int, **more: Any) -> dict[str, Any]:
    """A pod of one container without anything that says what to run, unless `more` does."""
    probe = {"periodSeconds": 1, "tcpSocket": {"port": port}}
    volumes = more.pop("volumes", [])
    return pod(name, {"name": "main", "image": image, "env": [POD_IP], "readinessProbe": probe, **more}, volumes=volumes)


def answer(yard: Yard, name: str, port: int, words: str = r"GET / HTTP/1.0\r\n\r\n") -> str:
    """What comes back from a pod's port, until it hangs up, when it is asked from inside the pod."""
    done = yard.verbs.exec(f"pod/{name}", ["python3", "-c", ASK, yard.ip(name), str(port), words], timeout=20)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def mounted(name: str, path: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The volumes and volumeMounts that bring a ConfigMap to a path."""
    return [{"name": "it", "configMap": {"name": name}}], [{"name": "it", "mountPath": path}]


@pytest.mark.needs("nginx")
def test_nginx_serves_on_port_80_in_the_foreground_and_logs_to_its_output(level: str, yard: Yard) -> None:
    """Where its user can't have that port it says so, as it does everywhere."""
    web = known("web", "nginx:1.25", 80)
    if not may_use_port_80(level):
        yard.apply(web)
        until(lambda: "Permission denied" in yard.verbs.logs("pod/web"), lambda: yard.told("web"))
        return
    yard.run(web)
    assert "200 OK" in answer(yard, "web", 80)
    until(lambda: '"GET / HTTP/1.0" 200' in yard.verbs.logs("pod/web"), lambda: yard.verbs.logs("pod/web"))


@pytest.mark.needs("nginx")
def test_nginx_shows_the_pages_and_takes_the_servers_that_are_mounted(level: str, yard: Yard) -> None:
    volumes, mounts = mounted("site", "/usr/share/nginx/html")
    more = {"volumes": volumes, "volumeMounts": mounts, "env": [POD_IP, {"name": "NGINX_PORT", "value": "8081"}]}
    yard.run(config("site", index_html="hello from the map"), known("pages", "nginx", 8081, **more))
    assert "hello from the map" in answer(yard, "pages", 8081)
    if level in ("A", "B"):  # elsewhere a configuration would have to know the pod's address
        volumes, mounts = mounted("servers", "/etc/nginx/conf.d")
        own = "server { listen 8080; location / { return 200 'my own server'; } }"
        yard.run(config("servers", default_conf=own), known("own", "nginx", 8080, volumes=volumes, volumeMounts=mounts))
        assert "my own server" in answer(yard, "own", 8080)


@pytest.mark.needs("nginx")
def test_a_whole_configuration_of_nginx_that_is_mounted_is_the_one_that_counts(level: str, yard: Yard) -> None:
    if level not in ("A", "B"):
        return  # there it would have to know the pod's address, which no ConfigMap does
    text = "events {} http { access_log /var/log/nginx/access.log; server { listen 8080; location / { return 200 'all mine'; } } }"
    volumes = [{"name": "it", "configMap": {"name": "conf"}}]
    mounts = [{"name": "it", "mountPath": "/etc/nginx/nginx.conf", "subPath": "nginx.conf"}]
    yard.run(config("conf", nginx_conf=text), known("web", "nginx", 8080, volumes=volumes, volumeMounts=mounts))
    assert "all mine" in answer(yard, "web", 8080)
    until(lambda: '"GET / HTTP/1.0" 200' in yard.verbs.logs("pod/web"), lambda: yard.verbs.logs("pod/web"))


@pytest.mark.needs("redis-server")
def test_redis_answers_on_its_port_and_keeps_its_data_in_its_working_directory(yard: Yard) -> None:
    yard.run(known("store", "redis:7", 6379, args=["--appendonly", "yes"]))
    assert answer(yard, "store", 6379, r"SET a 7\r\nGET a\r\nQUIT\r\n").split() == ["+OK", "$1", "7", "+OK"]
    assert "appendonlydir" in yard.sh("store", "ls")
    assert "Ready to accept connections" in yard.verbs.logs("pod/store")


@pytest.mark.needs("python3")
def test_python_is_found_by_the_name_that_its_image_gives_it(yard: Yard) -> None:
    yard.run(known("serving", "python:3.12-slim", 8080, command=["python", "-m", "http.server", "8080", "--bind", "$(POD_IP)"]))
    assert "200 OK" in answer(yard, "serving", 8080)
    until(lambda: '"GET / HTTP/1.0" 200' in yard.verbs.logs("pod/serving"), lambda: yard.verbs.logs("pod/serving"))


@pytest.mark.needs("busybox")
def test_an_applet_of_busybox_is_found_by_its_name(yard: Yard) -> None:
    command = ["httpd", "-f", "-v", "-p", "$(POD_IP):8080", "-h", "/usr/share/doc"]
    yard.run(known("files", "busybox:1.36", 8080, command=command))
    assert "HTTP/1" in answer(yard, "files", 8080)
    until(lambda: "response:" in yard.verbs.logs("pod/files"), lambda: yard.verbs.logs("pod/files"))


@pytest.mark.needs("node")
def test_what_node_is_given_as_arguments_is_its_script_or_its_options(yard: Yard) -> None:
    script = "require('http').createServer((q, s) => s.end('from node')).listen(8080, process.env.POD_IP); console.log('up')"
    yard.run(known("js", "node:20-alpine", 8080, args=["-e", script]))
    assert "from node" in answer(yard, "js", 8080)
    assert yard.verbs.logs("pod/js") == "up\n"


@pytest.mark.needs("nginx")
def test_nginx_runs_as_another_user_and_without_a_writable_root_as_its_image_does(level: str, yard: Yard) -> None:
    """Where a user may be chosen at all, and there is a root of the container's own."""
    if level == "C0" or os.geteuid() != 0:
        return
    run = {"volumes": [{"name": "run", "emptyDir": {}}], "volumeMounts": [{"name": "run", "mountPath": "/run"}]}
    port = {"env": [POD_IP, {"name": "NGINX_PORT", "value": "8080"}]}
    yard.run(
        known("user", "nginx", 8080, securityContext={"runAsUser": 101, "runAsGroup": 101}, **port),
        known("sealed", "nginx", 8080, securityContext={"readOnlyRootFilesystem": True}, **run, **port),
    )
    for name in ("user", "sealed"):
        assert "200 OK" in answer(yard, name, 8080)
        until(partial(logged, yard, name), partial(yard.told, name))


def logged(yard: Yard, name: str) -> bool:
    """Whether a pod's request stands in its log."""
    return '"GET / HTTP/1.0" 200' in yard.verbs.logs(f"pod/{name}")
