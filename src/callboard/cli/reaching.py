"""Which running cluster a command means: by its name, by its data folder, or the only one. Used by the commands and by completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from callboard.runtime.face.connection import Connected


def reached(cluster: str, data: str | None, namespace: str) -> Connected:
    """The running cluster that these options mean. Raises `CallboardError` if there is none."""
    from callboard.runtime.face.connection import Connected
    from callboard.runtime.remote.places import find, name_of_data

    if cluster and data is not None:
        raise click.UsageError("--cluster and --data both say which cluster; give one of them")
    return Connected(find(name_of_data(data) if data is not None else cluster), namespace)
