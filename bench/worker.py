"""The process in which one repeat of one scenario runs: `python -m callboard.bench.worker NAME JSON` prints one line of JSON."""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    """Run the scenario named on the command line and print what it measured."""
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    scenario = importlib.import_module(f"callboard.bench.scenarios.{name}")
    print(json.dumps(scenario.measure(**arguments)))


if __name__ == "__main__":
    main()
