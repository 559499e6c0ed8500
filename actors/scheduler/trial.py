"""One node with some pods taken away, or put there, in thought: does a pod fit then, and if not, why.

Used by the decision for nominated pods and by preemption. Nothing of the table changes; a trial keeps what differs from it.
Source: default_preemption.go (SelectVictimsOnNode works on a copy of the node's state).
"""

from __future__ import annotations

from callboard.actors.scheduler import plugins, relations
from callboard.actors.scheduler.census import PodClass
from callboard.actors.scheduler.demand import HostPort
from callboard.actors.scheduler.table import PODS, NodeTable
from callboard.actors.scheduler.view import TemplateView


class NodeTrial:
    """A row as a pod of the view's template would find it. The node's own facts must have passed."""

    def __init__(self, table: NodeTable, view: TemplateView, judgement: relations.Judgement | None, row: int) -> None:
        self._view = view
        self._judgement = judgement
        self._row = row
        self._room = {
            resource: table.capacity[resource][row] - table.used[resource][row]
            for resource in dict.fromkeys((PODS, *(name for name, _ in view.template.demand.requests)))
        }
        self._ports: dict[HostPort, int] = dict(table.ports_of(row))
        self._changes: list[tuple[PodClass, int]] = []

    def take(self, one: PodClass) -> None:
        """A pod of this class, which is there, goes."""
        self._shift(one, -1)

    def put(self, one: PodClass) -> None:
        """A pod of this class comes."""
        self._shift(one, 1)

    def _shift(self, one: PodClass, sign: int) -> None:
        demand = one.template.demand
        self._room[PODS] -= sign
        for resource, amount in demand.requests:
            if resource in self._room:
                self._room[resource] -= sign * amount
        for port in demand.ports:
            self._ports[port] = self._ports.get(port, 0) + sign
        if self._judgement is not None:
            self._judgement.adjust(one, self._row, sign)
            self._changes.append((one, sign))

    def why_not(self) -> tuple[str, ...]:
        """The reasons of the first filter that refuses the node now; none if the pod fits."""
        demand = self._view.template.demand
        if demand.ports and not plugins.ports_free({port: 1 for port, count in self._ports.items() if count > 0}, demand.ports):
            return (plugins.NODE_PORTS,)
        lacking = [plugins.TOO_MANY_PODS] if self._room[PODS] < 1 else []
        lacking += [f"Insufficient {resource}" for resource, amount in demand.requests if amount > self._room[resource]]
        if lacking:
            return tuple(lacking)
        if self._judgement is not None:
            code = self._judgement.code(self._row)
            if code != relations.PASSES:
                return (relations.REASONS[code],)
        return (plugins.CLAIMS,) if demand.claims else ()

    def undo(self) -> None:
        """Give the shared counts of rules back as they were."""
        if self._judgement is not None:
            for one, sign in reversed(self._changes):
                self._judgement.adjust(one, self._row, -sign)
        self._changes.clear()
