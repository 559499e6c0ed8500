"""Mutants of the scheduler, of leaders, of the node lifecycle and of kubelets."""

from __future__ import annotations

from callboard.runtime.chaos.mutants.mutant import Mutant, Patch

SCHEDULER = "callboard.actors.scheduler.actor"
BINDER = "callboard.actors.scheduler.binder"
LEADERSHIP = "callboard.actors.leadership"
LIFECYCLE = "callboard.actors.nodelifecycle.actor"
HEALTH = "callboard.actors.nodelifecycle.health"
EVICTION = "callboard.actors.nodelifecycle.eviction"
SHORT = "callboard.actors.apiserver.shortways"

CONTAINERS = "callboard.actors.kubelet.containers"
PODS = "callboard.actors.kubelet.pods"
LAST_WORD = Patch(
    SHORT,
    '    if resource == "pods" and old is not None and old.phase in FINISHED_PHASES and status.phase != old.phase:',
    "    if False:",
)
FINISHED_IN_KUBELET = (
    Patch(PODS, "            if status.phase in FINISHED_PHASES:", "            if False:"),
    Patch(CONTAINERS, "        elif state is not None and state.terminated is not None:", "        elif False:"),
    Patch(PODS, "            if self.seen.phase in FINISHED_PHASES:", "            if False:"),
    Patch("callboard.actors.kubelet.status", "    if pod.seen.phase in FINISHED_PHASES:", "    if False:"),
)

