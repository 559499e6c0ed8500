"""`Simulation`: the same cluster on virtual time and one thread, where one seed is one history. The other thing that users hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from callboard.actors.kubelet.settings import Events
from callboard.models.behaviour import Behaviour
from callboard.models.errors import BadRequest
from callboard.models.messages.api import object_key
from callboard.models.messages.store import Compact
from callboard.models.times import rfc3339
from callboard.models.timing import Timing, timing_named
from callboard.runtime.errors import InvariantBroken, RealTimeOnly
from callboard.runtime.face.assembly import CONTROL_PLANE, JOURNAL, Blueprint, simulated_parts, start_control_plane
from callboard.runtime.face.breaking import Breaking
from callboard.runtime.face.client import Stats, stats_of
from callboard.runtime.face.contract import Seconds, check_events, check_images, seconds
from callboard.runtime.face.extending import name_of, program_of, start_controller
from callboard.runtime.face.fleet import Fleet
from callboard.runtime.face.handles import ComponentHandle, Components, Nodes
from callboard.runtime.face.nodespec import NodeSpec, node_specs
from callboard.runtime.face.stage import SimulatedStage, start_journal
from callboard.runtime.face.verbs import Verbs
from callboard.runtime.face.virtualhost import SETTLE_TIMEOUT_S, VirtualHost
from callboard.runtime.systems import SimulatedSystem

READY_TIMEOUT_S = 300.0
Invariant = Callable[["Simulation"], object]


class Simulation(Breaking, Verbs):
    """A cluster on virtual time: nothing waits, and everything can be replayed. Use it in a `with` statement.

    Arguments are those of `Cluster`; `seed` decides every order and every random number. `jitter_s`: messages between processes take up to
    so long, drawn anew for each, which reorders what different lanes carry (0: strictly oldest first). `check_messages` looks into every
    message for anything that can be changed, which costs a quarter of the time. `silent`: nobody hears log lines. `durable`: the store
    keeps a journal, as a real one does, on a simulated disk that can be slow, full, or torn by a crash; without, what is stored is
    durable at once.

    Raises:
        RealTimeOnly: real processes, or a journal on a real disk, were asked for.

    >>> from callboard import Simulation
    >>> with Simulation(nodes=2, seed=7) as s:
    ...     [node.metadata.name for node in s.list("nodes")]
    ['node-1', 'node-2']
    """

    def __init__(
        self,
        nodes: int | Sequence[NodeSpec] = 3,
        *,
        seed: int = 0,
        containers: Literal["simulated"] = "simulated",
        images: Mapping[str, Behaviour] | None = None,
        timing: str | Timing = "kubernetes",
        data: str | Path | None = None,
        apiservers: int = 1,
        controllers: int = 1,
        events: Events = "warnings",
        jitter_s: float = 0.001,
        check_messages: bool = True,
        silent: bool = False,
        durable: bool = False,
    ) -> None:
        if containers != "simulated":
            raise RealTimeOnly(f"containers={containers!r} needs real time; use Cluster, or leave containers simulated")
        if data is not None:
            raise RealTimeOnly("a data folder needs a real disk; use Cluster, or leave data away")
        if apiservers < 1 or controllers < 1:
            raise BadRequest(f"apiservers={apiservers}, controllers={controllers}: a cluster has at least one of each")
        check_events(events)
        specs = node_specs(nodes)
        try:
            profile = timing_named(timing)
        except ValueError as problem:
            raise BadRequest(str(problem)) from None
        self.seed = seed
        journal = JOURNAL if durable else ""
        blueprint = Blueprint(nodes=specs, timing=profile, events=events, apiservers=apiservers, copies=controllers, journal=journal)
        self._system = SimulatedSystem(seed=seed, jitter_s=jitter_s, check_messages=check_messages, silent=silent)
        if durable:
            start_journal(self._system)
        self._own = VirtualHost(self._system, blueprint)
        self._client = blueprint.client()
        super().__init__(self._own, "default")
        self._fleet = Fleet(self._system, blueprint)
        self.nodes = Nodes(self._fleet, self)
        """The nodes by name: `s.nodes["node-1"].crash()`."""
        self.components = Components(self._system)
        """The components by name: `s.components["scheduler"].restart()`."""
        self._stage = SimulatedStage(self._system, self._fleet, blueprint.servers, self.compact)
        self._timing = profile
        self._set_up()
        self._quiet_s = profile.node_grace_s + 2 * profile.node_monitor_s  # what is lost now is noticed within that time
        self._invariants: list[Invariant] = []
        self._checked_revision = -1
        start_control_plane(self._system, blueprint)
        self._fleet.start_all(simulated_parts(check_images(images)))
        self._system.quiet = self._own.settled_state
        self._system.on_step.append(self._check)
        if not silent:
            self._system.on_step.append(self._recording.look)
        for spec in specs:
            self.wait(f"node/{spec.name}", "Ready", timeout=READY_TIMEOUT_S)

    def __repr__(self) -> str:
        return f"<Simulation nodes={len(self.nodes)}, seed={self.seed}>"

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _newest_revision(self) -> int:
        return self._own.revision

    def _key_of(self, about: str) -> str:
        reference = self._refer(about)
        self.get(about)
        return object_key(reference.resource_name, reference.namespace, reference.name)

    def stop(self) -> None:
        """End the simulation; nothing of it remains."""
        self._system.stop()

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
        look at and want is in `callboard.controllers`. If it raises, its object backs off and an Event says so. Here it runs on
        the simulation's one thread, `blocking` or not, and has to be as deterministic as everything else.

        Raises:
            BadRequest: it is no controller, watches nothing, or its name is taken.

        >>> from callboard import Simulation
        >>> from callboard.controllers import UpdateStatus, View
        >>> class Greeter:
        ...     def reconcile(self, view: View, now: float):
        ...         if view.obj is not None:
        ...             yield UpdateStatus(view.obj, {"greeting": f"hello {view.name}"})
        >>> schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        >>> version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
        >>> names = {"kind": "Guest", "plural": "guests"}
        >>> spec = {"group": "inn.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
        >>> definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        ...               "metadata": {"name": "guests.inn.example.com"}, "spec": spec}
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.add(Greeter, watches=["guests"])
        ...     _ = s.apply([definition])
        ...     _ = s.apply({"apiVersion": "inn.example.com/v1", "kind": "Guest", "metadata": {"name": "ann"}})
        ...     s.settle()
        ...     s.get("guest/ann").content["status"]["greeting"]
        'hello ann'
        """
        program = program_of(controller, watches, keys_of)
        return start_controller(self._system, name_of(controller, name), self._client, program, CONTROL_PLANE, blocking=False)

    @property
    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return self._system.now()

    @property
    def trace_hash(self) -> str:
        """Stands for the whole history so far: equal for equal seeds and equal calls, in every process and on every machine.

        >>> from callboard import Simulation
        >>> def history(seed):
        ...     with Simulation(nodes=1, seed=seed) as s:
        ...         s.advance("1m")
        ...         return s.trace_hash
        >>> history(1) == history(1), history(1) == history(2)
        (True, False)
        """
        return self._system.trace_hash

    def advance(self, duration: Seconds) -> None:
        """Let so much virtual time pass (seconds, or text such as "5m").

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     before = s.now
        ...     s.advance("5m")
        ...     round(s.now - before)
        300
        """
        self._system.run_for(seconds(duration))

    def settle(self, timeout: Seconds = SETTLE_TIMEOUT_S) -> None:
        """Go on until nothing moves any more: no message under way, no timer due but periodic ones, nothing stored changes but leases.

        Raises:
            Unsettled: it did not within `timeout` of virtual time; names what keeps changing.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     spec = {"containers": [{"name": "a", "image": "a"}]}
        ...     _ = s.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
        ...     s.settle()
        ...     s.get("pod/a").status.phase
        'Running'
        """
        self._system.settle(seconds(timeout), quiet_s=self._quiet_s)

    def invariant(self, holds: Invariant) -> None:
        """From now on, `holds(simulation)` must be true after every step that changed something stored. It reads without a step.

        Raises (from whatever call drives the simulation on):
            InvariantBroken: it returned something false, or raised; names the function, the virtual time and the step.

        >>> from callboard import InvariantBroken, Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     s.invariant(lambda view: not view.list("configmaps"))
        ...     try:
        ...         _ = s.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
        ...     except InvariantBroken as broken:
        ...         print(str(broken).split(" at ")[0])
        the invariant <lambda> does not hold
        """
        self._invariants.append(holds)
        self._checked_revision = -1
        self._check()

    def _check(self) -> None:
        if not self._invariants:
            return
        revision = self._own.revision
        if revision == self._checked_revision:
            return
        self._checked_revision = revision
        for holds in self._invariants:
            name = getattr(holds, "__name__", repr(holds))
            where = f"at {rfc3339(self.now)} (step {self._system.steps}, revision {revision}, seed {self.seed})"
            try:
                held = holds(self)
            except Exception as problem:
                raise InvariantBroken(f"the invariant {name} raised {problem!r} {where}") from problem
            if not held:
                raise InvariantBroken(f"the invariant {name} does not hold {where}")

    def compact(self) -> None:
        """Make the store forget its history: watches that are behind get 410 and list anew."""
        self._system.post("store", Compact(self._own.revision))

    def stats(self) -> Stats:
        """Messages handled, restarts, relists and mailbox high-water marks, in sum and by component.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     s.stats().relists
        0
        """
        return stats_of(self._system)
