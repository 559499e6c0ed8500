"""Random worlds: a topology, workloads, and faults with a beginning and an end. Used by the convergence properties.

A world is plain data, so that Hypothesis can shrink it and a test can write one down. `play` builds the simulation, lets the faults
happen on virtual time, takes the last one back, and returns it for judgement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from callboard import Simulation

CONTROLLERS = ("replicaset", "deployment", "endpointslice", "nodelifecycle", "garbagecollector", "namespace")
FAULTS_LAST_S = 30.0


class App(msgspec.Struct, frozen=True):
    """A Deployment and its Service."""

    name: str
    replicas: int


class Fault(msgspec.Struct, frozen=True):
    """Something that goes wrong at `at_s` after the start, for `for_s`. `kind` names a pair of functions in `_KINDS`."""

    kind: str
    at_s: float
    for_s: float = 0.0
    target: str = ""
    number: int = 0


class World(msgspec.Struct, frozen=True):
    """All that a run depends on."""

    seed: int
    nodes: int
    apiservers: int
    copies: int
    apps: tuple[App, ...]
    faults: tuple[Fault, ...]


def manifests(app: App) -> list[dict[str, Any]]:
    """The documents of an app."""
    labels = {"app": app.name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]},
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": app.name}, "spec": {"selector": labels, "ports": [{"port": 80}]}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": app.name},
            "spec": {"replicas": app.replicas, "selector": {"matchLabels": labels}, "template": template},
        },
    ]


@st.composite
def worlds(draw: st.DrawFn, more: tuple[str, ...] = ()) -> World:
    """Small worlds: 1 to 3 nodes, 1 or 2 apiservers, controllers alone or in pairs, up to 2 apps and 4 faults;
    of 2 apiservers one may be gone for good. `more` names further components that something may happen to."""
    nodes, apiservers, copies = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    apps = tuple(App(f"app-{number}", draw(st.integers(0, 4))) for number in range(draw(st.integers(1, 2))))
    components = ["scheduler", *(f"controller/{name}" for name in CONTROLLERS), *(f"kubelet/node-{n}" for n in range(1, nodes + 1)), *more]
    servers = [f"apiserver-{number}" for number in range(apiservers)]
    machines = st.integers(1, nodes).map(lambda number: f"node-{number}")
    at, long = st.floats(0, 20).map(lambda s: round(s, 2)), st.floats(0.1, 10).map(lambda s: round(s, 2))
    fault = st.one_of(
        st.builds(Fault, st.just("node-crash"), at, long, machines),
        st.builds(Fault, st.just("node-cut"), at, long, machines),
        st.builds(Fault, st.just("restart"), at, st.just(0.0), st.sampled_from([*components, "store", "apiserver-0"])),
        st.builds(Fault, st.just("down"), at, long, st.sampled_from(components)),
        st.builds(Fault, st.just("watch-loss"), at, long, st.sampled_from(components), st.integers(1, 4)),
        st.builds(Fault, st.just("watch-repeat"), at, long, st.sampled_from(components)),
        st.builds(Fault, st.just("answers-lost"), at, long, st.sampled_from(components), st.integers(1, 4)),
        st.builds(Fault, st.just("slow"), at, long, st.sampled_from(components), st.integers(1, 3000)),
        st.builds(Fault, st.just("deaf"), at, long, st.sampled_from(components)),
        st.builds(Fault, st.just("lag"), at, long, st.sampled_from(servers), st.integers(1, 450)),
        st.builds(Fault, st.just("stale-server"), at, long, st.sampled_from(servers)),
        st.builds(Fault, st.just("scale"), at, st.just(0.0), st.sampled_from([app.name for app in apps]), st.integers(0, 5)),
        st.builds(Fault, st.just("compact"), at),
    )
    if apiservers > 1:
        later = st.floats(20, 45).map(lambda s: round(s, 2))  # what comes of a loss is seen when there is something to do long after it
        late_scale = st.builds(Fault, st.just("scale"), later, st.just(0.0), st.sampled_from([app.name for app in apps]), st.integers(0, 5))
        fault = st.one_of(fault, late_scale, _server_faults(draw(st.integers(0, apiservers - 1)), components, at, long))
    faults = tuple(draw(st.lists(fault, max_size=4)))
    return World(draw(st.integers(0, 2**32 - 1)), nodes, apiservers, copies, apps, faults)


def _server_faults(worse: int, components: list[str], at: st.SearchStrategy[float], long: st.SearchStrategy[float]) -> Any:
    """What only a world with a second apiserver survives: one of them, always the same one, is away, for a while or for good, or has only
    half a link to some component."""
    server, component = f"apiserver-{worse}", st.sampled_from(components)
    return st.one_of(
        st.builds(Fault, st.just("server-down"), at, long, st.just(server)),
        st.builds(Fault, st.just("server-gone"), at, st.just(0.0), st.just(server)),
        st.builds(Fault, st.sampled_from(["unheard", "unhearing"]), at, long, component, st.just(worse)),
        st.builds(Fault, st.sampled_from(["unheard-ever", "unhearing-ever"]), at, st.just(0.0), component, st.just(worse)),
    )


# -- carrying faults out ----------------------------------------------------------------------------------------------------------


def _crash(s: Simulation, fault: Fault) -> Callable[[], None]:
    s.nodes[fault.target].crash()
    return s.nodes[fault.target].restart


def _cut(s: Simulation, fault: Fault) -> Callable[[], None]:
    s.nodes[fault.target].partition()
    return s.nodes[fault.target].heal


def _restart(s: Simulation, fault: Fault) -> Callable[[], None]:
    s.components[fault.target].restart()
    return _nothing


def _down(s: Simulation, fault: Fault) -> Callable[[], None]:
    handle = s.components[fault.target]
    handle.crash()
    return lambda: None if handle.alive else handle.restart()


def _for_good(begin: Callable[[Simulation, Fault], object]) -> Callable[[Simulation, Fault], Callable[[], None]]:
    def begin_only(s: Simulation, fault: Fault) -> Callable[[], None]:
        begin(s, fault)
        return _nothing

    return begin_only


def _unheard(s: Simulation, fault: Fault) -> int:
    """What a component says to one apiserver is lost; what that one says arrives."""
    return s.links.drop(fault.target, f"apiserver-{fault.number}")


def _unhearing(s: Simulation, fault: Fault) -> int:
    """What one apiserver says to a component is lost; what that one says arrives."""
    return s.links.drop(f"apiserver-{fault.number}", fault.target)


def _every(fault: Fault, *types: str) -> Callable[[Any, Any], bool]:
    count = 0

    def judge(passage: Any, _message: Any) -> bool:
        nonlocal count
        if passage.type not in types:
            return False
        count += 1
        return count % max(1, fault.number) == 0

    return judge


def _ruled(rule: Callable[[Simulation, Fault], int]) -> Callable[[Simulation, Fault], Callable[[], None]]:
    def begin(s: Simulation, fault: Fault) -> Callable[[], None]:
        number = rule(s, fault)
        return lambda: s.links.remove(number)

    return begin


def _deaf(s: Simulation, fault: Fault) -> Callable[[], None]:
    """The component is not told of changes, and can ask and write all the same: its view is stale."""
    number = s.links.drop("apiserver-*", fault.target, lambda passage, _: passage.type in ("WatchBatch", "WatchClosed"))
    return lambda: s.links.remove(number)


def _stale_server(s: Simulation, fault: Fault) -> Callable[[], None]:
    """An apiserver is not told what the store has committed: what it plans, it plans from an old picture."""
    number = s.links.drop("store", fault.target, lambda passage, _: passage.type == "StoreChanged")
    return lambda: s.links.remove(number)


def _scale(s: Simulation, fault: Fault) -> Callable[[], None]:
    s.scale(f"deployment/{fault.target}", fault.number)
    return _nothing


def _compact(s: Simulation, _fault: Fault) -> Callable[[], None]:
    s.compact()
    return _nothing


def _nothing() -> None:
    """This fault has no end."""


_KINDS: dict[str, Callable[[Simulation, Fault], Callable[[], None]]] = {
    "node-crash": _crash,
    "node-cut": _cut,
    "restart": _restart,
    "down": _down,
    "server-down": _down,
    "server-gone": _for_good(_down),
    "unheard": _ruled(_unheard),
    "unheard-ever": _for_good(_unheard),
    "unhearing": _ruled(_unhearing),
    "unhearing-ever": _for_good(_unhearing),
    "watch-loss": _ruled(lambda s, f: s.links.drop("apiserver-*", f.target, _every(f, "WatchBatch"))),
    "watch-repeat": _ruled(lambda s, f: s.links.duplicate("apiserver-*", f.target, _every(f, "WatchBatch"))),
    "answers-lost": _ruled(lambda s, f: s.links.drop("apiserver-*", f.target, _every(f, "Written", "Refused"))),
    "slow": _ruled(lambda s, f: s.links.delay("apiserver-*", f.target, f.number / 1000)),
    "lag": _ruled(lambda s, f: s.links.delay("store", f.target, f.number / 1000)),
    "deaf": _deaf,
    "stale-server": _stale_server,
    "scale": _scale,
    "compact": _compact,
}


def begin_fault(s: Simulation, fault: Fault) -> Callable[[], None]:
    """Let a fault begin; what comes back ends it."""
    return _KINDS[fault.kind](s, fault)


def play(world: World, watch: Callable[[Simulation], None]) -> Simulation:
    """Run a world until its last fault is over. `watch` is called at the start, to add invariants. The caller stops what is returned."""
    s = Simulation(nodes=world.nodes, seed=world.seed, timing="chaos", apiservers=world.apiservers, controllers=world.copies)
    try:
        watch(s)
        for app in world.apps:
            s.apply(manifests(app))
        let_happen(s, world.faults)
    except BaseException:
        s.stop()
        raise
    return s


def let_happen(s: Simulation, faults: tuple[Fault, ...]) -> None:
    """Begin every fault at its time and end it at its own; come back when the last is over."""
    began_s = s.now
    due: list[tuple[float, int, Any]] = [(fault.at_s, number, fault) for number, fault in enumerate(faults)]
    while due:
        due.sort(key=lambda entry: entry[:2])
        at_s, number, what = due.pop(0)
        if began_s + at_s > s.now:
            s.advance(began_s + at_s - s.now)
        if isinstance(what, Fault):
            due.append((at_s + what.for_s, number, begin_fault(s, what)))
        else:
            what()
