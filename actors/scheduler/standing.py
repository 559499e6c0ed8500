"""Final scores kept from one pod of a template to the next, for the common case: no rule about other pods but the default spread by host.

Made and asked by `decision.py`, which falls back on `scoring.py` wherever `applies` says no. There every score is computed anew; here a
placement changes the score of one row, and all scores only when the fullest or the emptiest node, or how many nodes there are to choose
from, is another than before. Both give the same numbers (a property test), because then nothing else is normalised over the nodes:
no preferred affinity, no taint PreferNoSchedule, no weighed term of any pod, and no node with a zone.
Source: plugins podtopologyspread/scoring.go, helper/normalize_score.go.
"""

from __future__ import annotations

from array import array
from math import floor, log
from typing import Any

from callboard.actors.scheduler import plugins, scoring, view
from callboard.actors.scheduler.relations import look
from callboard.actors.scheduler.table import NodeTable
from callboard.actors.scheduler.terms import DEFAULT_SPREAD, HOSTNAME, Query
from callboard.actors.scheduler.view import REFUSED, TemplateView

TOLERATED = scoring.TAINT_WEIGHT * plugins.MAX_SCORE
"""What TaintToleration gives every node when no node has a taint that counts."""
BY_HOST = next(rule for rule in DEFAULT_SPREAD if rule.topology_key == HOSTNAME)
OTHER_KEYS = tuple(rule.topology_key for rule in DEFAULT_SPREAD if rule.topology_key != HOSTNAME)


