"""`AsyncCluster`: the face of `Cluster` for asyncio. Each call waits on a thread of a pool, so the event loop never does.

A verb is taken over with its signature by `_awaitable`; nothing is written twice. A task that is cancelled while it waits has its thread
told so (`runtime/systems/giveup.py`), and the cancellation goes on when the thread has let go.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from callboard.models.messages.api import WatchEvent
from callboard.runtime.face.cluster import Cluster
from callboard.runtime.face.handles import Components, NodeHandle, Nodes
from callboard.runtime.face.rollout import Rollouts
from callboard.runtime.face.verbs import Verbs
from callboard.runtime.systems.giveup import GIVE_UP, GiveUp

P = ParamSpec("P")
T = TypeVar("T")

WAITING_LIMIT = 4096
"""Calls of one cluster that may wait at the same time, each on a thread; idle threads are used again. Further ones wait for their turn."""


class _Threads:
    """The threads on which calls wait."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WAITING_LIMIT, thread_name_prefix="callboard-async")
        self._closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that waits. If the task is cancelled, it is told to give up, and has done so when this returns."""
        if self._closed:
            return work()  # the cluster has stopped, so nothing waits any more: an iterator is left behind, or an error is raised
        call = GiveUp()

        def begin() -> T:
            GIVE_UP.set(call)
            return work()

        context = contextvars.copy_context()
        begun = self._pool.submit(context.run, begin)
        future = asyncio.wrap_future(begun)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            call.give_up()
            if not begun.cancel():
                await asyncio.wait([future])
                future.exception()  # looked at: that it gave up is no news
            raise

    def close(self) -> None:
        """No further calls."""
        self._closed = True
        self._pool.shutdown(wait=False)


class _Group:
    """Something whose methods wait: `target` has them, `threads` do the waiting."""

    def __init__(self, target: Any, threads: _Threads) -> None:
        self._target = target
        self._threads = threads


def _awaitable(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """A method of a `_Group` that awaits what `method` of its target waits for."""

    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        group: _Group = self
        return await group._threads.run(lambda: method(group._target, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


async def _each(threads: _Threads, make: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
    """The items of an iterator that waits for them."""
    opened: list[Iterator[T]] = []  # noted where it is opened: a task that is cancelled in that moment never sees the result
    end: Any = object()
    try:
        await threads.run(lambda: opened.append(iter(make())))
        while (item := await threads.run(lambda: next(opened[0], end))) is not end:
            yield item
    finally:
        for stream in opened:
            close = getattr(stream, "close", None)
            if close is not None:
                await threads.run(close)


class AsyncRollouts(_Group):
    """`c.rollout`: see `Rollouts`."""

    history = _awaitable(Rollouts.history)
    undo = _awaitable(Rollouts.undo)
    pause = _awaitable(Rollouts.pause)
    resume = _awaitable(Rollouts.resume)
    restart = _awaitable(Rollouts.restart)
    status = _awaitable(Rollouts.status)


class AsyncNode(_Group):
    """One node: see `NodeHandle`. What breaks and mends it is done at once; `drain` and its like are awaited."""

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self._target.name
        return name

    crash = _awaitable(NodeHandle.crash)
    restart = _awaitable(NodeHandle.restart)
    partition = _awaitable(NodeHandle.partition)
    heal = _awaitable(NodeHandle.heal)
    cordon = _awaitable(NodeHandle.cordon)
    uncordon = _awaitable(NodeHandle.uncordon)
    drain = _awaitable(NodeHandle.drain)


class AsyncNodes(_Group):
    """The nodes by name: see `Nodes`."""

    remove = _awaitable(Nodes.remove)

    async def add(self, *args: Any, **kwargs: Any) -> AsyncNode:
        """Add a node; see `Nodes.add`."""
        nodes: Nodes = self._target
        return AsyncNode(await self._threads.run(lambda: nodes.add(*args, **kwargs)), self._threads)

    def __getitem__(self, name: str) -> AsyncNode:
        return AsyncNode(self._target[name], self._threads)

    def __iter__(self) -> Iterator[str]:
        return iter(self._target)

    def __len__(self) -> int:
        return len(self._target)


class AsyncVerbs(_Group):
    """The verbs: see `Cluster` for the contract of each."""

    get = _awaitable(Verbs.get)
    list = _awaitable(Verbs.list)
    wait = _awaitable(Verbs.wait)
    still_there = _awaitable(Verbs.still_there)
    apply = _awaitable(Verbs.apply)
    apply_each = _awaitable(Verbs.apply_each)
    scale = _awaitable(Verbs.scale)
    patch = _awaitable(Verbs.patch)
    delete = _awaitable(Verbs.delete)
    evict = _awaitable(Verbs.evict)
    request = _awaitable(Verbs.request)
    url = _awaitable(Verbs.url)
    resolve = _awaitable(Verbs.resolve)

    exec = _awaitable(Verbs.exec)
    top = _awaitable(Verbs.top)
    describe = _awaitable(Verbs.describe)
    events = _awaitable(Verbs.events)
    events_text = _awaitable(Verbs.events_text)

    @overload
    def logs(self, what: Any, *, follow: Literal[True], **about: Any) -> AsyncGenerator[str, None]: ...

    @overload
    def logs(self, what: Any, *, follow: Literal[False] = False, **about: Any) -> Coroutine[Any, Any, str]: ...

    def logs(self, what: Any, *, follow: bool = False, **about: Any) -> AsyncGenerator[str, None] | Coroutine[Any, Any, str]:
        """See `Cluster.logs`: the text is awaited; with `follow=True` lines come as an async iterator."""
        verbs: Verbs = self._target
        if follow:
            return _each(self._threads, lambda: verbs.logs(what, follow=True, **about))
        return self._threads.run(lambda: verbs.logs(what, **about))

    @property
    def rollout(self) -> AsyncRollouts:
        """Rollouts of workloads: history, undo, pause, resume, restart, status."""
        return AsyncRollouts(self._target.rollout, self._threads)

    def watch(self, *args: Any, **kwargs: Any) -> AsyncGenerator[WatchEvent, None]:
        """Changes of a kind as they come; see `Cluster.watch`."""
        return _each(self._threads, lambda: self._target.watch(*args, **kwargs))

    def namespace(self, name: str) -> AsyncVerbs:
        """The same verbs with another default namespace."""
        return AsyncVerbs(self._target.namespace(name), self._threads)


class AsyncCluster(AsyncVerbs):
    """A cluster for asyncio: arguments and verbs are those of `Cluster`; use it in an `async with` statement.

    >>> import asyncio
    >>> from callboard import AsyncCluster
    >>> async def main():
    ...     async with AsyncCluster(nodes=2) as c:
    ...         await c.apply("examples/web.yaml")
    ...         web = await c.wait("deployment/web")
    ...         return web.status.available_replicas
    >>> asyncio.run(main())
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(None, _Threads())
        self._arguments = args, kwargs

    async def __aenter__(self) -> AsyncCluster:
        try:
            await self._threads.run(self._start)
        except BaseException:
            await self.stop()  # it may have come up just before the task was cancelled
            raise
        return self

    def _start(self) -> None:
        args, kwargs = self._arguments
        self._target = Cluster(*args, **kwargs)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop everything; see `Cluster.stop`."""
        if self._target is not None:
            await self._threads.run(self._target.stop)
        self._threads.close()

    add = _awaitable(Cluster.add)
    serve = _awaitable(Cluster.serve)
    stats = _awaitable(Cluster.stats)

    @property
    def nodes(self) -> AsyncNodes:
        """The nodes by name: `await c.nodes["node-1"].crash()`."""
        return AsyncNodes(self._target.nodes, self._threads)

    @property
    def components(self) -> Components:
        """The components by name: `c.components["scheduler"].restart()`. Nothing there waits for anything."""
        components: Components = self._target.components
        return components

    @property
    def isolation(self) -> str:
        """The level of isolation of real processes; "" with simulated containers."""
        level: str = self._target.isolation
        return level

    @property
    def folder(self) -> str | None:
        """Where the files of pods lie; None with simulated containers."""
        folder: str | None = self._target.folder
        return folder
