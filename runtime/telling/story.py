"""A failure in words: which promise is broken, of what, when; what was not as usual; what users did."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.runtime.faults import plan as p
from callboard.runtime.faults.findings import Finding
from callboard.runtime.faults.vocabulary import Fault

TELLING = {"WatchBatch": "watch", "StoreChanged": "changes", "Written": "answer", "Refused": "answer", "Got": "answer", "Listed": "list"}


def story(plan: p.Plan, finding: Finding) -> str:
    """Several lines: the broken promise, the deviations from oldest first, the operations."""
    where = f"{finding.object}: " if finding.object else ""
    lines = [
        f'"{finding.oracle}" is broken {finding.at_s:.2f} s after the cluster was up (step {finding.step})',
        f"  {where}{finding.words}",
    ]
    deviations = [(fault.at_s, fault_words(fault)) for fault in plan.faults] + [(-1.0, hold_words(hold)) for hold in plan.holds]
    if deviations:
        lines.append("oldest first everywhere except:")
        lines += [f"  {number}) {words}" for number, (_, words) in enumerate(sorted(deviations, key=lambda one: one[0]), start=1)]
    else:
        lines.append("oldest first everywhere: nothing need go wrong for it")
    servers = f", {plan.apiservers} apiservers" if plan.apiservers > 1 else ""
    copies = f", {plan.controllers} of each controller" if plan.controllers > 1 else ""
    cluster = f"in a cluster of {plan.nodes} node{'s' if plan.nodes > 1 else ''}{servers}{copies}"
    if plan.scenario == "test":  # what it does is in its body
        lines.append(cluster)
    else:
        lines.append(f"{cluster}, where users")
        lines += [f"  at {operation.at_s:g} s {operation_words(operation)}" for operation in plan.operations] or ["  do nothing"]
    if finding.traceback:
        lines += ["", finding.traceback.rstrip()]
    return "\n".join(lines)


def hold_words(hold: p.Hold) -> str:
    """Which message is held for how long."""
    what = TELLING.get(hold.type, hold.type)
    subject = f" about {hold.subject}" if hold.subject else ""
    ordinal = f", number {hold.occurrence} of its like" if hold.occurrence > 1 else ""
    life = f" (life {hold.incarnation} of the sender)" if hold.incarnation > 1 else ""
    return f"{what} {hold.source} -> {hold.target}{subject}{ordinal} held {hold.for_s:g} s{life}"


def fault_words(fault: Fault) -> str:
    """What goes wrong, from when to when."""
    about = {
        name: value
        for name, value in msgspec.structs.asdict(fault).items()
        if name not in ("at_s", "for_s") and value not in ("", (), False, "*")
    }
    words = " ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in about.items())
    span = f"from {fault.at_s:g} s for {fault.for_s:g} s" if fault.for_s else f"at {fault.at_s:g} s"
    return f"{type(fault).__name__} {words} {span}".replace("  ", " ")


def _plain(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)


def operation_words(operation: p.AnyOperation) -> str:
    """What a user does."""
    match operation:
        case p.Apply(tree=tree):
            meta = tree.get("metadata", {})
            replicas = tree.get("spec", {}).get("replicas") if isinstance(tree.get("spec"), dict) else None
            size = f" of {replicas}" if replicas is not None else ""
            return f"apply {tree.get('kind')} {meta.get('name')}{size}"
        case p.Change(resource=resource, name=name, patch=patch):
            return f"patch {resource.partition('.')[0]}/{name} with {msgspec.json.encode(patch).decode()}"
        case p.Remove(resource=resource, name=name, propagation=propagation):
            how = "" if propagation == "Background" else f" ({propagation})"
            return f"delete {resource.partition('.')[0]}/{name}{how}"
        case p.Undo(name=name):
            return f"roll deployment/{name} back"
        case p.Evict(labels=labels, count=count):
            return f"evict {count} pod{'s' if count > 1 else ''} of {labels}"
        case p.Orphan(labels=labels, patch=patch):
            return f"give a pod of {labels} the labels {msgspec.json.encode(patch).decode()}"
