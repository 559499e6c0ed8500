"""Pods of nginx that the benchmarks ask: a small file, a large one, or a reverse proxy before others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SMALL, LARGE = "small", "large"
LARGE_MIB = 64
PORT = 8080
_POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
_CONF = """daemon off; user root root; worker_processes 1; pid {run}/nginx.pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
client_body_temp_path {run}/c; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f; uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
{upstream}
server {{ listen $POD_IP:{port} backlog=1024; {place} }} }}"""
_START = """PATH="$PATH:/usr/sbin"; run="$CALLBOARD_ROOT/run/web"
printf 'hello from a small file, %0100d\\n' 0 > "$run/small"
head -c {large} /dev/zero > "$run/large"
cat > "$run/nginx.conf" <<CONF
{conf}
CONF
exec nginx -p "$run" -c "$run/nginx.conf"
"""


def nginx(name: str, *, node: str = "", upstream: Sequence[str] = ()) -> dict[str, Any]:
    """A pod of nginx with one worker that has the two files, or is a reverse proxy before these addresses."""
    before = "".join(f"server {address}; " for address in upstream)
    about = {
        "run": "$run",
        "port": PORT,
        "upstream": f"upstream them {{ {before} keepalive 64; }}" if upstream else "",
        "place": 'location / { proxy_pass http://them; proxy_http_version 1.1; proxy_set_header Connection ""; }'.replace("$", "\\$")
        if upstream
        else "root $run;",
    }
    container = {
        "name": "nginx",
        "image": "nginx:1.25",
        "command": ["sh", "-c", _START.format(conf=_CONF.format(**about), large=LARGE_MIB << 20 if not upstream else 0)],
        "env": [_POD_IP],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "run", "mountPath": "/run/web"}],
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": [{"name": "run", "emptyDir": {}}]}
    return _pod(name, "web" if not upstream else name, spec, node)


def client(name: str, *, node: str = "") -> dict[str, Any]:
    """A pod in which commands are carried out."""
    sleep = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.5; done"]
    container = {"name": "client", "image": "busybox", "command": sleep}
    return _pod(name, name, {"terminationGracePeriodSeconds": 1, "containers": [container]}, node)


def _pod(name: str, app: str, spec: dict[str, Any], node: str) -> dict[str, Any]:
    where = {"nodeName": node} if node else {}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": {**spec, **where}}


def service(name: str = "web") -> dict[str, Any]:
    """A Service before the pods of an app."""
    spec = {"selector": {"app": name}, "ports": [{"port": PORT, "targetPort": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
