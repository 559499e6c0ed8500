"""How long `import callboard` takes, with the names that a program uses first."""

from __future__ import annotations

import time


def measure() -> dict[str, float]:
    """Seconds until the package and its two main classes are imported."""
    began_s = time.perf_counter()
    from callboard import Cluster, Simulation

    took_s = time.perf_counter() - began_s
    assert Cluster.__module__ != Simulation.__module__  # both are really there
    return {"import_ms": took_s * 1e3}
