"""A worker that searches one world in a fresh process, of a program that may be mutated (see `mutants/loading.py`).

Nothing that may be patched is imported before the finder is installed, so the import of the worlds is inside a function.
"""

from __future__ import annotations

import gc
import sys

import msgspec

from callboard.runtime.chaos.mutants.loading import install
from callboard.runtime.chaos.mutants.mutant import Mutant

MODULE = "callboard.runtime.chaos.exhaustive.worker"


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """Search this world with this mutant in place of the program; `limit` is how many orders are begun at most."""

    mutant: Mutant
    world: str
    limit: int


def main() -> int:
    """Carry an errand from standard input out, and say on standard output what came of it. Returns the exit code."""
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    install(errand.mutant)
    from callboard.runtime.chaos.exhaustive.worlds import exhaust

    gc.freeze()
    sys.stdout.buffer.write(msgspec.json.encode(exhaust(errand.world, errand.limit)) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
