"""What a user says about a node. Taken by `Cluster` and `Simulation` as `nodes=`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from callboard.models.errors import BadRequest
from callboard.models.quantity import Quantity, cpu_milli, to_bytes
from callboard.models.validation.formats import subdomain

NODES_LIMIT = 5_000


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One node: its name, what it has (Kubernetes quantities), how many pods it takes, its labels, and how many processes its pods may be
    together before it is short of them.

    >>> NodeSpec(name="big", cpu="16", labels={"disk": "ssd"}).cpu
    '16'
    """

    name: str
    cpu: Quantity = "4"
    memory: Quantity = "8Gi"
    pods: int = 110
    labels: Mapping[str, str] = {}
    ephemeral_storage: Quantity = "100Gi"
    pids: int = 32_768


def node_specs(nodes: int | Sequence[NodeSpec]) -> tuple[NodeSpec, ...]:
    """A number of nodes as `node-1`, `node-2`, ...; a list as it is.

    Raises:
        BadRequest: none, too many, two of one name, a name or a quantity that is none.
    """
    specs = tuple(NodeSpec(name=f"node-{number}") for number in range(1, nodes + 1)) if isinstance(nodes, int) else tuple(nodes)
    for spec in specs:
        if not isinstance(spec, NodeSpec):
            raise BadRequest(f"nodes={nodes!r}: give a number, or a list of NodeSpec(name=...)")
        for problem in subdomain(spec.name):
            raise BadRequest(f'node "{spec.name}": {problem}')
    if not 1 <= len(specs) <= NODES_LIMIT:
        raise BadRequest(f"nodes={len(specs)}: a cluster has 1 to {NODES_LIMIT} nodes")
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise BadRequest(f"two nodes are called {twice[0]}; give each a name of its own")
    for spec in specs:
        try:
            enough = cpu_milli(spec.cpu) > 0 and to_bytes(spec.memory) > 0 and spec.pods > 0
            enough = enough and to_bytes(spec.ephemeral_storage) > 0 and spec.pids > 0
        except ValueError as problem:
            raise BadRequest(f"node {spec.name}: {problem}") from None
        if not enough:
            raise BadRequest(f"node {spec.name}: cpu, memory, ephemeral_storage, pods and pids must be more than nothing")
    return specs
