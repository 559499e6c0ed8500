"""PodTopologySpread and InterPodAffinity: which nodes a pod's rules about other pods refuse, and how they score the rest.

Called by the scheduler's decision for pods that have such rules, or that a rule of a placed pod speaks of. `Judgement` is what Kubernetes
calls the state of PreFilter: pods counted by domain, from the census. It judges all rows at once with numpy; for the trials of a preemption
it judges one row after pods were taken away in thought (`adjust`). numpy is imported at the first need of it.
Source: plugins podtopologyspread/{filtering,scoring}.go and interpodaffinity/{filtering,scoring}.go.
"""

from __future__ import annotations

from math import log
from typing import Any

from callboard.actors.scheduler import plugins
from callboard.actors.scheduler.census import Census, Counter, PodClass
from callboard.actors.scheduler.heldterms import Held
from callboard.actors.scheduler.table import NodeTable
from callboard.actors.scheduler.terms import DEFAULT_SPREAD, HOSTNAME, Query, SpreadRule
from callboard.actors.scheduler.topology import MISSING
from callboard.actors.scheduler.view import FactsView

REASONS = (
    "",
    plugins.SPREAD_LABEL,
    plugins.SPREAD,
    plugins.AFFINITY,
    plugins.ANTI_AFFINITY,
    plugins.EXISTING_ANTI_AFFINITY,
)
"""By code; 0 means that no rule refuses the row. Lower codes are asked first, but for the two of spreading, which go by constraint."""
PASSES, LABEL, SKEW, NEAR, APART, EXISTING = range(6)


def look(numbers: Any) -> Any:
    """An `array('q')` as numpy sees it, without a copy."""
    import numpy

    return numpy.frombuffer(numbers, dtype=numpy.int64)


class _Tally:
    """Pods counted by domain of one key. `counts` is its own copy, to be changed in thought."""

    __slots__ = ("counts", "domains", "query")

    def __init__(self, domains: Any, counts: Any, query: Query | None) -> None:
        self.domains = domains
        self.counts = counts
        self.query = query

    def shift(self, row: int, sign: int) -> None:
        """A pod that counts comes to a row, or goes."""
        domain = self.domains[row]
        if domain != MISSING:
            self.counts[domain] += sign


class _Skew(_Tally):
    """A spread constraint: counts of eligible nodes only."""

    __slots__ = ("eligible", "least_of", "own", "rule")

    def __init__(self, domains: Any, counts: Any, query: Query, rule: SpreadRule, own: int, eligible: Any) -> None:
        super().__init__(domains, counts, query)
        self.rule = rule
        self.own = own
        self.eligible = eligible
        found = _sums(domains, eligible, len(counts)) > 0
        found[MISSING] = False
        self.least_of = found.nonzero()[0]

    def shift(self, row: int, sign: int) -> None:
        if self.eligible[row]:
            super().shift(row, sign)

    @property
    def fewest(self) -> int:
        """Pods in the emptiest domain; 0 if there are fewer domains than minDomains."""
        if len(self.least_of) < self.rule.min_domains:
            return 0
        return int(self.counts[self.least_of].min())

    @property
    def limit(self) -> int:
        """Most pods that a domain may have for one more to come."""
        return self.rule.max_skew + self.fewest - self.own


def _sums(domains: Any, weights: Any, count: int) -> Any:
    """The sum of `weights` by domain, as integers."""
    import numpy

    return numpy.bincount(domains, weights=weights, minlength=count).astype(numpy.int64)


def _by_domain(table: NodeTable, key: str, counter_rows: Any) -> tuple[Any, Any]:
    """(domain of every row, pods by domain); what is on nodes without the label counts nowhere."""
    topology = table.topology(key)
    domains = look(topology.domains)
    counts = _sums(domains, look(counter_rows), topology.count)
    counts[MISSING] = 0
    return domains, counts


