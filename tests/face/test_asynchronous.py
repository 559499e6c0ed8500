"""The face for asyncio: it has every verb, waits without holding the loop up, and lets go when it is cancelled."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest

from callboard import AsyncCluster, Behaviour, Cluster, NotFound
from callboard.runtime.face.asynchronous import AsyncNode, AsyncNodes, AsyncRollouts, AsyncVerbs, _Group
from callboard.runtime.face.handles import NodeHandle, Nodes
from callboard.runtime.face.rollout import Rollouts
from callboard.runtime.face.verbs import Verbs

PAIRS = ((Verbs, AsyncVerbs), (Cluster, AsyncCluster), (NodeHandle, AsyncNode), (Nodes, AsyncNodes), (Rollouts, AsyncRollouts))


@pytest.mark.parametrize(("plain", "awaited"), PAIRS, ids=lambda one: one.__name__)
def test_everything_public_is_there_for_asyncio_too(plain: type, awaited: type[_Group]) -> None:
    missing = [name for name, _ in inspect.getmembers(plain) if not name.startswith("_") and not hasattr(awaited, name)]
    assert not missing


def test_many_waits_go_on_at_once_and_the_loop_goes_on_meanwhile() -> None:
    async def main() -> int:
        async with AsyncCluster(nodes=2) as c:
            waits = [asyncio.create_task(c.wait(f"configmap/m-{number}", "Exists")) for number in range(20)]
            for number in range(20):
                await c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m-{number}"}})
            return len({one.metadata.name for one in await asyncio.gather(*waits)})

    assert asyncio.run(main()) == 20


def test_errors_are_those_of_the_verbs() -> None:
    async def main() -> None:
        async with AsyncCluster(nodes=1) as c:
            await c.namespace("kube-system").get("pod/none")

    with pytest.raises(NotFound, match='pods "none" not found'):
        asyncio.run(main())


def test_changes_arrive_as_an_async_iterator() -> None:
    async def main() -> list[tuple[str, str]]:
        async with AsyncCluster(nodes=1) as c:
            await c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
            seen: list[tuple[str, str]] = []
            async for event in c.watch("configmaps"):
                seen.append((event.type, event.obj.metadata.name))
                if len(seen) == 2:
                    break
                await c.delete("configmap/a")
            return seen

    assert asyncio.run(main()) == [("ADDED", "a"), ("DELETED", "a")]


def test_logs_are_followed_line_by_line() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "talker"}]}}

    async def main() -> list[str]:
        async with AsyncCluster(nodes=1, images={"talker": Behaviour(says=["one", "two"])}) as c:
            await c.apply(pod)
            await c.wait("pod/a")
            lines = []
            async for line in c.logs("pod/a", follow=True):
                lines.append(line)
                if len(lines) == 2:
                    break
            assert await c.logs("pod/a") == "one\ntwo\n"
            return lines

    assert asyncio.run(main()) == ["one", "two"]


def test_a_cancelled_wait_leaves_no_thread_waiting() -> None:
    async def main() -> int:
        async with AsyncCluster(nodes=1) as c:
            wait = asyncio.create_task(c.wait("configmap/never", "Exists", timeout="1h"))
            while not any(name.startswith("client/watch-") for name in c.components):
                await asyncio.sleep(0)  # until it really waits
            wait.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wait
            return sum(name.startswith("client/watch-") for name in c.components)

    assert asyncio.run(main()) == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("callboard-engine")]


def test_a_cluster_that_is_cancelled_while_it_comes_up_is_stopped() -> None:
    async def main() -> None:
        async with AsyncCluster(nodes=1):
            raise AssertionError("it was cancelled before it could come up")

    async def cancelled() -> None:
        task = asyncio.create_task(main())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("callboard-engine")]
