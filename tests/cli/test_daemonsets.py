"""DaemonSets on the command line: what `get`, `rollout` and `drain` say of them."""

from __future__ import annotations

from callboard import Cluster
from tests.cli.conftest import Shell

AGENT = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: agent, image: "agent:1"}]}
"""


def test_a_daemon_set_is_shown_restarted_and_rolled_back_and_stays_in_a_drain(cluster: Cluster, shell: Shell) -> None:
    cluster.apply(AGENT)
    done = 'daemon set "agent" successfully rolled out'
    assert shell.say("rollout", "status", "ds/agent")[-1] == done
    nodes = str(len(cluster.list("nodes")))
    head, line = shell.say("get", "ds")
    assert head.split() == ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE", "SELECTOR", "AGE"]
    assert line.split()[:7] == ["agent", *[nodes] * 5, "<none>"]
    assert shell.say("rollout", "restart", "daemonset/agent") == ["daemonset.apps/agent restarted"]
    assert shell.say("rollout", "status", "ds/agent")[-1] == done
    assert shell.say("rollout", "undo", "ds/agent") == ["daemonset.apps/agent rolled back"]
    assert shell.say("rollout", "status", "ds/agent")[-1] == done
    assert [line.split()[0] for line in shell.say("rollout", "history", "ds/agent")[2:] if line] == ["2", "3"]
    refused = shell.run("drain", "node-1")
    assert "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" in refused.err
    before = sorted(pod.metadata.uid for pod in cluster.list("pods"))
    drained = shell.run("drain", "node-1", "--ignore-daemonsets")
    assert (drained.code, drained.err.startswith("Warning: ignoring DaemonSet-managed Pods: default/agent-")) == (0, True)
    assert sorted(pod.metadata.uid for pod in cluster.list("pods")) == before