class Judgement:
    """One pod's rules against all placed pods, at one moment."""

    def __init__(self, table: NodeTable, one: PodClass, facts: FactsView) -> None:
        self._census: Census = table.census
        self._size = table.size
        census, rules = table.census, one.rules
        self.skews = _skews(table, one, facts) if rules.spread else []
        self.near: list[_Tally] = []
        self.may_begin = False
        if rules.affinity is not None:
            counter = census.counter(rules.affinity)
            self.near = [_Tally(*_by_domain(table, key, counter.rows), rules.affinity) for key in rules.affinity_keys]
            self.may_begin = rules.matches_itself and not any(tally.counts.any() for tally in self.near)
        self.apart = [_Tally(*_by_domain(table, key, census.counter(query).rows), query) for query, key in rules.anti_affinity]
        self.existing = [
            (held, _Tally(*_by_domain(table, held.topology_key, held.rows), None)) for held in census.concerning(one) if not held.weight
        ]

    @property
    def any(self) -> bool:
        """Whether there is anything to judge."""
        return bool(self.skews or self.near or self.apart or self.existing)

    def codes(self) -> Any:
        """For every row, the code of the reason why it won't do; 0 if it will."""
        import numpy as np

        codes = np.zeros(self._size, dtype=np.int8)

        def refuse(bad: Any, code: int) -> None:
            codes[bad & (codes == PASSES)] = code

        for skew in self.skews:
            refuse(skew.domains == MISSING, LABEL)
            refuse(skew.counts[skew.domains] > skew.limit, SKEW)
        for tally in self.near:
            refuse(tally.domains == MISSING if self.may_begin else tally.counts[tally.domains] <= 0, NEAR)
        for tally in self.apart:
            if tally.counts.any():
                refuse(tally.counts[tally.domains] > 0, APART)
        for _, tally in self.existing:
            refuse(tally.counts[tally.domains] > 0, EXISTING)
        return codes

    def code(self, row: int) -> int:
        """The same for one row, after `adjust`."""
        for skew in self.skews:
            if skew.domains[row] == MISSING:
                return LABEL
            if skew.counts[skew.domains[row]] > skew.limit:
                return SKEW
        for tally in self.near:
            domain = tally.domains[row]
            if domain == MISSING or not (tally.counts[domain] > 0 or self._may_begin_now()):
                return NEAR
        for tally in self.apart:
            if tally.domains[row] != MISSING and tally.counts[tally.domains[row]] > 0:
                return APART
        for _, tally in self.existing:
            if tally.domains[row] != MISSING and tally.counts[tally.domains[row]] > 0:
                return EXISTING
        return PASSES

    def _may_begin_now(self) -> bool:
        return self.may_begin and not any(tally.counts.any() for tally in self.near)

    def adjust(self, other: PodClass, row: int, sign: int) -> None:
        """A pod of another class is taken from a row in thought (`sign=-1`), or put there (1)."""
        for tally in (*self.skews, *self.near, *self.apart):
            if tally.query is not None and self._census.matches(tally.query, other):
                tally.shift(row, sign)
        for held, tally in self.existing:
            if any(one is held for one in self._census.held_by(other)):
                tally.shift(row, sign)


def _skews(table: NodeTable, one: PodClass, facts: FactsView) -> list[_Skew]:
    import numpy as np

    present = np.ones(table.size, dtype=bool)
    for rule, _, _ in one.rules.spread:
        present &= look(table.topology(rule.topology_key).domains) != MISSING
    found = []
    for rule, query, own in one.rules.spread:
        eligible = present & accepted(facts, rule)
        topology = table.topology(rule.topology_key)
        domains = look(topology.domains)
        counts = _sums(domains, look(table.census.counter(query).rows) * eligible, topology.count)
        found.append(_Skew(domains, counts, query, rule, own, eligible))
    return found


def accepted(facts: FactsView, rule: SpreadRule) -> Any:
    """Rows whose nodes count for a constraint (nodeAffinityPolicy, nodeTaintsPolicy)."""
    key = rule.honour_affinity, rule.honour_taints
    good = facts.masks.get(key)
    if good is None:
        good = look(facts.refusals) != plugins.ABSENT
        if rule.honour_affinity:
            good &= look(facts.affinity_fits) != 0
        if rule.honour_taints:
            good &= look(facts.taints_fit) != 0
        facts.masks[key] = good
    return good


