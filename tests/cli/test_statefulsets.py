"""StatefulSets on the command line: what `get`, `scale` and `rollout` say of them."""

from __future__ import annotations

from callboard import Cluster
from tests.cli.conftest import Shell

DB = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: db, image: "db:1"}]}
"""


def test_a_stateful_set_is_shown_scaled_restarted_and_rolled_back(cluster: Cluster, shell: Shell) -> None:
    cluster.apply(DB)
    done = "partitioned roll out complete: 2 new pods have been updated..."
    assert shell.say("rollout", "status", "sts/db")[-1] == done
    head, line = shell.say("get", "sts")
    assert head.split() == ["NAME", "READY", "AGE"]
    assert line.split()[:2] == ["db", "2/2"]
    assert shell.say("rollout", "restart", "statefulset/db") == ["statefulset.apps/db restarted"]
    assert shell.say("rollout", "status", "sts/db")[-1] == done
    assert shell.say("rollout", "history", "sts/db")[:4] == [
        "statefulset.apps/db ",
        "REVISION  CHANGE-CAUSE",
        "1         <none>",
        "2         <none>",
    ]
    assert shell.say("rollout", "undo", "sts/db") == ["statefulset.apps/db rolled back"]
    assert shell.run("rollout", "pause", "sts/db").err == 'error: statefulsets.apps "db" pausing is not supported\n'
    shell.say("rollout", "status", "sts/db")
    head, *lines = shell.say("get", "controllerrevisions")
    assert head.split() == ["NAME", "CONTROLLER", "REVISION", "AGE"]
    assert sorted(line.split()[1:3] for line in lines) == [["statefulset.apps/db", "2"], ["statefulset.apps/db", "3"]]
    assert shell.say("scale", "sts/db", "--replicas", "1") == ["statefulset.apps/db scaled"]
    cluster.wait("statefulset/db")
    assert [line.split()[0] for line in shell.say("get", "pods")[1:]] == ["db-0"]
