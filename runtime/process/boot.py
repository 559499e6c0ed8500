"""First file that the process daemon runs: makes the imports of the daemon work without running the package's heavy `__init__`s.

Started by `launch.py` as `python -I -S boot.py SITE_FOLDER ...`. The daemon's start-up is part of every cluster's start-up, so only the
standard library, msgpack (found in SITE_FOLDER) and a few small siblings may be imported; the parent packages are put in place as
empty modules that know where their files are.
"""

from __future__ import annotations

import os
import sys
import types


def _place_packages() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    runtime = os.path.dirname(here)
    for name, folder in (("callboard", os.path.dirname(runtime)), ("callboard.runtime", runtime), ("callboard.runtime.process", here)):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    _place_packages()
    from callboard.runtime.process.daemon import main

    sys.exit(main(sys.argv[2:]))