class Standing:
    """The scores of all rows for one template; its view must be up to date whenever this is asked."""

    def __init__(self, table: NodeTable, seen: TemplateView) -> None:
        self._table = table
        self._view = seen
        self._scores = array("q")
        self._shown: Any = None
        """The same memory as numpy sees it, once a cluster is large enough for that."""
        self._places = array("q")
        """Pods of the group by row, `REFUSED` where the node won't do."""
        self._levels: dict[int, int] = {}
        """How many nodes that will do have how many pods of the group."""
        self._state = (0, 0, 0)
        """(nodes that will do, pods of the group on the emptiest of them, on the fullest)."""
        self._log = 0.0
        self._highest = self._sum = 0
        """PodTopologySpread before it is normalised: of the fullest node, and of the fullest and the emptiest together."""
        self._bonuses: dict[int, int] = {}
        self._query = Query(alive=True, group=seen.template.group)
        self._spread_weight = scoring.SPREAD_WEIGHT if seen.template.group else 0
        self._counts = array("q")
        self._total = array("q")
        self._numbers_seen = self._facts_seen = self._facts_judged = -1
        self._applies = False
        demand = seen.template.demand
        self._simple = not demand.constraints.preferred and not demand.relations.any and not demand.relations.spreads_itself

    def applies(self) -> bool:
        """Whether nodes and template are of the common kind; terms of other pods that speak of this template's are the caller's to ask."""
        if not self._simple:
            return False
        table = self._table
        if self._facts_judged != table.facts_log.end:
            self._facts_judged = table.facts_log.end
            self._applies = not self._view.facts.intolerable_total and (
                not self._spread_weight
                or (table.topology(HOSTNAME).labelled == table.node_count and not any(table.topology(key).labelled for key in OTHER_KEYS))
            )
        return self._applies

    def scores(self) -> Any:
        """By row, `REFUSED` where the node won't do: for small clusters an array, else numpy's look at it. To be read at once."""
        table = self._table
        counts = table.census.counter(self._query).rows if self._spread_weight else self._counts
        rows = None
        if counts is self._counts and self._total is self._view.total and self._facts_seen == table.facts_log.end:
            rows = table.numbers_log.since(self._numbers_seen)
        self._numbers_seen, self._facts_seen = table.numbers_log.end, table.facts_log.end
        small = table.node_count < view.VECTOR_FROM_ROWS
        if rows is None or (not small and len(rows) >= view.VECTOR_FROM_CHANGES):
            self._begin(counts, small)
            self._score_all(small)
        elif rows:
            self._move(rows, small)
        if small:
            return self._scores
        if self._shown is None:
            self._shown = look(self._scores)
        return self._shown

    def _begin(self, counts: Any, small: bool) -> None:
        """Look at every row anew."""
        total = self._total = self._view.total
        size = len(total)
        self._counts = counts if self._spread_weight else array("q", bytes(8 * size))
        self._scores = array("q", [REFUSED]) * size
        self._shown = None
        if small:
            places = [REFUSED if score == REFUSED else count for score, count in zip(total, self._counts, strict=True)]
            self._places = array("q", places)
            self._levels = {level: places.count(level) for level in dict.fromkeys(places) if level != REFUSED}
        else:
            import numpy as np

            self._places = array("q", bytes(8 * size))
            placed = look(self._places)
            placed[:] = np.where(look(total) == REFUSED, REFUSED, look(self._counts))
            levels = np.bincount(placed + 1)
            self._levels = {int(level) - 1: int(levels[level]) for level in levels.nonzero()[0] if level}
        self._adopt(self._summary())

    def _summary(self) -> tuple[int, int, int]:
        levels = self._levels
        if not levels:
            return (0, 0, 0)
        return sum(levels.values()), min(levels), max(levels)

    def _move(self, rows: list[int], small: bool) -> None:
        """These rows have changed."""
        total, places, counts, levels = self._total, self._places, self._counts, self._levels
        same = True
        for row in rows:
            before, now = places[row], counts[row] if total[row] != REFUSED else REFUSED
            if before == now:
                continue
            places[row] = now
            if before != REFUSED:
                levels[before] -= 1
                if not levels[before]:
                    del levels[before]
                    same = False
            if now != REFUSED:
                same = same and now in levels
                levels[now] = levels.get(now, 0) + 1
            same = same and before != REFUSED != now
        if not same and (state := self._summary()) != self._state:
            self._adopt(state)
            self._score_all(small)
            return
        scores = self._scores
        for row in rows:
            place = places[row]
            scores[row] = total[row] + self._bonus(place) if place != REFUSED else REFUSED

    def _adopt(self, state: tuple[int, int, int]) -> None:
        """What every score is normalised by has changed."""
        self._state = state
        self._log = log(state[0] + 2)
        self._highest = self._raw(state[2])
        self._sum = self._highest + self._raw(state[1])
        self._bonuses.clear()

    def _raw(self, place: int) -> int:
        """PodTopologySpread before it is normalised, for a node with so many pods of the group."""
        return floor(place * self._log + (BY_HOST.max_skew - 1) + 0.5)

    def _bonus(self, place: int) -> int:
        """What the normalised plugins add to the score of a node with so many pods of the group."""
        if not self._spread_weight:
            return TOLERATED
        bonus = self._bonuses.get(place)
        if bonus is None:
            spread = plugins.MAX_SCORE * (self._sum - self._raw(place)) // self._highest
            bonus = self._bonuses[place] = TOLERATED + self._spread_weight * spread
        return bonus

    def _score_all(self, small: bool) -> None:
        if small:
            total, places, scores = self._total, self._places, self._scores
            bonus = {place: self._bonus(place) for place in self._levels}
            for row in self._table.rows.values():  # the others are refused since `_begin`
                place = places[row]
                scores[row] = total[row] + bonus[place] if place != REFUSED else REFUSED
            return
        import numpy as np

        placed = look(self._places)
        scores = look(self._total) + TOLERATED
        if self._spread_weight:
            raw = np.floor(placed * self._log + (BY_HOST.max_skew - 1) + 0.5).astype(np.int64)
            scores += self._spread_weight * (plugins.MAX_SCORE * (self._sum - raw) // self._highest)
        look(self._scores)[:] = np.where(placed == REFUSED, REFUSED, scores)
