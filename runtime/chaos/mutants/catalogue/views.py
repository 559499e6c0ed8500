"""Mutants of views of the store: lists, watch streams, the memory of own writes, the store itself."""

from __future__ import annotations

from callboard.runtime.chaos.mutants.mutant import Mutant, Patch

INFORMER = "callboard.actors.informer"
CONTROLLER = "callboard.actors.controller"
OWN_WRITES = "callboard.actors.ownwrites"
STREAMS = "callboard.actors.apiserver.streams"
CACHE = "callboard.actors.apiserver.cache"
READS = "callboard.actors.apiserver.reads"
KEYSPACE = "callboard.actors.store.keyspace"

NO_OWN_WRITES = Patch(OWN_WRITES, "        return key not in self._in_flight and key not in self._awaited", "        return True")

VIEWS: tuple[Mutant, ...] = (
    Mutant(
        id="M01",
        title="own writes count as seen though the cache has not come so far",
        issue="k8s#129795",
        oracle="no surplus pods",
        patches=(
            Patch(
                CONTROLLER,
                "        for key in self.own_writes.reached(informer.place, informer.revision):",
                "        for key in self.own_writes.reached(informer.place, 1 << 60):",
            ),
        ),
    ),
    Mutant(
        id="M02",
        title="no memory of own writes",
        issue="k8s#22061, kuberay#715",
        oracle="no surplus pods",
        patches=(NO_OWN_WRITES,),
    ),
    Mutant(
        id="M03",
        title="what is awaited is kept by name and stays for ever after the object is gone",
        issue="k8s#69376",
        oracle="replica counts",
        patches=(
            Patch(
                OWN_WRITES,
                "        if revision > self._reached.get(resource, 0):\n            self._reached[resource] = revision",
                "        if revision > self._reached.get(resource, 0) and len(self._awaited) < 2:\n            self._reached[resource] = revision",
            ),
            Patch(
                OWN_WRITES,
                "        while waiting and waiting[0][0] <= revision:",
                "        while waiting and waiting[0][0] <= revision and len(self._awaited) < 2:",
            ),
        ),
        note="our own writes are revisions, not counts, and can't be left over; the mutant loses them where two keys wait at a time",
    ),
    Mutant(
        id="M04",
        title="a relist forgets own writes, those in flight too",
        issue="found by the prototype",
        oracle="no surplus pods",
        patches=(
            Patch(
                CONTROLLER,
                "    def caught_up(self, informer: Informer) -> None:\n",
                "    def caught_up(self, informer: Informer) -> None:\n"
                "        if informer.relists:\n"
                "            informer.relists = 0\n"
                "            self.own_writes._in_flight.clear()\n"
                "            self.own_writes._awaited.clear()\n",
            ),
        ),
    ),
    Mutant(
        id="M06",
        title="the first list may be as old as the apiserver's cache",
        issue="k8s#59848",
        oracle="one pod, one node",
        patches=(
            Patch(
                INFORMER,
                "resource=self.resource, min_revision=-1, **self.selection)",
                "resource=self.resource, min_revision=0, **self.selection)",
            ),
        ),
    ),
    Mutant(
        id="M07",
        title="a watch starts at now, not where the list was",
        issue="kubernetes PR 141529, kubespawner#81",
        oracle="views are equal to the store",
        patches=(
            Patch(
                STREAMS,
                "        missed = history.since(since) if everything else self._cache.missed(request.resource, since)",
                "        missed = history.since(self._cache.revision)",
            ),
        ),
    ),
    Mutant(
        id="M08",
        title="an empty window of events counts as able to serve one revision more than it can",
        issue="k8s#49956",
        oracle="views are equal to the store",
        patches=(
            Patch(
                CACHE,
                "        if revision < self.history.compacted:\n            return None",
                "        if revision < self.history.compacted - 40:\n            return None",
            ),
        ),
    ),
    Mutant(
        id="M09",
        title="watchers are not told what a new picture of the store has changed",
        issue="k8s#116122",
        oracle="views are equal to the store",
        patches=(Patch(CACHE, "        return tuple(changes)\n", "        return ()\n"),),
    ),
    Mutant(
        id="M10",
        title="no filter by revision between what was missed and what comes",
        issue="kubernetes PR 73845, k8s#59084",
        oracle="no stream goes back in time",
        patches=(Patch(STREAMS, "                if watcher.after >= events[0].revision:", "                if False:"),),
    ),
    Mutant(
        id="M11",
        title="a watch resumes from the last object's revision, not the list's",
        issue="k8s#74022, k8s#49745",
        oracle="no view goes back in time",
        patches=(
            Patch(
                INFORMER,
                "        self.revision = answer.revision\n        self.synced = True",
                "        self.revision = answer.objects[-1].metadata.resource_version if answer.objects else answer.revision\n        self.synced = True",
            ),
        ),
    ),
    Mutant(
        id="M12",
        title="a new list deletes nothing that has vanished",
        issue="static-provisioner PR 222, beyla#1242",
        oracle="views are equal to the store",
        patches=(
            Patch(
                INFORMER,
                "        for key in [key for key in self.objects if key not in fresh]:\n            self._change(key, None)\n",
                "",
            ),
        ),
    ),
    Mutant(
        id="M13",
        title="a list that is older than this view is asked for again and again of the same apiserver",
        issue="k8s#107133",
        oracle="replica counts",
        patches=(
            Patch(
                "callboard.actors.client",
                "            self.server = servers[(servers.index(self.server) + 1) % len(servers)]",
                "            self.server = servers[servers.index(self.server)]",
            ),
        ),
    ),
    Mutant(
        id="M50",
        title="a store that comes back after a crash has lost its newest writes",
        issue="etcd#17780, etcd#13766",
        oracle="the store's history is linearizable",
        patches=(
            Patch(
                "callboard.actors.store.actor",
                "            self._keyspace = place[DISK_ENTRY]\n",
                "            self._keyspace = place[DISK_ENTRY]\n"
                "            for event in reversed(self._keyspace.history.since(max(self._keyspace.revision - 2, self._keyspace.history.compacted)) or ()):\n"
                "                if event.old is None:\n"
                "                    self._keyspace.items.pop(event.key, None)\n"
                "                else:\n"
                "                    self._keyspace.items[event.key] = event.old\n",
            ),
        ),
    ),
    Mutant(
        id="M51",
        title="a watch on a future revision is told of older changes",
        issue="etcd#20221",
        oracle="no view goes back in time",
        patches=(
            Patch(STREAMS, "        after = max(request.from_revision, self._cache.revision)", "        after = 0"),
            Patch(
                STREAMS,
                "        missed = history.since(since) if everything else self._cache.missed(request.resource, since)",
                "        missed = history.since(since) if everything else self._cache.missed(request.resource, min(since, self._cache.revision) - 3)",
            ),
            Patch(
                INFORMER,
                "            if old is not None and new.metadata.resource_version <= old.metadata.resource_version:\n                return\n",
                "",
            ),
        ),
    ),
    Mutant(
        id="M52",
        title="a progress mark runs ahead of the stream",
        issue="etcd#18089, etcd#15220",
        oracle="views are equal to the store",
        patches=(
            Patch(
                STREAMS,
                "        self._port.send(watcher.to, WatchBatch(watcher.id, watcher.seq, events, revision))",
                "        self._port.send(watcher.to, WatchBatch(watcher.id, watcher.seq, events[:-1] if len(events) > 1 else events, revision))",
            ),
        ),
    ),
)
