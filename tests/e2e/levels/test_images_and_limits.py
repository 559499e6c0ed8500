"""Image names that become programs, what containers use, and the limits that they meet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.levels.cells import Cell, row
from tests.e2e.levels.yard import POD_IP, Yard, container, pod, until


@pytest.mark.needs("nginx", "redis-server")
@row("an image's name becomes its program")
def test_an_images_name_becomes_its_program(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        store = {"name": "main", "image": "docker.io/library/redis:7", "env": [POD_IP], "args": ["--port", "7001", "--bind", "$(POD_IP)"]}
        ready = {"readinessProbe": {"tcpSocket": {"port": 7001}, "periodSeconds": 1}}
        yard.run(pod("store", {**store, **ready}), pod("client"))
        ping = f"import socket; s = socket.create_connection(({yard.ip('store')!r}, 7001), 5); s.sendall(b'PING\\r\\n'); print(s.recv(64))"
        assert yard.python("client", ping) == "b'+PONG\\r\\n'"


@row("an entry of the user's table; command and args override it")
def test_the_users_table_and_what_overrides_it(cell: Cell, yard: Yard) -> None:
    once: dict[str, Any] = {"restartPolicy": "Never"}
    with cell.judged():
        yard.run(
            pod("plain", {"name": "main", "image": "greeter:1"}, **once),
            pod("args", {"name": "main", "image": "greeter:1", "args": ["you"]}, **once),
            pod("command", {"name": "main", "image": "greeter:1", "command": ["echo", "else"]}, **once),
        )
        assert [yard.verbs.logs(f"pod/{name}") for name in ("plain", "args", "command")] == ["hello world\n", "hello you\n", "else\n"]


@row("an image whose program is missing")
def test_an_image_whose_program_is_missing_is_refused(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(pod("ghost", {"name": "main", "image": "ghost:1"}))


@row("usage of cpu and memory per container")
def test_usage_is_told_per_container(cell: Cell, yard: Yard) -> None:
    busy = "import time\nheld = bytearray(64 << 20)\nwhile True: pass"
    with cell.judged():
        yard.run(pod("busy", container(command=["python3", "-c", busy])))

        def seen() -> bool:
            # no numbers of this machine: only that a process that never rests, and holds 64 MiB, is told of
            return any(one.cpu_milli > 50 and one.memory_bytes > 48 << 20 for one in yard.verbs.top("pods"))

        until(seen, lambda: str(yard.verbs.top("pods")))


@row("memory limit, and OOMKilled")
def test_who_takes_more_memory_than_allowed_is_killed(cell: Cell, yard: Yard) -> None:
    greedy = "import time\nheld = [bytearray(8 << 20) for _ in range(24)]\ntime.sleep(60)"  # 192 MiB, then no more
    limited = container(command=["python3", "-c", greedy], resources={"limits": {"memory": "64Mi"}})
    with cell.judged():
        yard.apply(pod("greedy", limited, restartPolicy="Never"))
        if cell.is_open:
            until(lambda: any(one.memory_bytes > 150 << 20 for one in yard.verbs.top("pods")), lambda: str(yard.verbs.top("pods")))
            assert yard.verbs.get("pod/greedy").status.phase == "Running"
            return
        until(lambda: yard.verbs.get("pod/greedy").status.phase == "Failed", lambda: yard.told("greedy"))
        ended = yard.verbs.get("pod/greedy").status.container_statuses[0].state.terminated
        assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)


SPIN = """
import time
while True:
    begun = time.process_time()
    while time.process_time() < begun + 0.05: pass
    print(time.process_time(), time.monotonic(), flush=True)
"""


@row("cpu limit")
def test_who_takes_more_cpu_than_allowed_is_slowed(cell: Cell, yard: Yard) -> None:
    limited = container(command=["python3", "-c", SPIN], resources={"limits": {"cpu": "200m"}})
    with cell.judged():
        yard.run(pod("spinning", limited))
        until(lambda: len(yard.verbs.logs("pod/spinning").splitlines()) >= 12, lambda: yard.told("spinning"))
        beats = [[float(word) for word in line.split()] for line in yard.verbs.logs("pod/spinning").splitlines()]
        share = (beats[-1][0] - beats[0][0]) / (beats[-1][1] - beats[0][1])
        # a busy machine only lowers what it gets, so the limit is judged from above alone
        assert cell.is_open or share < 0.3, share
