"""Random faults for a draft: which targets there are, how long each kind lasts. One row per kind in `KINDS`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from callboard.runtime.faults import vocabulary as v

CONTROLLERS = (
    "scheduler",
    "controller/replicaset",
    "controller/deployment",
    "controller/endpointslice",
    "controller/nodelifecycle",
    "controller/garbagecollector",
    "controller/namespace",
    "controller/disruption",
)
FAULTS_LIMIT = 5
KINDS_LIMIT = 4
AIMED = 0.6
"""How often a fault is aimed at what the scenario is about."""
COMBINED = 0.5
"""How often one of the combinations is drawn besides."""
NEAR = 0.5
"""How often a fault begins about when a user does something."""
BEFORE_S, AFTER_S = 0.8, 0.6
RESOURCES = ("", "pods", "replicasets.apps", "deployments.apps", "nodes", "services")
READS = {
    "scheduler": ("pods", "nodes"),
    "controller/replicaset": ("replicasets.apps", "pods"),
    "controller/deployment": ("deployments.apps", "replicasets.apps"),
    "controller/endpointslice": ("services", "endpointslices.discovery.k8s.io", "pods"),
    "controller/nodelifecycle": ("nodes", "pods"),
    "controller/statefulset": ("statefulsets.apps", "pods"),
    "controller/daemonset": ("daemonsets.apps", "pods", "nodes"),
    "controller/job": ("jobs.batch", "pods"),
    "controller/cronjob": ("cronjobs.batch", "jobs.batch"),
    "controller/disruption": ("poddisruptionbudgets.policy", "pods"),
}
"""What they watch, of which one stream may be late while the others are not."""


class Place:
    """Who can be hit in a schedule."""

    def __init__(
        self, *, nodes: int, apiservers: int, copies: int, stirs: Sequence[str], lasts_s: float, moments_s: Sequence[float] = ()
    ) -> None:
        """`stirs` names the components that it is about; faults begin until `lasts_s`, and half of them near `moments_s`."""
        self.lasts_s = lasts_s
        self.moments_s = tuple(at_s for at_s in moments_s if 0.0 < at_s < lasts_s)
        self.copies = copies
        self.nodes = tuple(f"node-{number}" for number in range(1, nodes + 1))
        self.servers = tuple(f"apiserver-{number}" for number in range(apiservers))
        self.kubelets = tuple(f"kubelet/{node}" for node in self.nodes)
        self.planes = ("control-plane", *(f"control-plane-{number}" for number in range(1, copies)))
        self.proxies = tuple(f"proxy/{node}" for node in self.nodes)
        self.stirred = tuple(name for name in stirs if name not in self.servers)
        others = tuple(name for name in self.stirred if name not in CONTROLLERS and not name.startswith("kubelet"))
        self.controllers = (*CONTROLLERS, *others, *(f"{name}-1" for name in CONTROLLERS if copies > 1))
        self.readers = (*self.controllers, *self.kubelets, *self.proxies)

    def reader(self, rng: random.Random) -> str:
        """Somebody who watches and writes."""
        return rng.choice(self.stirred) if self.stirred and rng.random() < AIMED else rng.choice(self.readers)

    def controller(self, rng: random.Random) -> str:
        """A controller or the scheduler."""
        aimed = [name for name in self.stirred if not name.startswith("kubelet")]
        return rng.choice(aimed) if aimed and rng.random() < AIMED else rng.choice(self.controllers)

    def spare_server(self, rng: random.Random) -> str:
        """The apiserver that may go for good, always the same one; "" where there is but one."""
        rng.random()
        return self.servers[-1] if len(self.servers) > 1 else ""

    def first_server(self, rng: random.Random, reader: str) -> str:
        """The apiserver that somebody begins with: kubelets take turns, of others it is not known here."""
        found = rng.choice(self.servers)
        return self.servers[self.kubelets.index(reader) % len(self.servers)] if reader in self.kubelets else found

    def at_s(self, rng: random.Random) -> float:
        """When a fault begins."""
        if self.moments_s and rng.random() < NEAR:
            return round(max(0.0, rng.choice(self.moments_s) + rng.uniform(-BEFORE_S, AFTER_S)), 2)
        return round(rng.random() * self.lasts_s, 2)


def _long(rng: random.Random, most_s: float) -> float:
    return round(rng.choice((0.1, 0.5, 1.0)) * rng.random() * most_s + 0.05, 2)


def _slow_way(rng: random.Random, place: Place) -> v.LinkDelay:
    """What somebody is told takes longer, or what he says."""
    source, target = ("apiserver-*", place.reader(rng))
    if rng.random() < 0.4:
        source, target = target, source
    return v.LinkDelay(at_s=place.at_s(rng), for_s=_long(rng, 10), source=source, target=target, delay_s=round(rng.random() * 2.5, 2))


def _late_news(rng: random.Random, place: Place, for_s: float) -> v.WatchDelay:
    """What somebody watches is told late: one of his streams, or all."""
    reader = place.reader(rng)
    return v.WatchDelay(at_s=place.at_s(rng), for_s=for_s, target=reader, resource=rng.choice(("", *READS.get(reader, RESOURCES))))


def _store_crash(rng: random.Random, place: Place) -> v.StoreCrash:
    """The store ends: at any moment, or at a step of one of the next writes."""
    at_s, for_s = place.at_s(rng), _long(rng, 2)
    if rng.random() < 0.5:
        return v.StoreCrash(at_s=at_s, for_s=for_s, target="store")
    at = rng.choice(v.WRITE_STEPS)
    return v.StoreCrash(at_s=at_s, for_s=round(0.3 + for_s, 2), target="store", at=at, write=rng.randint(1, 6))


Draw = Callable[[random.Random, Place], v.AnyFault]
KINDS: Mapping[str, Draw] = {
    "NodeCrash": lambda r, p: v.NodeCrash(at_s=p.at_s(r), for_s=_long(r, 12), target=r.choice(p.nodes)),
    "NodeReplace": lambda r, p: v.NodeReplace(at_s=p.at_s(r), for_s=_long(r, 8), target=r.choice(p.nodes)),
    "Partition": lambda r, p: v.Partition(
        at_s=p.at_s(r), for_s=_long(r, 12), a=r.choice((*p.nodes, p.reader(r))), one_way=r.random() < 0.2
    ),
    "ControllerRestart": lambda r, p: v.ControllerRestart(at_s=p.at_s(r), for_s=_long(r, 6), target=p.controller(r)),
    "RestartAtWrite": lambda r, p: v.RestartAtWrite(at_s=p.at_s(r), for_s=_long(r, 4), target=p.reader(r), write=r.randint(1, 4)),
    "KubeletRestart": lambda r, p: v.KubeletRestart(at_s=p.at_s(r), for_s=_long(r, 6), target=r.choice(p.kubelets)),
    "ApiServerCrash": lambda r, p: v.ApiServerCrash(at_s=p.at_s(r), for_s=_long(r, 4), target=r.choice(p.servers)),
    "StoreCrash": lambda r, p: _store_crash(r, p),
    "DiskSlow": lambda r, p: v.DiskSlow(at_s=p.at_s(r), for_s=_long(r, 8), delay_s=r.choice((0.02, 0.2, 1.0, 3.0))),
    "DiskFull": lambda r, p: v.DiskFull(at_s=p.at_s(r), for_s=_long(r, 6)),
    "TornWrite": lambda r, p: v.TornWrite(at_s=p.at_s(r), for_s=round(0.3 + _long(r, 2), 2), write=r.randint(1, 6)),
    "Pause": lambda r, p: v.Pause(at_s=p.at_s(r), for_s=_long(r, 8), target=r.choice((p.reader(r), *p.servers))),
    "ClockJump": lambda r, p: v.ClockJump(
        at_s=p.at_s(r), for_s=_long(r, 30), target=r.choice((*p.nodes, *p.planes)), skew_s=r.choice((-60.0, -5.0, 5.0, 60.0))
    ),
    "WatchDelay": lambda r, p: _late_news(r, p, _long(r, 10)),
    "WatchDrop": lambda r, p: v.WatchDrop(at_s=p.at_s(r), for_s=_long(r, 6), target=p.reader(r), every=r.randint(1, 4)),
    "AnswerLost": lambda r, p: v.AnswerLost(at_s=p.at_s(r), for_s=_long(r, 6), target=p.reader(r), every=r.randint(1, 3)),
    "DeafAfterWrite": lambda r, p: v.DeafAfterWrite(
        at_s=p.at_s(r), for_s=round(2.2 + _long(r, 6), 2), target=p.reader(r), write=r.randint(1, 4)
    ),
    "ServerLag": lambda r, p: v.ServerLag(at_s=p.at_s(r), for_s=_long(r, 6), target=r.choice(p.servers)),
    "Compaction": lambda r, p: v.Compaction(at_s=p.at_s(r)),
    "LinkDelay": lambda r, p: _slow_way(r, p),
    "LinkRepeat": lambda r, p: v.LinkRepeat(
        at_s=p.at_s(r), for_s=_long(r, 6), source="apiserver-*", target=p.reader(r), types=("WatchBatch",), every=r.randint(1, 3)
    ),
    "LinkDrop": lambda r, p: v.LinkDrop(at_s=p.at_s(r), for_s=_long(r, 8), source="apiserver-*", target=p.reader(r)),
    "ServerGone": lambda r, p: v.ServerGone(at_s=p.at_s(r), target=p.spare_server(r)),
}
"""By kind: how one is drawn."""


def _stale_restart(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """Somebody starts anew while an apiserver is in the past (k8s#59848)."""
    at_s = place.at_s(rng)
    lag = v.ServerLag(at_s=at_s, for_s=round(2 + rng.random() * 6, 2), target=rng.choice(place.servers))
    target = rng.choice((place.reader(rng), rng.choice(place.kubelets)))
    again_s = round(at_s + rng.random() * lag.for_s, 2)
    restart = v.KubeletRestart if target.startswith("kubelet/") else v.ControllerRestart
    return lag, restart(at_s=again_s, for_s=0.1, target=target)


def _cut_and_compact(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """An apiserver is cut from the store, which forgets meanwhile: it begins with a new picture (k8s#116122)."""
    at_s = place.at_s(rng)
    cut = v.Partition(at_s=at_s, for_s=round(3.5 + rng.random() * 4, 2), a="store", b=rng.choice(place.servers))
    return cut, v.Compaction(at_s=round(at_s + cut.for_s - 0.05, 2))


def _old_leader(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """A leader stands still until another one leads, and goes on (k8s#89466)."""
    name = rng.choice(("scheduler", "controller/replicaset", "controller/deployment", place.controller(rng)))
    return tuple(v.Pause(at_s=place.at_s(rng), for_s=round(1.5 + rng.random() * 3, 2), target=one) for one in (name, f"{name}-1"))


def _lost_meanwhile(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """A reader misses a stretch of its streams, and the store forgets it: it has to list again."""
    at_s, target = place.at_s(rng), place.reader(rng)
    return v.WatchDrop(at_s=at_s, for_s=round(1 + rng.random() * 4, 2), target=target), v.Compaction(at_s=round(at_s + 0.5, 2))


def _long_cut(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """A node is cut off for so long that its pods are evicted, and comes back with them running (k8s#35145)."""
    return (v.Partition(at_s=place.at_s(rng), for_s=round(11 + rng.random() * 6, 2), a=rng.choice(place.nodes)),)


def _all_silent(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """No node is heard for a while (k8s#28832)."""
    return (v.Partition(at_s=place.at_s(rng), for_s=round(9 + rng.random() * 8, 2), a="kubelet/*", b="apiserver-*"),)


def _time_travel(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """Somebody hears from one apiserver what another does not know yet, and starts anew at that one (k8s#59848)."""
    reader = rng.choice((place.reader(rng), *place.kubelets))
    at_s, lag_s = place.at_s(rng), round(5 + rng.random() * 5, 2)
    server = place.first_server(rng, reader)
    cut = v.Partition(at_s=max(0.0, round(at_s - 2.5, 2)), for_s=round(2.5 + rng.random(), 2), a=reader, b=server)
    restart = v.KubeletRestart if reader.startswith("kubelet/") else v.ControllerRestart
    again = restart(at_s=round(at_s + lag_s * (0.5 + rng.random() / 2), 2), for_s=0.1, target=reader)
    return cut, v.ServerLag(at_s=at_s, for_s=lag_s, target=server), again


def _behind(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """Somebody has to leave an apiserver for one that does not know yet what he has seen there (etcd#20221)."""
    at_s, lagging = place.at_s(rng), rng.randrange(len(place.servers))
    lag = v.ServerLag(at_s=at_s, for_s=round(6.5 + rng.random() * 3, 2), target=place.servers[lagging])
    cut_s = round(at_s + rng.random(), 2)
    cut = v.Partition(at_s=cut_s, for_s=round(6 + rng.random(), 2), a=place.reader(rng), b=place.servers[lagging - 1])
    return lag, cut


def _unheard_restart(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """A kubelet can't tell what happens to its containers, and starts anew before it can (k8s#141473)."""
    name, at_s, for_s = rng.choice(place.kubelets), place.at_s(rng), round(1 + rng.random() * 5, 2)
    cut = v.Partition(at_s=at_s, for_s=for_s, a=name, b="apiserver-*")
    return cut, v.KubeletRestart(at_s=round(at_s + for_s * (0.7 + rng.random() * 0.3), 2), for_s=0.1, target=name)


def _full_and_crash(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """The store's disk is full for a while, and a little later the store ends (etcd's space quota, and its recovery after it)."""
    full = v.DiskFull(at_s=place.at_s(rng), for_s=round(0.5 + rng.random() * 3, 2))
    after_s = round(full.at_s + rng.random() * (full.for_s + 2), 2)
    return full, v.StoreCrash(at_s=after_s, for_s=0.3, target="store")


def _slow_and_torn(rng: random.Random, place: Place) -> tuple[v.AnyFault, ...]:
    """The power goes while what many wait for is not synced yet (etcd#13766)."""
    slow = v.DiskSlow(at_s=place.at_s(rng), for_s=round(1 + rng.random() * 4, 2), delay_s=rng.choice((0.2, 1.0)))
    at_s, write = round(slow.at_s + rng.random() * slow.for_s, 2), rng.randint(1, 3)
    if rng.random() < 0.5:
        return slow, v.TornWrite(at_s=at_s, for_s=1.5, write=write)
    return slow, v.StoreCrash(at_s=at_s, for_s=1.5, target="store", at=rng.choice(v.WRITE_STEPS), write=write)


Combination = Callable[[random.Random, Place], tuple[v.AnyFault, ...]]
COMBINATIONS: tuple[Combination, ...] = (
    _stale_restart,
    _cut_and_compact,
    _lost_meanwhile,
    _unheard_restart,
    _full_and_crash,
    _slow_and_torn,
)
"""Faults that matter together and hardly ever meet by chance."""
OF_NODES: tuple[Combination, ...] = (_long_cut, _all_silent)
"""Those that are about nodes: drawn more often where a scenario is about nodes that are lost."""
OF_SERVERS: tuple[Combination, ...] = (_time_travel, _behind)
"""Those that take several apiservers."""
OF_COPIES: tuple[Combination, ...] = (_old_leader,)
"""Those that take several copies of the controllers."""


def combinations(place: Place) -> tuple[Combination, ...]:
    """Those that can do anything here, with what the scenario is about more often than the rest."""
    return (
        *COMBINATIONS,
        *OF_NODES * (3 if "controller/nodelifecycle" in place.stirred else 1),
        *(OF_SERVERS * 2 if len(place.servers) > 1 else ()),
        *(OF_COPIES * 3 if place.copies > 1 else ()),
    )


def draw(rng: random.Random, kind: str, place: Place) -> v.AnyFault:
    """A fault of this kind."""
    return KINDS[kind](rng, place)


def handful(rng: random.Random, place: Place, kinds: Sequence[str] = ()) -> tuple[v.AnyFault, ...]:
    """At least one fault, of at most `KINDS_LIMIT` kinds out of those that may happen (none named: all), in the order of their beginnings.

    The random subset is swarm testing (Groce et al., ISSTA 2012): a schedule in which only two kinds of faults happen finds what is drowned
    where all do."""
    possible = [kind for kind in KINDS if not kinds or kind in kinds]
    swarm = rng.sample(possible, min(len(possible), rng.randint(1, KINDS_LIMIT)))
    drawn = [draw(rng, rng.choice(swarm), place) for _ in range(rng.randint(1, FAULTS_LIMIT))]
    if rng.random() < COMBINED:
        together = rng.choice(combinations(place))(rng, place)
        if all(type(fault).__name__ in possible for fault in together):
            drawn += together
    return tuple(sorted(drawn, key=lambda fault: fault.at_s))
