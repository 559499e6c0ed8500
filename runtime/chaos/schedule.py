"""Playing one schedule: boot, users and faults, rest, judgement. Everything else in the harness makes plans for it or explains it.

While users act and faults go on, step oracles judge every change. When the last fault is over everything is given `patience_s` of virtual
time to come to be as it should be, and to stay so for `STAYS_S`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from callboard.models.base import replace
from callboard.models.timing import CHAOS, Timing
from callboard.runtime.chaos.oracles.base import Oracle, Wrong
from callboard.runtime.chaos.scenarios.drafting import IMAGES
from callboard.runtime.chaos.user import NAME, User
from callboard.runtime.chaos.world import SimulatedWorld
from callboard.runtime.errors import InvariantBroken
from callboard.runtime.face.assembly import CONTROL_PLANE
from callboard.runtime.face.nodespec import NodeSpec
from callboard.runtime.face.simulation import Simulation
from callboard.runtime.faults import carrying
from callboard.runtime.faults.findings import Finding, Outcome
from callboard.runtime.faults.patience import LOOK_S, STAYS_S, patience_s
from callboard.runtime.faults.plan import Plan
from callboard.runtime.faults.recording import Recorder, Strategy, replaying
from callboard.runtime.systems import ComponentFailed, InboxOverflow, Livelock, MutableMessage

HARNESS = replace(CHAOS, watch_heartbeat_s=2.0, watch_silence_s=4.0, usage_s=10.0)
"""The periods of a schedule. Four fifths of all messages of a small cluster at rest are heartbeats of watch streams: rarer ones are as good
a test, and make a schedule cost half as much."""
FAILS = "no component fails"
LIVELOCK = "no livelock"
USERS = "users get their work done"
LEASES = "leases.coordination.k8s.io/"
OF_NODES = f"{LEASES}kube-node-lease/"
STEPS_PER_S = 1000
"""A schedule that takes more steps than so many for each second that it may last counts as one that goes on for ever: several times what
the longest good one takes."""


class Run:
    """One schedule while it is played."""

    def __init__(self, plan: Plan, strategy: Strategy | None, oracles: Sequence[Oracle], timing: Timing = HARNESS) -> None:
        self.plan = plan
        self.timing = timing
        self.simulation = Simulation(
            nodes=[NodeSpec(name=f"node-{number}", cpu=plan.node_cpu) for number in range(1, plan.nodes + 1)],
            images=IMAGES,
            seed=plan.seed,
            timing=timing,
            apiservers=plan.apiservers,
            controllers=plan.controllers,
            jitter_s=0.0,
            check_messages=False,
            silent=True,
            durable=carrying.needs_disk(plan.faults),
        )
        self._system: Any = self.simulation._system
        self.world = SimulatedWorld(self.simulation, timing)
        self._oracles = tuple(oracles)
        self._on_stored = tuple(one for one in oracles if type(one).stored is not Oracle.stored)
        self._on_leases = tuple(one for one in self._on_stored if one.leases)
        self._on_ran = tuple(one for one in oracles if type(one).ran is not Oracle.ran)
        self._on_delivered: dict[type, tuple[Oracle, ...]] = {}
        for one in oracles:
            for heard in one.hears:
                self._on_delivered[heard] = (*self._on_delivered.get(heard, ()), one)
        self._recorder = Recorder(strategy or replaying(plan.holds), self._system.now)
        self._began_s = self._system.now()
        self._steps_limit = int(STEPS_PER_S * (plan.lasts_s + patience_s(timing)))
        self._situations: set[tuple[str, str, str, frozenset[str]]] = set()
        self._roles: dict[str, str] = {}

    def play(self, at_the_end: Callable[[], None] = lambda: None) -> Outcome:
        """Play it to its end, or to the first thing that an oracle finds. `at_the_end` is called while everything is still there."""
        system, plan = self._system, self.plan
        finding: Finding | None = None
        try:
            client = self.simulation._client
            system.links.hold(self._recorder.hold)
            system.quiet = None  # nobody asks whether it is settled
            system.on_step.append(self._after_step)
            carrying.schedule(self.simulation._stage, plan.faults, self.world.fault_changed)
            system.start(NAME, User, client, plan.operations, machine=CONTROL_PLANE)
            system.run_for(plan.lasts_s)
            self._recorder.stop()
            finding = self._rest()
        except _Found as found:
            finding = found.finding
        except (ComponentFailed, MutableMessage, InboxOverflow) as failure:
            finding = self._finding(FAILS, _first_name(failure), str(failure).splitlines()[-1], traceback.format_exc())
        except Livelock as failure:
            finding = self._finding(LIVELOCK, "", str(failure))
        except InvariantBroken as broken:
            finding = self._finding("invariant", "", str(broken))
        finally:
            user = system.look(NAME) if NAME in system.names() else None
            refusals, missed = (tuple(user.refusals), tuple(user.missed)) if user is not None else ((), ())
            outcome = Outcome(
                finding,
                system.steps,
                system.now() - self._began_s,
                system.trace_hash,
                tuple(self._recorder.holds),
                self._coverage(),
                refusals,
                missed,
            )
            at_the_end()
            self.simulation.stop()
        return outcome

    # -- while it goes on -----------------------------------------------------------------------------------------------------------

    def _after_step(self) -> None:
        world, system = self.world, self._system
        if system.steps > self._steps_limit:
            busiest = system.trace.busiest(system.now() - 60.0)
            raise _Found(self._finding(LIVELOCK, "", f"more than {self._steps_limit} messages and timers; in the last minute: {busiest}"))
        if world.changed:
            for event in world.changes():
                if not event.key.startswith(LEASES):
                    told = self._on_stored
                elif event.key.startswith(OF_NODES):
                    continue
                else:
                    told = self._on_leases
                for oracle in told:
                    self._judged(oracle, oracle.stored(event, world))
        _, sender, receiver, kind, _ = system.last
        if receiver.startswith("runtime/"):
            node = receiver.partition("#")[0].partition("/")[2]
            for oracle in self._on_ran:
                self._judged(oracle, oracle.ran(node, world))
        message = system.last_message
        if sender:
            for oracle in self._on_delivered.get(message.__class__, ()):
                self._judged(oracle, oracle.delivered(sender, receiver, message, world))
        self._situations.add((sender, receiver, kind, world.active_faults))

    def _coverage(self) -> frozenset[int]:
        """The situations of this run by what takes part in them, whatever its number or node."""
        return frozenset(
            situation(self._role(sender), self._role(receiver), kind, faults)
            for sender, receiver, kind, faults in sorted(self._situations, key=lambda one: (*one[:3], sorted(one[3])))
        )

    def _role(self, address: str) -> str:
        """What an address is, but for its number and node: `kubelet/node-1#3` is `kubelet`."""
        role = self._roles.get(address)
        if role is None:
            name = address.partition("#")[0]
            role = name if name.startswith("controller/") else name.partition("/")[0].partition("-")[0]
            self._roles[address] = role
        return role

    def _judged(self, oracle: Oracle, wrong: Wrong | None) -> None:
        if wrong is not None:
            raise _Found(self._finding(oracle.name, wrong.object, wrong.words))

    # -- at rest --------------------------------------------------------------------------------------------------------------------

    def _rest(self) -> Finding | None:
        """Whether everything comes to be as it should and stays so."""
        system = self._system
        deadline_s = system.now() + patience_s(self.timing)
        well_since_s: float | None = None
        while True:
            wrong = self._wrong_at_rest()
            if wrong is None:
                if well_since_s is None:
                    well_since_s = system.now()
                if system.now() - well_since_s >= STAYS_S:
                    return self._wrong_after_all()
            else:
                well_since_s = None
                if system.now() >= deadline_s:
                    oracle, found = wrong
                    return self._finding(oracle.name, found.object, f"{found.words}, {patience_s(self.timing):g} s after the last fault")
            system.run_for(LOOK_S)

    def _wrong_at_rest(self) -> tuple[Oracle, Wrong] | None:
        user = self._system.look(NAME)
        if user is None or user.done < len(self.plan.operations):
            return _USERS, Wrong("", "the user has not got done what was wanted")
        for oracle in self._oracles:
            wrong = oracle.at_rest(self.world)
            if wrong is not None:
                return oracle, wrong
        return None

    def _wrong_after_all(self) -> Finding | None:
        for oracle in self._oracles:
            wrong = oracle.over(self.world)
            if wrong is not None:
                return self._finding(oracle.name, wrong.object, wrong.words)
        return None

    def _finding(self, oracle: str, object_: str, words: str, trace: str = "") -> Finding:
        return Finding(oracle, object_, words, self._system.now() - self._began_s, self._system.steps, trace)


class _Users(Oracle):
    name = USERS


_USERS = _Users()


class _Found(Exception):
    """Ends a run at what an oracle found."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.words)
        self.finding = finding


@lru_cache(maxsize=100_000)
def situation(sender: str, receiver: str, kind: str, faults: frozenset[str]) -> int:
    """Who says what to whom while what goes wrong, as a number that is the same in every process."""
    text = f"{sender}>{receiver} {kind} {','.join(sorted(faults))}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _first_name(failure: Exception) -> str:
    return str(getattr(failure, "component", ""))


OracleMaker = Callable[[], Sequence[Oracle]]


def play(plan: Plan, strategy: Strategy | None, oracles: OracleMaker, timing: Timing = HARNESS) -> Outcome:
    """Play a schedule. Without a strategy the plan's own holds are what is held: the replay of a recorded run."""
    return Run(plan, strategy, oracles(), timing).play()
