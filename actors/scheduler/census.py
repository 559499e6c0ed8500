"""Placed pods counted by node, for every question that some pod's rules have asked: so that a decision adds up arrays, not pods.

Owned by the node table. Equal pods (namespace, labels, template) are one class, and a question is matched against a class once, however
many pods it has. A pod that comes or goes changes one number in each count of its class.
The questions: how many pods that a query matches are on a row (`Counter`), and how many pods on a row hold a certain term of
(anti-)affinity themselves (`Held`), which concerns the pods that the term matches.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping

from callboard.actors.scheduler.demand import Template
from callboard.actors.scheduler.heldterms import Held, HeldKey, HeldTerms
from callboard.actors.scheduler.terms import HARD_AFFINITY_WEIGHT, BoundTerm, Labels, Query, SpreadRule, bind, bind_rule
from callboard.models.api.core import Pod

COUNTERS_LIMIT = 2048
"""Questions whose counts are kept; the one not asked for longest is forgotten and counted anew if it is asked again."""
CLASSES_LIMIT = 8192
"""Classes kept; beyond, those without a placed pod are forgotten, again when there are twice as many as were left."""


class Counter:
    """How many pods that a query matches are on each row."""

    __slots__ = ("query", "rows", "total")

    def __init__(self, query: Query, size: int) -> None:
        self.query = query
        self.rows: array[int] = array("q", bytes(8 * size))
        self.total = 0


class Rules:
    """A class's own rules with its namespace and labels filled in."""

    __slots__ = ("affinity", "affinity_keys", "anti_affinity", "matches_itself", "preferred", "soft_spread", "spread")

    def __init__(self, namespace: str, labels: Labels, template: Template, namespaces: Mapping[str, Labels]) -> None:
        relations = template.demand.relations
        terms = tuple(bind(one, namespace, labels) for one in relations.affinity)
        self.affinity = Query(terms) if terms else None
        self.affinity_keys = tuple(dict.fromkeys(one.topology_key for one in relations.affinity))
        self.matches_itself = all(term.matches(namespace, labels, namespaces) for term in terms)
        self.anti_affinity = tuple((Query((bind(one, namespace, labels),)), one.topology_key) for one in relations.anti_affinity)
        self.preferred = tuple(
            (Query((bind(one.term, namespace, labels),)), one.term.topology_key, one.weight) for one in relations.preferred if one.weight
        )
        self.spread: tuple[tuple[SpreadRule, Query, int], ...] = tuple(
            (rule, *bind_rule(rule, namespace, labels)) for rule in relations.spread
        )
        self.soft_spread = tuple((rule, bind_rule(rule, namespace, labels)[0]) for rule in relations.soft_spread)

    @property
    def terms(self) -> list[BoundTerm]:
        """All (anti-)affinity terms."""
        queries = [query for query, _ in self.anti_affinity] + [query for query, _, _ in self.preferred]
        if self.affinity is not None:
            queries.append(self.affinity)
        return [term for query in queries for term in query.terms]


class PodClass:
    """Pods that every question treats alike; `rows` tells how many of them are where."""

    __slots__ = ("_concerning", "_seen", "alive", "counters", "held", "labels", "namespace", "rows", "rules", "template")

    def __init__(self, namespace: str, labels: Labels, template: Template, alive: bool, rules: Rules) -> None:
        self.namespace = namespace
        self.labels = labels
        self.template = template
        self.alive = alive
        self.rules = rules
        self.rows: dict[int, int] = {}
        self.counters: dict[Query, Counter] = {}
        self.held: tuple[Held, ...] = ()
        """The terms that its placed pods hold; none while there are none."""
        self._concerning: tuple[Held, ...] = ()
        self._seen = 0

    def concerning(self, held: HeldTerms, namespaces: Mapping[str, Labels]) -> tuple[Held, ...]:
        """Those of all held terms that speak of its pods; only those that are new since the last time are looked at."""
        known = self._concerning
        if self._seen < held.newest:
            known = (*known, *held.newer(self.namespace, self.labels, self._seen, namespaces))
            self._seen = held.newest
        if known:
            self._concerning = known = tuple([one for one in known if one.total])
        return known

    def look_anew(self) -> None:
        """What speaks of its pods may be other terms than before."""
        self._concerning, self._seen = (), 0


ClassKey = tuple[str, tuple[tuple[str, str], ...], int, bool]


