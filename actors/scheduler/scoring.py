"""The weighted sum of all plugins' scores, normalised over the nodes that passed all filters; and the choice of the best row.

Called by `decision.py`. Two ways that give the same numbers (a property test): plain integers for small clusters and pods without rules
about other pods, so that such clusters never import numpy; and arrays over all rows for the rest. All nodes are scored: there is no
sampling as by Kubernetes' percentageOfNodesToScore.
Source: pkg/scheduler/framework/plugins/helper/normalize_score.go, schedule_one.go (prioritizeNodes, selectHost).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import floor, log
from typing import Any

from callboard.actors.scheduler import plugins, relations
from callboard.actors.scheduler.census import PodClass
from callboard.actors.scheduler.table import NodeTable
from callboard.actors.scheduler.terms import DEFAULT_SPREAD, HOSTNAME, Query
from callboard.actors.scheduler.topology import MISSING
from callboard.actors.scheduler.view import REFUSED, TemplateView

TAINT_WEIGHT = plugins.WEIGHTS["TaintToleration"]
AFFINITY_WEIGHT = plugins.WEIGHTS["NodeAffinity"]
SPREAD_WEIGHT = plugins.WEIGHTS["PodTopologySpread"]
RELATION_WEIGHT = plugins.WEIGHTS["InterPodAffinity"]


def rank_plain(table: NodeTable, view: TemplateView, one: PodClass, refused: Iterable[int]) -> array[int]:
    """Scores by row, `REFUSED` for those that won't do; rows in `refused` won't for reasons that the view doesn't know.

    For pods whose only rules about other pods are the system's default ones.
    """
    total = view.total[:]
    for row in refused:
        total[row] = REFUSED
    rows = [row for row, score in enumerate(total) if score != REFUSED]
    if not rows:
        return total
    facts, constraints = view.facts, view.template.demand.constraints
    if constraints.preferred:
        most = max(facts.preferred[row] for row in rows)
        if most:
            for row in rows:
                total[row] += AFFINITY_WEIGHT * (plugins.MAX_SCORE * facts.preferred[row] // most)
    most = max(facts.intolerable[row] for row in rows) if facts.intolerable_total else 0
    for row in rows:
        total[row] += TAINT_WEIGHT * (plugins.MAX_SCORE - (plugins.MAX_SCORE * facts.intolerable[row] // most if most else 0))
    if one.template.group:
        _add_default_spread(table, view, one, total, rows)
    return total


def _add_default_spread(table: NodeTable, view: TemplateView, one: PodClass, total: array[int], rows: list[int]) -> None:
    counter = table.census.counter(Query(alive=True, group=one.template.group))
    facts = view.facts
    raw = dict.fromkeys(rows, 0.0)
    for rule in DEFAULT_SPREAD:
        domains = table.topology(rule.topology_key).domains
        counts: Sequence[int]
        if rule.topology_key == HOSTNAME:
            counts, weight = counter.rows, log(len(rows) + 2)
        else:
            among = dict.fromkeys(domains[row] for row in rows)
            weight = log(len(among) + 2)
            by_domain = dict.fromkeys(among, 0)
            for row, count in enumerate(counter.rows):
                if count and domains[row] in by_domain and facts.affinity_fits[row]:
                    by_domain[domains[row]] += count
            counts = [by_domain.get(domain, 0) for domain in domains]
        for row in rows:
            if domains[row] != MISSING:
                raw[row] += counts[row] * weight + (rule.max_skew - 1)
    whole = {row: floor(score + 0.5) for row, score in raw.items()}
    most, least = max(whole.values()), min(whole.values())
    for row in rows:
        total[row] += SPREAD_WEIGHT * (plugins.MAX_SCORE * (most + least - whole[row]) // most if most else plugins.MAX_SCORE)


def rank_arrays(table: NodeTable, view: TemplateView, one: PodClass, codes: Any, refused: Iterable[int]) -> Any:
    """The same for any pod, with numpy; `codes` tells which rows its rules about other pods refuse (None: none)."""
    import numpy as np

    total = relations.look(view.total).copy()
    if codes is not None:
        total[codes != relations.PASSES] = REFUSED
    for row in refused:
        total[row] = REFUSED
    feasible = total != REFUSED
    if not feasible.any():
        return total
    facts, constraints = view.facts, view.template.demand.constraints
    if constraints.preferred:
        preferred = relations.look(facts.preferred)
        most = int((preferred * feasible).max())
        if most:
            total += AFFINITY_WEIGHT * (plugins.MAX_SCORE * preferred // most)
    total += TAINT_WEIGHT * plugins.MAX_SCORE
    if facts.intolerable_total:
        intolerable = relations.look(facts.intolerable)
        most = int((intolerable * feasible).max())
        if most:
            total -= TAINT_WEIGHT * (plugins.MAX_SCORE * intolerable // most)
    for weight, scores in (
        (RELATION_WEIGHT, relations.affinity_scores(table, one, feasible)),
        (SPREAD_WEIGHT, relations.spread_scores(table, one, facts, feasible)),
    ):
        if scores is not None:
            total += weight * scores
    return np.where(feasible, total, REFUSED)


def best(total: Any, start: int) -> int | None:
    """The row with the highest score, among equals the first at or after `start`, wrapping around; None if all refuse."""
    if isinstance(total, array):
        highest = max(total)
        if highest == REFUSED:
            return None
        try:
            return total.index(highest, start)
        except ValueError:
            return total.index(highest)
    row = int(total.argmax())
    if total[row] == REFUSED:
        return None
    if row < start < len(total):
        later = start + int(total[start:].argmax())
        if total[later] == total[row]:
            return later
    return row