# -- scores -----------------------------------------------------------------------------------------------------------------------------


def affinity_scores(table: NodeTable, one: PodClass, feasible: Any) -> Any:
    """InterPodAffinity: sum of the weights of terms that speak of pods in the node's domains, from 0 (worst node) to 100; None: no term."""
    import numpy as np

    raw = None
    questions: list[tuple[str, int, Counter | Held]] = []
    questions += [(key, weight, table.census.counter(query)) for query, key, weight in one.rules.preferred]
    questions += [(held.topology_key, held.weight, held) for held in table.census.concerning(one) if held.weight]
    for key, weight, counted in questions:
        if not counted.total:
            continue
        domains, counts = _by_domain(table, key, counted.rows)
        more = counts[domains] * weight
        raw = more if raw is None else raw + more
    if raw is None:
        return None
    among = raw[feasible]
    least, most = int(among.min()), int(among.max())
    if most == least:
        return None
    return (plugins.MAX_SCORE * ((raw - least) / (most - least))).astype(np.int64)


def spread_scores(table: NodeTable, one: PodClass, facts: FactsView, feasible: Any) -> Any:
    """PodTopologySpread: pods in the node's domains, weighed by how many domains there are, the fewer the better; None: no constraint.

    Constraints are the pod's own ScheduleAnyway ones; pods that have none and belong together get the system's default ones, for which
    a node need not have all labels.
    """
    relations = one.template.demand.relations
    if relations.spreads_itself:
        rules = one.rules.soft_spread
        return _spread_scores(table, facts, feasible, rules, need_all=True) if rules else None
    group = one.template.group
    if not group:
        return None
    query = Query(alive=True, group=group)
    return _spread_scores(table, facts, feasible, tuple((rule, query) for rule in DEFAULT_SPREAD), need_all=False)


def _spread_scores(
    table: NodeTable, facts: FactsView, feasible: Any, rules: tuple[tuple[SpreadRule, Query], ...], *, need_all: bool
) -> Any:
    import numpy as np

    size = table.size
    ignored = None
    if need_all:
        ignored = np.zeros(size, dtype=bool)
        for rule, _ in rules:
            ignored |= look(table.topology(rule.topology_key).domains) == MISSING
        scored = feasible & ~ignored
    else:
        scored = feasible
    raw = np.zeros(size, dtype=np.float64)
    for rule, query in rules:
        raw += _spread_raw(table, facts, rule, table.census.counter(query), scored, ignored)
    whole = np.floor(raw + 0.5).astype(np.int64)
    among = whole[scored]
    if not len(among):
        return None
    most, least = int(among.max()), int(among.min())
    if most == 0:
        scores = np.full(size, plugins.MAX_SCORE, dtype=np.int64)
    else:
        scores = plugins.MAX_SCORE * (most + least - whole) // most
    if ignored is not None:
        scores[ignored] = 0
    return scores


def _spread_raw(table: NodeTable, facts: FactsView, rule: SpreadRule, counter: Counter, scored: Any, ignored: Any) -> Any:
    """One constraint's part: pods of the domain x log(domains + 2) + maxSkew - 1; 0 for nodes without the label."""
    import numpy as np

    need_all = ignored is not None  # then nodes without the label are left out anyway
    topology = table.topology(rule.topology_key)
    domains = look(topology.domains)
    labelled = None if need_all else domains != MISSING
    if rule.topology_key == HOSTNAME:
        return _labelled(look(counter.rows) * log(np.count_nonzero(scored) + 2) + (rule.max_skew - 1), labelled)
    among = np.bincount(domains[scored], minlength=topology.count) > 0
    counts = np.full(topology.count, float(rule.max_skew - 1))
    if counter.total:
        counted = accepted(facts, rule)
        if ignored is not None:
            counted = counted & ~ignored
        weight = log(np.count_nonzero(among) + 2)
        counts += np.bincount(domains, weights=look(counter.rows) * counted, minlength=topology.count) * among * weight
    return _labelled(counts[domains], labelled)


def _labelled(raw: Any, labelled: Any) -> Any:
    return raw if labelled is None else raw * labelled
