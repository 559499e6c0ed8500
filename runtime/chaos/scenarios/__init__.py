"""The built-in scenarios: what users do to a cluster while things go wrong in it. Each makes a draft of a schedule from a random source."""

from __future__ import annotations

from collections.abc import Mapping

from callboard.runtime.chaos.scenarios.drafting import Scenario
from callboard.runtime.chaos.scenarios.placing import PLACES
from callboard.runtime.chaos.scenarios.workloads import WORKLOADS

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in (*WORKLOADS, *PLACES)}
"""By name; the order is that of the portfolio."""
