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


def engines() -> set[threading.Thread]:
    """The threads of clusters that run in this process; those of other tests' fixtures are among them."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("callboard-engine")}


def test_a_cancelled_wait_leaves_no_thread_waiting() -> None:
    before = engines()

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
    assert engines() <= before


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "quiet"}]}}


def test_a_follower_and_a_command_let_go_at_once_when_they_are_cancelled() -> None:
    async def main() -> None:
        async with AsyncCluster(nodes=1, images={"quiet": Behaviour(says=["one"])}) as c:
            await c.apply(POD)
            await c.wait("pod/a")
            lines = c.logs("pod/a", follow=True)
            assert await anext(lines) == "one"
            following = asyncio.create_task(anext(lines))
            c.components["kubelet/node-1"].crash()  # so that the command gets no answer
            running = asyncio.create_task(c.exec("pod/a", ["sleep"], timeout="1h"))
            await asyncio.sleep(0.1)  # until both really wait; if they don't yet, they are cancelled before they begin
            for task in (following, running):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asyncio.wait_for(task, 8)

    asyncio.run(main())


def test_idle_watches_hold_nobody_up_and_none_is_left_when_they_are_closed() -> None:
    async def main() -> int:
        async with AsyncCluster(nodes=1) as c:
            streams = [c.watch("configmaps", namespace="kube-public") for _ in range(100)]
            waiting = [asyncio.create_task(anext(stream)) for stream in streams]
            await c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
            assert (await c.get("configmap/a")).metadata.name == "a"
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            for stream in streams:
                await stream.aclose()
            return sum(name.startswith("client/watch-") for name in c.components)

    assert asyncio.run(main()) == 0


def test_a_call_that_is_cancelled_before_it_begins_is_not_carried_out() -> None:
    async def main() -> list[str]:
        async with AsyncCluster(nodes=1) as c:
            task = asyncio.create_task(c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "never"}}))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return [one.metadata.name for one in await c.list("configmaps") if one.metadata.name == "never"]

    assert asyncio.run(main()) == []


def test_a_stream_that_nobody_began_leaves_no_watcher() -> None:
    with Cluster(nodes=1) as c:
        for _ in range(5):
            c.watch("pods")
        assert not [name for name in c.components if name.startswith("client/watch-")]


def test_a_cluster_that_is_cancelled_while_it_comes_up_is_stopped() -> None:
    before = engines()

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
    assert engines() <= before