class Census:
    """All classes and counts. `namespaces` has the labels of namespaces by name, and is the caller's: tell of changes to it."""

    def __init__(self, size: int, namespaces: Mapping[str, Labels]) -> None:
        self.size = size
        self.version = 0
        """Grows with every change of any count."""
        self.namespaces = namespaces
        self._classes: dict[ClassKey, PodClass] = {}
        self._latest: dict[int, tuple[Labels, str, PodClass]] = {}
        self._counters: dict[Query, Counter] = {}
        self.held = HeldTerms()
        """The terms that placed pods hold."""
        self._purge_at = CLASSES_LIMIT

    def resize(self, size: int) -> None:
        """There are more rows from now on."""
        more = array("q", bytes(8 * (size - self.size)))
        self.size = size
        for counter in self._counters.values():
            counter.rows = counter.rows + more
        for held in self.held:
            held.rows = held.rows + more

    # -- classes ----------------------------------------------------------------------------------------------------------------

    def class_of(self, pod: Pod, template: Template) -> PodClass:
        """The class of a pod."""
        meta = pod.metadata
        alive = meta.deletion_timestamp == ""
        if alive:
            latest = self._latest.get(template.number)
            if latest is not None and latest[0] is meta.labels and latest[1] == meta.namespace:
                return latest[2]
        key = meta.namespace, tuple(meta.labels.items()), template.number, alive
        found = self._classes.get(key)
        if found is None:
            if len(self._classes) >= self._purge_at:
                self._forget_unused()
            rules = Rules(meta.namespace, meta.labels, template, self.namespaces)
            found = self._classes[key] = PodClass(meta.namespace, meta.labels, template, alive, rules)
            for query, counter in self._counters.items():
                if self.matches(query, found):
                    found.counters[query] = counter
        if alive:
            if len(self._latest) >= CLASSES_LIMIT:
                del self._latest[next(iter(self._latest))]
            self._latest[template.number] = meta.labels, meta.namespace, found
        return found

    def _forget_unused(self) -> None:
        self._classes = {key: one for key, one in self._classes.items() if one.rows}
        self._purge_at = max(CLASSES_LIMIT, 2 * len(self._classes))
        self._latest.clear()

    def matches(self, query: Query, one: PodClass) -> bool:
        """Whether a query counts the pods of a class."""
        if query.alive and not one.alive:
            return False
        if query.group and query.group != one.template.group:
            return False
        return all(term.matches(one.namespace, one.labels, self.namespaces) for term in query.terms)

    def add(self, one: PodClass, row: int, sign: int) -> None:
        """A pod of this class is on a row from now on (`sign=1`), or no longer (-1)."""
        self.version += 1
        if not one.rows:
            one.held = tuple([self.held.make(key, self.size) for key in _held_keys(one)])
        left = one.rows.get(row, 0) + sign
        if left:
            one.rows[row] = left
        else:
            del one.rows[row]
        for counter in one.counters.values():
            counter.rows[row] += sign
            counter.total += sign
        for held in one.held:
            held.rows[row] += sign
            held.total += sign
            if not held.total:
                self.held.drop(held)
        if not one.rows:
            one.held = ()

    # -- questions --------------------------------------------------------------------------------------------------------------

    def counter(self, query: Query) -> Counter:
        """How many pods that a query matches are on each row."""
        found = self._counters.get(query)
        if found is not None:
            if len(self._counters) > COUNTERS_LIMIT // 2:  # only then does it matter soon who was asked for last
                del self._counters[query]
                self._counters[query] = found
            return found
        if len(self._counters) >= COUNTERS_LIMIT:
            oldest = next(iter(self._counters))
            del self._counters[oldest]
            for one in self._classes.values():
                one.counters.pop(oldest, None)
        found = Counter(query, self.size)
        for one in self._classes.values():
            if self.matches(query, one):
                one.counters[query] = found
                for row, count in one.rows.items():
                    found.rows[row] += count
                    found.total += count
        self._counters[query] = found
        return found

    @property
    def counters(self) -> list[Counter]:
        """All counts that are kept."""
        return list(self._counters.values())

    def held_by(self, one: PodClass) -> tuple[Held, ...]:
        """The terms that a pod of a class holds, without those that no placed pod holds."""
        if one.rows:
            return one.held
        return tuple([held for key in _held_keys(one) if (held := self.held.get(key)) is not None])

    def concerning(self, one: PodClass) -> tuple[Held, ...]:
        """The terms of placed pods that speak of the pods of this class."""
        return one.concerning(self.held, self.namespaces)

    def namespaces_changed(self) -> None:
        """Labels of a namespace are other than before: whatever a namespaceSelector has matched is matched anew."""
        if not self._selects_namespaces():
            return
        self.version += 1
        self._counters.clear()
        for one in self._classes.values():
            one.counters.clear()
            one.look_anew()
            one.rules = Rules(one.namespace, one.labels, one.template, self.namespaces)

    def _selects_namespaces(self) -> bool:
        terms = [held.term for held in self.held]
        terms += [term for one in self._classes.values() for term in one.rules.terms]
        return any(term.namespace_selector is not None for term in terms)


def _held_keys(one: PodClass) -> list[HeldKey]:
    """The terms that a pod of a class holds, its own labels filled in."""
    relations = one.template.demand.relations
    if not (relations.anti_affinity or relations.affinity or relations.preferred):
        return []
    weighed = [
        *((term, 0) for term in relations.anti_affinity),
        *((term, HARD_AFFINITY_WEIGHT) for term in relations.affinity),
        *((preferred.term, preferred.weight) for preferred in relations.preferred if preferred.weight),
    ]
    return [(bind(term, one.namespace, one.labels), term.topology_key, weight) for term, weight in weighed]
