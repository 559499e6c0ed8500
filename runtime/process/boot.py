"""First file that the process daemon and its helpers run: makes their imports work without running the package's heavy `__init__`s.

Started by `launch.py` and `helpers.py` as `python -I -S boot.py SITE_FOLDERS MODULE ARGUMENTS...`; what ends the program is what
`MODULE.main(ARGUMENTS)` returns. The daemon's start-up is part of every cluster's start-up, so it may import only the standard library,
msgpack (found in SITE_FOLDERS, divided by colons) and a few small siblings; the parent packages are put in place as empty modules that
know where their files are.
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
    sys.path.extend(sys.argv[1].split(os.pathsep))
    _place_packages()
    from importlib import import_module

    sys.exit(import_module(sys.argv[2]).main(sys.argv[3:]))
