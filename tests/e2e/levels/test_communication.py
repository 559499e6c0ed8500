"""Who reaches whom: pods on one node and on two, from outside, and across a cut between nodes that heals."""

from __future__ import annotations

from tests.e2e.levels.cells import Cell, row
from tests.e2e.levels.yard import Yard, pod, server, until


@row("pod to pod, on one node and across nodes")
def test_pods_reach_each_other_on_one_node_and_across_nodes(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        near, far = (pod(name, server(name), nodeName=node) for name, node in (("near", "node-1"), ("far", "node-2")))
        yard.run(pod("client", nodeName="node-1"), near, far)
        for name in ("near", "far"):
            assert yard.fetch("client", f"http://{yard.ip(name)}:8080/")[0].split()[0] == name


@row("a pod is seen with its own address")
def test_a_pod_is_seen_with_its_own_address(cell: Cell, yard: Yard) -> None:
    with cell.judged():
        yard.run(pod("client", nodeName="node-1"), pod("far", server("far"), nodeName="node-2"))
        (said,) = yard.fetch("client", f"http://{yard.ip('far')}:8080/")
        assert (said == f"far {yard.ip('client')}") != cell.is_open, said


@row("a cut between two nodes cuts their pods' traffic, and heals")
def test_a_cut_between_two_nodes_cuts_their_pods_traffic(cell: Cell, yard: Yard) -> None:
    yard.run(pod("client", nodeName="node-1"), pod("near", server("near"), nodeName="node-1"), pod("far", server("far"), nodeName="node-2"))
    near, far = (f"http://{yard.ip(name)}:8080/" for name in ("near", "far"))
    node = yard.cluster.nodes["node-1"]

    def reaches(url: str) -> bool:
        return not yard.fetch("client", url)[0].startswith("failed")

    assert reaches(far)
    node.partition("node-2")
    try:
        if cell.is_open:
            assert reaches(far)
        else:
            until(lambda: not reaches(far), "the far pod is out of reach")
        assert reaches(near)
    finally:
        node.heal("node-2")
    until(lambda: reaches(far), "the far pod is in reach again")
