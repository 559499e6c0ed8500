"""Mutants of controllers of workloads, Services, owners and budgets."""

from __future__ import annotations

from callboard.runtime.chaos.mutants.mutant import Mutant, Patch

CONTROLLER = "callboard.actors.controller"
REPLICA_SETS = "callboard.actors.replicaset.actor"
CENSUS = "callboard.actors.replicaset.census"
MEMORY = "callboard.actors.replicaset.memory"
SLICES = "callboard.actors.endpointslice.actor"
COLLECTOR = "callboard.actors.garbagecollector.actor"
GRAPH = "callboard.actors.garbagecollector.graph"
SIZES = "callboard.actors.deployment.sizes"

WORKLOADS: tuple[Mutant, ...] = (
    Mutant(
        id="M05",
        title="a pod that is gone is counted as gone again when its name comes back",
        issue="k8s#22270, k8s#22579",
        oracle="replica counts",
        kind="masked",
        patches=(
            Patch(
                CENSUS, "        if after is None:\n            self._facts.pop(key, None)\n        else:", "        if after is not None:"
            ),
        ),
        note="the names of a ReplicaSet's pods never come again, so what is counted under a name stays that pod's",
    ),
    Mutant(
        id="M21",
        title="endpoints are compared with an old view of the slices, and nobody looks again when that changes",
        issue="k8s#127429, k8s#125638, k8s#117193",
        oracle="endpoints are the ready pods",
        patches=(
            Patch(
                SLICES,
                "                self._seen(memory, index)\n                self.mark(service_key)",
                "                self._seen(memory, index)",
            ),
            Patch(
                "callboard.actors.ownwrites",
                "        return key not in self._in_flight and key not in self._awaited",
                "        return True",
            ),
            Patch(
                CONTROLLER,
                "        self._failures.pop(key, None)\n        if self.own_writes.may_decide(key) and self.is_worth_another(key):\n            self.mark(key)",
                "        self._failures.pop(key, None)",
            ),
        ),
    ),
    Mutant(
        id="M22",
        title="a slice that the view does not show yet is created again under another name",
        issue="k8s#92928",
        oracle="endpoints are the ready pods",
        patches=(
            Patch(
                "callboard.actors.ownwrites",
                "        return key not in self._in_flight and key not in self._awaited",
                "        return True",
            ),
            Patch(
                SLICES,
                "            highest_index=memory.highest_index,",
                "            highest_index=memory.highest_index + len(memory.wanted),",
            ),
        ),
    ),
    Mutant(
        id="M25",
        title="an owner that the view does not show counts as absent, and nobody reads it",
        issue="k8s#88097",
        oracle="objects with a living owner are kept",
        kind="masked",
        patches=(
            Patch(
                COLLECTOR,
                "        if key:\n            self._ask(key, reference.uid, dependent)\n        else:",
                '        if key:\n            return "absent"\n        else:',
            ),
        ),
        note="the collector has one view of all kinds, told in the store's order: an owner is there before what it owns",
    ),
    Mutant(
        id="M26",
        title="what is collected is deleted whatever has become of it since",
        issue="k8s#114603",
        oracle="objects with a living owner are kept",
        kind="masked",
        patches=(
            Patch(
                GRAPH,
                "        resource_version=meta.resource_version,  # ownership decided from an old picture must not be acted on (k8s#114603)\n",
                "",
            ),
            Patch(
                COLLECTOR,
                "        if key:\n            self._ask(key, reference.uid, dependent)\n        else:",
                '        if key:\n            return "absent"\n        else:',
            ),
        ),
        note="the same: in one ordered view, what names an owner that is gone can't have been adopted before that",
    ),
    Mutant(
        id="M27",
        title="objects of the first list whose owner is absent are never looked at",
        issue="k8s#109748",
        oracle="nothing outlives its owner",
        patches=(
            Patch(
                COLLECTOR,
                "        elif after and not (self.synced and self._all_there(after, meta.namespace)):\n            self.mark(key)",
                "        elif after and self.synced and not self._all_there(after, meta.namespace):\n            self.mark(key)",
            ),
            Patch(
                COLLECTOR,
                "        for key, obj in self.everything.objects.items():\n            if obj.metadata.owner_references or obj.metadata.deletion_timestamp:\n                self.mark(key)",
                "        pass",
            ),
        ),
    ),
    Mutant(
        id="M29",
        title="a ReplicaSet adopts pods that were orphaned on purpose while it is deleted",
        issue="kubernetes PR 138818",
        oracle="nothing outlives its owner",
        patches=(
            Patch(REPLICA_SETS, "            if pod.metadata.resource_version <= self.replica_sets.revision:", "            if True:"),
        ),
    ),
    Mutant(
        id="M33",
        title="pods that fail or are taken away are replaced at once for ever",
        issue="k8s#30628, k8s#65240",
        oracle="nothing spins",
        patches=(
            Patch(MEMORY, "        if self._failures:\n            pause_s", "        if False:\n            pause_s"),
            Patch(CONTROLLER, "        if answer.reason in STALE_REASONS and is_about(action, key):", "        if False:"),
        ),
    ),
    Mutant(
        id="M34",
        title="a rollout trusts a status that is older than its spec",
        issue="k8s#19299, k8s#22451",
        oracle="a rollout keeps its promise",
        patches=(
            Patch(
                SIZES,
                "    return status is not None and (status.observed_generation or 0) >= replica_set.metadata.generation",
                "    return status is not None",
            ),
            Patch(
                SIZES, "    return max(spec_replicas(replica_set), actual_replicas(replica_set))", "    return actual_replicas(replica_set)"
            ),
            Patch(
                SIZES, "    return min(told_available(replica_set), spec_replicas(replica_set))", "    return told_available(replica_set)"
            ),
        ),
    ),
    Mutant(
        id="M35",
        title="whatever has the name of a new child counts as that child",
        issue="k8s#29735",
        oracle="",
        kind="masked",
        patches=(Patch(CONTROLLER, "        return owner_and_hash(wanted) == owner_and_hash(existing)", "        return True"),),
        note="names are a permutation keyed with the owner's UID, so no other object has them; templates are compared by their own hash too",
    ),
    Mutant(
        id="M37",
        title="a creation without an answer counts as done",
        issue="capi#13649",
        oracle="replica counts",
        patches=(
            Patch(
                CONTROLLER,
                "        self.lost(key, action)\n        self._await_store(key)",
                "        self.lost(key, action)\n        self._finished(key)",
            ),
            Patch(REPLICA_SETS, "            memory.lost(index)", "            memory.seen(index)"),
        ),
    ),
    Mutant(
        id="M43",
        title="an eviction does not compare the budget that it counts down",
        issue="k8s#82149, k8s#105326",
        oracle="budgets are kept",
        patches=(
            Patch(
                "callboard.actors.apiserver.eviction",
                "    return replace(plan, compares=(*plan.compares, compare), ops=(*plan.ops, Put(place, counted)))",
                "    return replace(plan, compares=plan.compares, ops=(*plan.ops, Put(place, counted)))",
            ),
        ),
    ),
    Mutant(
        id="M48",
        title="an object is admitted into a namespace that an old view still shows",
        issue="k8s#36891, k8s#131421",
        oracle="nothing outlives its owner",
        patches=(
            Patch(
                "callboard.actors.apiserver.admission",
                "    return (Compare(key, revision_of(namespace)),)",
                "    return ()",
            ),
        ),
    ),
    Mutant(
        id="M23",
        title="a Service that is being deleted gets new slices",
        issue="k8s#91311",
        oracle="nothing outlives its owner",
        kind="masked",
        patches=(
            Patch(
                "callboard.actors.endpointslice.decision",
                "    if not view.service.metadata.deletion_timestamp:  # a Service that is going gets no new slices (kubernetes#91311)",
                "    if True:",
            ),
        ),
        note="the garbage collector takes slices whose Service is gone, whenever they were made",
    ),
    Mutant(
        id="M24",
        title="a lost piece of a stream is never made up for",
        issue="k8s#28674",
        oracle="views are equal to the store",
        patches=(
            Patch(
                "callboard.actors.informer",
                "        if subscription == self._subscription and seq == self._expected_seq and self._early:\n            self.relist()",
                "        self._early.clear()",
            ),
            Patch(
                "callboard.actors.informer",
                "        if piece.seq > self._expected_seq:\n            self._wait_for_missing(piece)\n            return\n",
                "",
            ),
        ),
    ),
    Mutant(
        id="M28",
        title="an owner is looked for in the wrong namespace",
        issue="k8s#65200, kubernetes PR 92743",
        oracle="objects with a living owner are kept",
        patches=(
            Patch(
                "callboard.actors.garbagecollector.everything",
                '        return object_key(resource.name, namespace, reference.name) if namespace else ""',
                '        return object_key(resource.name, "default", reference.name) if namespace else ""',
            ),
        ),
    ),
    Mutant(
        id="M36",
        title="the size that a ReplicaSet was made for is not written down again where it seems the same",
        issue="kubernetes PR 138840, k8s#43948",
        oracle="replica counts",
        patches=(
            Patch(
                "callboard.actors.deployment.revisions",
                "    if annotations.get(DESIRED) == desired and annotations.get(MAXIMUM) == maximum:",
                "    if DESIRED in annotations:",
            ),
        ),
    ),
    Mutant(
        id="M49",
        title="a StatefulSet acts on a view of pods that is older than that of the set",
        issue="k8s#41889, k8s#78209",
        oracle="one pod, one node",
        patches=(
            Patch(
                "callboard.actors.statefulset.actor",
                "        if any(is_of_pods(action) for action in wanted) and self._is_late(key, memory.needed_revision, pods):",
                "        if False:",
            ),
            Patch(
                "callboard.actors.ownwrites",
                "        return key not in self._in_flight and key not in self._awaited",
                "        return True",
            ),
        ),
    ),
    Mutant(
        id="M32",
        title="who deletes a pod that has vanished waits for its end for ever",
        issue="k8s#75836, k8s#95432",
        oracle="a daemon on every node",
        patches=(
            Patch(
                CONTROLLER,
                "            self._await_store(key)  # what was to be deleted is gone: decide when the cache knows it too",
                "            return",
            ),
        ),
    ),
)