NODES: tuple[Mutant, ...] = (
    Mutant(
        id="M14",
        title="a pod whose bind was refused stays counted on its node",
        issue="k8s#28883, k8s#26043",
        oracle="what is stored is what runs",
        patches=(
            Patch(
                BINDER,
                "        self.assumed.drop(binding.key)\n        self.table.remove(binding.key)\n        due_s = None",
                "        due_s = None",
            ),
        ),
    ),
    Mutant(
        id="M15",
        title="a pod that is gone stays in the scheduler's table",
        issue="k8s#85726, k8s#31977",
        oracle="what is stored is what runs",
        patches=(Patch(SCHEDULER, "        self._leave_queue(key)\n        self.table.remove(key)", "        self._leave_queue(key)"),),
    ),
    Mutant(
        id="M17",
        title="a pod that is being deleted takes no room any more",
        issue="k8s#106884, k8s#104560",
        oracle="nodes are not overfilled",
        patches=(
            Patch(
                "callboard.actors.kubelet.admission", "            if room is None or used + amount > room:", "            if room is None:"
            ),
            Patch(
                SCHEDULER,
                "        gone = new is None or is_finished(new)\n",
                '        gone = new is None or is_finished(new) or new.metadata.deletion_timestamp != ""\n',
            ),
        ),
    ),
    Mutant(
        id="M19",
        title="a pod that has a node is bound again",
        issue="k8s#89466",
        oracle="a pod is bound once",
        patches=(
            Patch("callboard.actors.client", "        if self.candidate is None:\n            return True\n", "        return True\n"),
            Patch(
                "callboard.actors.client", "        return None if self.candidate is None else self.candidate.fence", "        return None"
            ),
            Patch(
                SHORT,
                "    if spec.node_name:\n        raise conflict(_BINDING, name, f'pod {name} is already assigned to node \"{spec.node_name}\"')\n",
                "",
            ),
            Patch(
                SHORT,
                "    return Plan((Compare(key, pod.metadata.resource_version),), (Put(key, bound),))",
                "    return Plan((), (Put(key, bound),))",
            ),
        ),
    ),
    Mutant(
        id="M20",
        title="a lease is judged by the clock of whoever wrote it, and writes carry no fence",
        issue="client-go#448",
        oracle="a pod is bound once",
        patches=(
            Patch(
                LEADERSHIP,
                "        elif holder and holder != self.election.identity and now_s < self._observed_at_s + self.election.duration_s:",
                "        elif holder and holder != self.election.identity and now_s < parse(self._observed[1]) + self.election.duration_s:",
            ),
            Patch(
                LEADERSHIP, "from callboard.models.times import rfc3339_micro", "from callboard.models.times import parse, rfc3339_micro"
            ),
            Patch(
                "callboard.actors.client",
                "        return None if self.candidate is None else self.candidate.fence",
                "        return None",
            ),
            Patch(
                "callboard.actors.client",
                "        acquired = self.candidate.leadership.acquired_revision\n        return self.candidate.leads and all(informer.revision >= acquired for informer in self.informers)",
                "        return self.candidate.leads",
            ),
        ),
    ),
    Mutant(
        id="M38",
        title="a node's health is judged by the times that it writes itself",
        issue="k8s#6193",
        oracle="living nodes keep their pods",
        patches=(
            Patch(
                LIFECYCLE,
                "        if new is not None and _renew_time(old) != _renew_time(new):\n            self.health.heard(new.metadata.name)",
                "        if new is not None and abs(parse(_renew_time(new)) - self.port.now()) < self.timing.node_grace_s:\n            self.health.heard(new.metadata.name)",
            ),
            Patch(
                LIFECYCLE,
                "from callboard.models.timing import Timing\n",
                "from callboard.models.times import parse\nfrom callboard.models.timing import Timing\n",
            ),
        ),
    ),
    Mutant(
        id="M39",
        title="pods are evicted though most nodes are silent",
        issue="k8s#28832, k8s#24200",
        oracle="living nodes keep their pods",
        patches=(
            Patch(EVICTION, '    if ready == 0 and not_ready > 0:\n        return "full"\n', ""),
            Patch(EVICTION, "    if not_ready > 2 and not_ready / (not_ready + ready) >= UNHEALTHY_ZONE_THRESHOLD:", "    if False:"),
        ),
    ),
    Mutant(
        id="M41",
        title="an eviction that was due is carried out though its taint has gone",
        issue="k8s#119862, k8s#90794",
        oracle="pods that tolerate their node stay",
        patches=(
            Patch(
                LIFECYCLE,
                "        elif old is not None and evicting_taints(old):\n            self._forget_evictions(name)",
                "        elif False:\n            self._forget_evictions(name)",
            ),
        ),
    ),
    Mutant(
        id="M42",
        title="since when a pod has been on a tainted node is kept by its name",
        issue="k8s#107543",
        oracle="what is stored is what runs",
        patches=(
            Patch(
                EVICTION,
                "        self._since.setdefault(pod.metadata.uid, clock_s)",
                "        self._since.setdefault(pod.metadata.name, clock_s)",
            ),
            Patch(EVICTION, "        since_s = self._since.get(pod.metadata.uid)", "        since_s = self._since.get(pod.metadata.name)"),
        ),
    ),
    Mutant(
        id="M44",
        title="a status is written to whatever pod has the name",
        issue="k8s#82387",
        oracle="ready implies running",
        patches=(
            Patch(
                SHORT,
                "    check_uid(resource, current, request.uid)\n    if request.resource_version and",
                "    if request.resource_version and",
            ),
        ),
    ),
    Mutant(
        id="M45",
        title="a pod that is finished may be said to run again",
        issue="k8s#58711",
        oracle="a finished pod stays finished",
        patches=(LAST_WORD, *FINISHED_IN_KUBELET),
    ),
    Mutant(
        id="M45a",
        title="the apiserver takes any phase of a pod that is finished",
        issue="k8s#58711",
        kind="masked",
        patches=(LAST_WORD,),
        note="a kubelet that starts anew takes a finished pod's phase from its status, and never says another one",
    ),
    Mutant(
        id="M45b",
        title="a kubelet that starts anew runs finished pods again",
        issue="k8s#58711",
        oracle="no container runs of a pod that is finished",
        patches=FINISHED_IN_KUBELET,
    ),
    Mutant(
        id="M16",
        title="a node that comes again under its name is taken for the old one",
        issue="k8s#102339",
        oracle="what is stored is what runs",
        patches=(
            Patch(
                "callboard.actors.scheduler.table",
                "        self._allocatable.pop(name, None)\n        self.facts[row] = None",
                "        self.facts[row] = None",
            ),
        ),
    ),
    Mutant(
        id="M18",
        title="a place that was promised to a pod is not held for it",
        issue="k8s#72124",
        oracle="who went first gets the place",
        patches=(
            Patch(
                "callboard.actors.scheduler.preempting",
                "            self._owner.nominations.set(Nominee(entry.key, entry.pod, entry.template, node))",
                "            pass",
            ),
        ),
    ),
    Mutant(
        id="M40",
        title="pods of a node that is not heard are deleted by force",
        issue="k8s#35145",
        oracle="one pod, one node",
        patches=(
            Patch(
                "callboard.actors.nodelifecycle.leaving",
                '        act.Delete(resource="pods", namespace=meta.namespace, name=meta.name, uid=meta.uid),\n    )',
                '        act.Delete(resource="pods", namespace=meta.namespace, name=meta.name, uid=meta.uid, grace_period_s=0),\n    )',
            ),
        ),
    ),
    Mutant(
        id="M46",
        title="a pod is started while one of its name still ends on the node",
        issue="k8s#104648, k8s#112814",
        oracle="one pod, one node",
        patches=(
            Patch(
                "callboard.actors.kubelet.actor",
                "        record.behind = not self.names.take(key, record.uid)\n",
                "",
            ),
        ),
    ),
    Mutant(
        id="M47",
        title="a kubelet that comes back carries a container's readiness over to its successor",
        issue="k8s#141473",
        oracle="ready implies running",
        patches=(
            Patch(CONTAINERS, "        same = found.container_id == self.container_id\n", "        same = True\n"),
            Patch(CONTAINERS, "        self.own_ready = found.ready\n", "        self.own_ready = found.ready or was_ready\n"),
        ),
    ),
)
