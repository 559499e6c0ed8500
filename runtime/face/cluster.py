"""`Cluster`: a whole Kubernetes in this process, on real time. The first of the two things that users hold (the other is `Simulation`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from callboard.actors.kubelet.settings import Events
from callboard.models.behaviour import Behaviour
from callboard.models.errors import BadRequest, WaitTimeout
from callboard.models.images import Program
from callboard.models.timing import Timing, timing_named
from callboard.runtime.face.assembly import (
    CONTROL_PLANE,
    DATA_PLANE,
    INGRESS_SERVER,
    SHARED_PROXY_FROM_NODES,
    SIMULATED_SERVICES,
    Blueprint,
    simulated_parts,
    start_control_plane,
)
from callboard.runtime.face.client import Stats, stats_of
from callboard.runtime.face.contract import check_events, check_images
from callboard.runtime.face.extending import name_of, program_of, start_controller
from callboard.runtime.face.fleet import Fleet
from callboard.runtime.face.handles import ComponentHandle, Components, Nodes
from callboard.runtime.face.nodespec import NodeSpec, node_specs
from callboard.runtime.face.realhost import RealTimeHost
from callboard.runtime.face.verbs import Verbs
from callboard.runtime.storage.driver import JournalDriver, open_journal
from callboard.runtime.systems import RealTimeSystem, System, SystemStopped, ThreadedSystem

if TYPE_CHECKING:
    from callboard.runtime.face.processes import Processes
    from callboard.runtime.remote.server import RemoteServer

START_TIMEOUT_S = 60.0
SYSTEMS: dict[str, Callable[..., System]] = {"realtime": RealTimeSystem, "threaded": ThreadedSystem}


class Cluster(Verbs):
    """A cluster of actors in this process. Use it in a `with` statement, or call `stop()` in the end.

    `nodes`: how many, or a list of `NodeSpec`. `containers`: "simulated" or "process" (real processes behind real Service addresses).
    `isolation`: how real processes are kept apart: "A" (root: each pod and node has a network of its own, each container a view of files of
    its own), "B" (the same without root), "C1" (loopback addresses, a view of its own), "C0" (plain processes), or "auto" for the first
    that works here; `callboard doctor` tells. `images`: what image names mean, by name or pattern: for simulated containers a `Behaviour`;
    for real ones a `Program`, in a mapping or a YAML file. `timing`: "kubernetes", "fast" or a `Timing`. `data`: None keeps
    everything in memory, and containers die with the program; a folder keeps objects in a journal there, and containers live on. `system`:
    "realtime" (one engine) or "threaded" (a thread per actor). `controllers`: so many copies of the scheduler and of each controller, of
    which one leads. `events`: "warnings", or "all", which also tells of each pod that is well how it came up and ended (Pulled, Created,
    Started, Killing), at some cost per pod. Comes back when all nodes are Ready.

    Raises:
        BadRequest: an argument that makes no sense.
        CallboardError: the data folder is locked or damaged, or the process daemon can't start; one sentence that says what to do.

    >>> from callboard import Cluster
    >>> with Cluster(nodes=2) as c:
    ...     len(c.list("nodes"))
    2
    """

    def __init__(
        self,
        nodes: int | Sequence[NodeSpec] = 3,
        *,
        containers: Literal["simulated", "process"] = "simulated",
        isolation: str = "auto",
        images: Mapping[str, Behaviour] | Mapping[str, Program] | str | Path | None = None,
        timing: str | Timing = "kubernetes",
        data: str | Path | None = None,
        system: Literal["realtime", "threaded"] = "realtime",
        apiservers: int = 1,
        controllers: int = 1,
        events: Events = "warnings",
    ) -> None:
        specs, profile = node_specs(nodes), _timing(timing)
        if containers not in ("simulated", "process"):
            raise BadRequest(f'containers={containers!r}: there are "simulated" and "process"')
        if system not in SYSTEMS:
            raise BadRequest(f'system={system!r}: there are "realtime" and "threaded"')
        if apiservers < 1 or controllers < 1:
            raise BadRequest(f"apiservers={apiservers}, controllers={controllers}: a cluster has at least one of each")
        check_events(events)
        if containers == "simulated" and isolation != "auto":
            raise BadRequest(f'isolation={isolation!r} is for real processes; leave it away, or say containers="process"')
        behaviours = check_images(images) if containers == "simulated" else ()
        # the journal first: a folder that can't be used must not leave a process daemon behind
        journal = self._journal = open_journal(data) if data is not None else None
        try:
            self._processes = _processes(data, len(specs), isolation, images) if containers == "process" else None
        except BaseException:
            if journal is not None:
                journal.close()
            raise
        real = self._processes
        network = real.network if real is not None else None
        self._blueprint = Blueprint(
            nodes=specs,
            timing=profile,
            events=events,
            apiservers=apiservers,
            copies=controllers,
            service_cidr=network.service_cidr if network is not None else SIMULATED_SERVICES,
            proxy_per_node=network.per_node if network is not None else len(specs) < SHARED_PROXY_FROM_NODES,
            data_plane=DATA_PLANE if network is not None else "",
            cluster_dns=network.cluster_dns if network is not None else "",
            names_server=network.names_server if network is not None else "",
            ingress_server=INGRESS_SERVER if network is not None else "",
            node_networks=network.per_node if network is not None else False,
            journal="journal" if journal is not None else "",
        )
        self._system = SYSTEMS[system](restart_s=profile.supervisor_restart_s, restart_limit_s=profile.supervisor_restart_limit_s)
        self._stopped = False
        self._links: list[RemoteServer] = []
        self._own = RealTimeHost(self._system, self._blueprint)
        super().__init__(self._own, "default")
        self._fleet = Fleet(self._system, self._blueprint, *((real, real.network.nodes_limit) if real is not None else ()))
        self.nodes = Nodes(self._fleet, self)
        """The nodes by name: `c.nodes["node-1"].crash()`."""
        self.components = Components(self._system)
        """The components by name: `c.components["scheduler"].restart()`."""
        try:
            self._system.call(lambda: self._build(journal, behaviours))
            self._await_nodes()
        except BaseException:
            self.stop()
            raise

    def _build(self, journal: Any, images: tuple[tuple[str, Behaviour], ...]) -> None:
        system, blueprint = self._system, self._blueprint
        if journal is not None:
            system.start("journal", JournalDriver, journal, system.post)
        if self._processes is not None:
            self._processes.start(system)
            parts = self._processes.parts(system)
        else:
            parts = simulated_parts(images)
        start_control_plane(system, blueprint)
        self._fleet.start_all(parts)

    def _await_nodes(self) -> None:
        wanted = {spec.name for spec in self._blueprint.nodes}
        ready: set[str] = set()
        for event in self.watch("nodes", timeout=START_TIMEOUT_S):
            conditions = event.obj.status.conditions if event.obj.status is not None else ()
            if event.type != "DELETED" and any(one.type == "Ready" and one.status == "True" for one in conditions):
                ready.add(event.obj.metadata.name)
            if wanted <= ready:
                return
        missing = ", ".join(sorted(wanted - ready)[:5])
        raise WaitTimeout(f"{len(wanted - ready)} of {len(wanted)} nodes are not Ready after {START_TIMEOUT_S:g} s: {missing}")

    def __repr__(self) -> str:
        return f"<Cluster nodes={len(self.nodes)}, {'stopped' if self._stopped else 'running'}>"

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything. Containers end, unless the cluster has a `data` folder. Calling it twice is allowed.

        >>> from callboard import Cluster
        >>> c = Cluster(nodes=1)
        >>> c.stop()
        """
        if self._stopped:
            return
        self._stopped = True
        self._own.stopped = True
        for link in self._links:
            link.stop()
        with contextlib.ExitStack() as last:
            if self._processes is not None:
                last.callback(self._processes.leave)
            if self._journal is not None:
                last.callback(self._journal.close)
            self._system.stop()

    def serve(self, name: str = "") -> str:
        """Let other programs of this user reach the cluster until it stops: `callboard get ...`, and `callboard.connect(name)`. `name`
        tells it from others that run; "" takes the first free one. Returns the path of its Unix socket.

        Raises:
            CallboardError: another cluster has this name, or there is no safe folder for the socket.

        >>> from callboard import Cluster, connect
        >>> with Cluster(nodes=1) as c, connect(c.serve()) as other_program:
        ...     other_program.get("node/node-1").metadata.name
        'node-1'
        """
        from callboard.runtime.remote.server import RemoteServer  # sockets and threads: only for who wants to be reached

        if self._stopped:
            raise SystemStopped("the cluster has been stopped; make a new one")
        link = RemoteServer(self._own, name)
        self._links.append(link)
        return link.path

    def add(
        self,
        controller: Any,
        *,
        watches: Sequence[str],
        keys_of: Callable[[Any], Iterable[str]] | None = None,
        name: str | None = None,
        blocking: bool = False,
    ) -> ComponentHandle:
        """Add a controller of your own: a class (or object, or function) with `reconcile(view, now) -> actions`.

        `watches` names kinds; `reconcile` is called for each object of the first one whenever that, what it owns, or something else that is
        watched changes. `keys_of` says for an object of the other kinds which ones it concerns, as "namespace/name". What `reconcile` may
        look at and want is in `callboard.controllers`. If it raises, its object backs off and an Event says so. One that takes
        long holds up all others, and is named in a warning and in `stats()`; with `blocking=True` it has a thread of its own.

        Raises:
            BadRequest: it is no controller, watches nothing, or its name is taken.

        >>> from callboard import Cluster
        >>> from callboard.controllers import Create, View
        >>> def backup(view: View, now: float):
        ...     if view.obj is not None and "backup" not in view.name:
        ...         yield Create({**view.obj.to_dict(), "metadata": {"name": f"{view.name}-backup"}}, owner=view.obj)
        >>> with Cluster(nodes=1) as c:
        ...     _ = c.add(backup, watches=["configmaps"])
        ...     _ = c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}})
        ...     c.wait("configmap/a-backup").data["k"]
        'v'
        """
        program = program_of(controller, watches, keys_of)
        settings = self._blueprint.client()
        return start_controller(self._system, name_of(controller, name), settings, program, CONTROL_PLANE, blocking=blocking)

    @property
    def isolation(self) -> str:
        """The level of isolation of real processes: "A", "B", "C1" or "C0"; "" with simulated containers."""
        return self._processes.level.name if self._processes is not None else ""

    @property
    def folder(self) -> str | None:
        """Where the files of pods lie; None with simulated containers."""
        return self._processes.folder if self._processes is not None else None

    def stats(self) -> Stats:
        """Messages handled, restarts, relists and mailbox high-water marks, in sum and by component.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     c.stats().restarts
        0
        """
        return self._system.call(lambda: stats_of(self._system))


def _processes(data: str | Path | None, nodes: int, isolation: str, images: Any) -> Processes:
    from callboard.runtime.face.images import image_table
    from callboard.runtime.face.processes import Processes  # asyncio and subprocesses: only for who wants real processes

    return Processes(data, nodes, isolation, image_table(images))


def _timing(timing: str | Timing) -> Timing:
    try:
        return timing_named(timing)
    except ValueError as problem:
        raise BadRequest(str(problem)) from None
