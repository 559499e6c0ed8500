"""Mutants that change nothing that anybody can see: all of them have to survive, or an oracle is trigger-happy."""

from __future__ import annotations

from callboard.runtime.chaos.mutants.mutant import Mutant, Patch

EQUIVALENTS: tuple[Mutant, ...] = (
    Mutant(
        id="E01",
        title="own writes of an object that is gone are kept",
        kind="equivalent",
        patches=(Patch("callboard.actors.ownwrites", "        self._awaited.pop(key, None)\n", "        pass\n"),),
        note="what is awaited are revisions that every view reaches",
    ),
    Mutant(
        id="E02",
        title="a controller decides fewer keys in a turn",
        kind="equivalent",
        patches=(Patch("callboard.actors.keys", "KEYS_PER_TURN = 64", "KEYS_PER_TURN = 1"),),
        note="the rest is decided in the next turn",
    ),
    Mutant(
        id="E03",
        title="watchers say less often how far they are",
        kind="equivalent",
        patches=(
            Patch(
                "callboard.actors.informer",
                "        if piece.seq % ACK_EVERY_BATCHES == 0:",
                "        if piece.seq % (2 * ACK_EVERY_BATCHES) == 0:",
            ),
        ),
        note="the credit is many times larger",
    ),
    Mutant(
        id="E04",
        title="a gap in a stream is never waited for",
        kind="equivalent",
        patches=(
            Patch(
                "callboard.actors.informer",
                "        if not self._early:\n            self._watch_gap()\n        self._early[piece.seq] = piece\n        if len(self._early) > EARLY_BATCHES_LIMIT:\n            self.relist()",
                "        self.relist()",
            ),
        ),
        note="a list says all that the missing piece would have said; so it is in every order of the small world `lost-stream`",
    ),
    Mutant(
        id="E05",
        title="back-off begins a little longer",
        kind="equivalent",
        patches=(Patch("callboard.actors.keys", "BACK_OFF_FIRST_S = 0.01", "BACK_OFF_FIRST_S = 0.02"),),
        note="how long it is, is promised to nobody",
    ),
    Mutant(
        id="E06",
        title="fewer reads of owners at a time",
        kind="equivalent",
        patches=(
            Patch(
                "callboard.actors.garbagecollector.actor",
                "        for key, uid in list(islice(self._to_read, max(READS_IN_FLIGHT_LIMIT - self._reads_in_flight, 0))):",
                "        for key, uid in list(islice(self._to_read, max(1 - self._reads_in_flight, 0))):",
            ),
        ),
        note="the others are read one after the other",
    ),
)
