"""Programs of the machine that tests need: a test names them with `@pytest.mark.needs("nginx")`.

Where one is missing, the test says so and is skipped; with `CI=true` in the environment it fails instead, so that CI never passes by
skipping. Which Debian package brings a program stands in the project's `packages.apt`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1] / "packages.apt"
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian puts nginx and nft; an ordinary user's PATH lacks it."""


def in_ci() -> bool:
    """Whether this is CI, where nothing that a test needs may be missing."""
    return os.environ.get("CI", "").lower() == "true"


def packages() -> dict[str, str]:
    """Which Debian package brings a program, by program, as `packages.apt` says."""
    found = {}
    for line in PACKAGES.read_text(encoding="utf-8").splitlines():
        package, _, rest = line.partition("#")
        for program in rest.partition(":")[0].split() if package.strip() else ():
            found[program] = package.strip()
    return found


def path_of(program: str) -> str | None:
    """Where a program is, also if it is one for administrators; None: not installed."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}")


def missing(programs: Iterable[str]) -> list[str]:
    """Those of the programs that this machine lacks, each with what to install."""
    brings = packages()
    return [f"{program} (apt-get install {brings.get(program, program)})" for program in programs if path_of(program) is None]
