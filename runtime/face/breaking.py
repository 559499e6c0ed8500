"""How a simulation is broken on purpose and judged: faults, links, `eventually`, replay files. Taken in by `Simulation`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from callboard.models.times import rfc3339
from callboard.models.timing import Timing
from callboard.runtime.errors import InvariantBroken
from callboard.runtime.face.contract import Seconds, seconds
from callboard.runtime.face.stage import SimulatedStage
from callboard.runtime.faults import carrying, replayfile
from callboard.runtime.faults.findings import Finding
from callboard.runtime.faults.patience import LOOK_S, STAYS_S, patience_s
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.recording import Recorder, Strategy
from callboard.runtime.faults.vocabulary import AnyFault
from callboard.runtime.systems import Links, SimulatedSystem
from callboard.runtime.systems.simworld import START_S
from callboard.runtime.telling.causes import Recording, causal_slice
from callboard.runtime.telling.chart import chart

STEPS_KEPT = 5_000
"""Steps that `chart` can look back at."""


class Breaking:
    """What `Simulation` has for going wrong."""

    seed: int
    _system: SimulatedSystem
    _stage: SimulatedStage
    _timing: Timing

    def _newest_revision(self) -> int:
        raise NotImplementedError

    def _set_up(self) -> None:
        self._faults: list[AnyFault] = []
        self._calm_from_s = 0.0
        """When the last fault will be over."""
        self._recorder: Recorder | None = None
        self._recording = Recording(self._system, self._newest_revision, STEPS_KEPT)

    @property
    def links(self) -> Links:
        """The ways between processes, to be cut, slowed or held: by patterns, or one by one as `s.links["scheduler>apiserver-0"]`.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.links["scheduler>apiserver-0"].hold("12s")
        ...     before = s.now
        ...     spec = {"containers": [{"name": "a", "image": "a"}]}
        ...     _ = s.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
        ...     _ = s.wait("pod/a", timeout="1m")
        ...     s.now - before > 12
        True
        """
        return self._system.links

    def faults(self, *faults: AnyFault) -> None:
        """Let these faults begin and end in their time, counted from now: values of `callboard.chaos`.

        >>> from callboard import Simulation
        >>> from callboard.chaos import NodeCrash
        >>> with Simulation(nodes=2, seed=1, timing="fast") as s:
        ...     s.faults(NodeCrash(target="node-1", at_s=5, for_s=30))
        ...     _ = s.wait("node/node-1", "Ready=Unknown", timeout="20s")
        ...     s.wait("node/node-1", "Ready", timeout="1m").metadata.name
        'node-1'
        """
        self._faults += faults
        over_s = max((fault.at_s + fault.for_s for fault in faults), default=0.0)
        self._calm_from_s = max(self._calm_from_s, self._system.now() + over_s)
        carrying.schedule(self._stage, faults)

    def eventually(self, holds: Callable[[Any], object], *, within: Seconds | None = None) -> None:
        """Let time pass until the last fault is over; from then on `holds(simulation)` has to become true and stay so. It reads without
        a step. `within`: the time it has for that; without it as long as all periods of this timing together allow.

        Raises:
            InvariantBroken: it was not so in time, or raised; names the function and what it said last.

        >>> from callboard import Simulation
        >>> from callboard.chaos import NodeCrash
        >>> with Simulation(nodes=2, seed=1, timing="fast") as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     s.faults(NodeCrash(target="node-1", at_s=1, for_s=8))
        ...     s.eventually(lambda view: view.get("deployment/web").status.available_replicas == 3)
        """
        system = self._system
        name = getattr(holds, "__name__", repr(holds))
        if system.now() < self._calm_from_s:
            system.run_for(self._calm_from_s - system.now())
        allowed_s = patience_s(self._timing) if within is None else seconds(within)
        deadline_s, well_since_s, said = system.now() + allowed_s, -1.0, ""
        while True:
            well, said = _asked(holds, self)
            if well:
                well_since_s = system.now() if well_since_s < 0 else well_since_s
                if system.now() - well_since_s >= STAYS_S:
                    return
            else:
                well_since_s = -1.0
                if system.now() >= deadline_s:
                    where = f"at {rfc3339(system.now())} (step {system.steps}, seed {self.seed})"
                    raise InvariantBroken(f"{name} did not come to hold within {allowed_s:g} s after the last fault, {where}{said}")
            system.run_for(LOOK_S)

    def deviate(self, strategy: Strategy | None) -> None:
        """Let a strategy say how long each message between processes is held (see `callboard.chaos.strategy_named`); None: none is any
        more. What is held is remembered for `save_replay`."""
        if strategy is None:
            self._system.links.hold(None)
            return
        self._recorder = Recorder(strategy, self._system.now)
        self._system.links.hold(self._recorder.hold)

    def save_replay(self, path: str | Path) -> None:
        """Write down what was not as usual in this simulation so far: seed, faults, held messages, and the hash of its history. A test
        under `@chaos` is played again with it by `pytest --callboard-replay=FILE`.

        Raises:
            OSError: the file can't be written.

        >>> import tempfile, pathlib
        >>> from callboard import Simulation
        >>> from callboard.chaos import NodeCrash, read_replay
        >>> with tempfile.TemporaryDirectory() as folder, Simulation(nodes=1, seed=1) as s:
        ...     s.faults(NodeCrash(target="node-1", at_s=1, for_s=8))
        ...     s.advance("20s")
        ...     s.save_replay(f"{folder}/run.jsonl")
        ...     replay = read_replay(f"{folder}/run.jsonl")
        ...     (replay.plan.faults[0].target, replay.expected.trace_hash == s.trace_hash)
        ('node-1', True)
        """
        replayfile.write(path, self._deviations(), replayfile.Expected(trace_hash=self._system.trace_hash))

    def chart(self, path: str | Path, about: str = "") -> None:
        """Draw what has led to the last change of an object (`about`, as "pod/web-1"; none named: to the last step) into a file of HTML: a
        lane for each actor, messages as arrows, faults as bands, old news in red.

        Raises:
            BadRequest, NotFound: (of `about`) it names no object.
            OSError: the file can't be written.

        >>> import tempfile
        >>> from callboard import Simulation
        >>> with tempfile.TemporaryDirectory() as folder, Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     s.chart(f"{folder}/web.html", about="deployment/web")
        ...     "WriteStatus deployments.apps/default/web" in open(f"{folder}/web.html").read()
        True
        """
        steps = tuple(self._recording.steps)
        key = self._key_of(about) if about else ""
        last = max((step.number for step in steps if not key or step.subject == key), default=0)
        chosen = causal_slice(steps, last, key)
        at_s = chosen[-1].at_s if chosen else self._system.now()
        finding = Finding(
            "what has led to this", key, f"step {last} is the last one about it" if key else "the last step", at_s - START_S, last
        )
        Path(path).write_text(chart(self._deviations(), finding, chosen, START_S), encoding="utf-8")

    def _key_of(self, about: str) -> str:
        raise NotImplementedError

    def _deviations(self) -> Plan:
        holds = tuple(self._recorder.holds) if self._recorder is not None else ()
        nodes = len(self._stage.fleet.names)
        return Plan(scenario="", seed=self.seed, nodes=nodes, apiservers=len(self._stage.servers), faults=tuple(self._faults), holds=holds)


def _asked(holds: Callable[[Any], object], simulation: Any) -> tuple[bool, str]:
    """What a user's function says: whether it holds, and the words of its assertion if that is how it says no."""
    try:
        return bool(holds(simulation)), ""
    except AssertionError as wrong:
        return False, f": {wrong}"
    except Exception as problem:
        return False, f": it raised {type(problem).__name__}: {problem}"
