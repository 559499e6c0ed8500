"""All mutants of ours: the rows M01 to M52 of the kill matrix, and those that have to survive."""

from __future__ import annotations

from callboard.runtime.chaos.mutants.catalogue.equivalents import EQUIVALENTS
from callboard.runtime.chaos.mutants.catalogue.jobs import JOBS
from callboard.runtime.chaos.mutants.catalogue.nodes import NODES
from callboard.runtime.chaos.mutants.catalogue.storage import STORAGE
from callboard.runtime.chaos.mutants.catalogue.views import VIEWS
from callboard.runtime.chaos.mutants.catalogue.workloads import WORKLOADS
from callboard.runtime.chaos.mutants.mutant import Mutant

CATALOGUE: tuple[Mutant, ...] = (*sorted((*VIEWS, *WORKLOADS, *JOBS, *NODES, *STORAGE), key=lambda mutant: mutant.id), *EQUIVALENTS)
QUICK = ("M02", "M07", "M12", "M15", "M16", "M36", "E02", "E04")
"""Those that CI plays: quick to be noticed, each by another oracle, and two that have to survive."""
