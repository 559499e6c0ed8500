"""What the figures of a benchmark depend on: the machine, the interpreter, the versions. Part of every report."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version

import psutil

PACKAGES = ("callboard", "pykka", "msgspec", "msgpack", "numpy")


def machine_facts() -> dict[str, str]:
    """Facts by name, in words."""
    memory_gib = psutil.virtual_memory().total / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_gib:.0f} GiB",
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
        "load before": load,
        **{package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
