"""The images that are known without being told, if their program is installed: each starts what the image of Docker's library does. Pure.

An entrypoint is a shell script, as it is in those images. It knows two things that it has from the runtime: `POD_IP`, at which a pod
without a network of its own must listen (127.x.y.z), and `CALLBOARD_ROOT`, before the paths of a container without a view of files of its
own ("" or unset otherwise). Sources: the Dockerfiles and docker-entrypoint.sh of nginx, redis, node, python, busybox and httpd.
"""

from __future__ import annotations

from callboard.models.images import Program
from callboard.models.shells import HTTPD, NGINX, NODE, REDIS

_APPLETS = (
    "ash", "awk", "base64", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env", "expr",
    "false", "find", "free", "ftpget", "ftpput", "grep", "gunzip", "gzip", "head", "hexdump", "hostname", "httpd", "id", "ifconfig", "ip",
    "kill", "ln", "logger", "ls", "md5sum", "mkdir", "mkfifo", "mktemp", "more", "mv", "nc", "netstat", "nproc", "nslookup", "od", "pidof",
    "ping", "ping6", "printenv", "printf", "ps", "pwd", "readlink", "realpath", "rm", "rmdir", "route", "sed", "seq", "sh", "sha256sum",
    "sleep", "sort", "stat", "strings", "stty", "sync", "tail", "tar", "tee", "telnet", "test", "tftp", "time", "timeout", "top", "touch",
    "tr", "traceroute", "true", "truncate", "tty", "udhcpc", "uname", "uniq", "unzip", "uptime", "usleep", "vi", "watch", "wc", "wget",
    "which", "who", "whoami", "xargs", "xxd", "yes", "zcat",
)  # fmt: skip
"""What people start from a busybox image by name; the program of this machine answers to all that it was built with."""


def _entrypoint(script: str, name: str) -> tuple[str, ...]:
    return "/bin/sh", "-c", script, f"{name}-entrypoint"


def builtin(python_path: str = "") -> tuple[tuple[str, Program], ...]:
    """The table. `python_path` is the PATH of python's images where the machine's own has no `python3`."""
    nginx = Program(_entrypoint(NGINX, "nginx"), ("nginx", "-g", "daemon off;"), needs=("nginx",), install="apt-get install nginx-light")
    redis = Program(
        _entrypoint(REDIS, "redis"), ("redis-server",), working_dir="/data", needs=("redis-server",), install="apt-get install redis-server"
    )
    python = Program(
        args=("python3",),
        env={"PATH": python_path} if python_path else {},
        aliases={"python": ("python3",)},
        install="apt-get install python3",
    )
    busybox = Program(args=("busybox", "sh"), aliases={name: ("busybox", name) for name in _APPLETS}, install="apt-get install busybox")
    node = Program(_entrypoint(NODE, "node"), ("node",), needs=("node",), install="apt-get install nodejs")
    httpd = Program(_entrypoint(HTTPD, "httpd"), ("httpd-foreground",), needs=("apache2",), install="apt-get install apache2-bin")
    return ("nginx", nginx), ("redis", redis), ("python", python), ("busybox", busybox), ("node", node), ("httpd", httpd)
