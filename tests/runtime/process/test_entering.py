"""What becomes of a child of the process daemon that is about to be a command beside a container, where the container can see it."""

from __future__ import annotations

import json
import subprocess
import sys

_CHILD = """
import ctypes, json, os, sys
from callboard.runtime.process.entering import enter
folder, (reader, writer) = os.open("/", os.O_RDONLY), os.pipe()
enter(os.getpid(), {"privileged": True, "capabilities": []}, None, "/")
here = []
for fd in (folder, writer, 1):
    try:
        os.fstat(fd)
        here.append(True)
    except OSError:
        here.append(False)
print(json.dumps([ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *here]))
"""


def test_nobody_can_look_into_it_and_it_holds_nothing_of_the_daemons_but_pipes_and_its_streams() -> None:
    done = subprocess.run([sys.executable, "-c", _CHILD], check=True, capture_output=True, text=True, timeout=60)
    dumpable, folder, pipe, stdout = json.loads(done.stdout)
    assert dumpable == 0
    assert (folder, pipe, stdout) == (False, True, True)


def test_it_ends_as_its_child_ends() -> None:
    script = _CHILD + "sys.stdout.flush()\nos._exit(7)\n"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False).returncode == 7
