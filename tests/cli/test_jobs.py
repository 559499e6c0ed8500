"""Jobs and CronJobs on the command line: what `get`, `describe` and `wait` say of them."""

from __future__ import annotations

from callboard import Cluster
from tests.cli.conftest import Shell

SUM = """
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  parallelism: 2
  completions: 2
  suspend: true
  template:
    spec: {restartPolicy: Never, containers: [{name: sum, image: "sum:1"}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  timeZone: Europe/Berlin
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: sum, image: "sum:1"}]}
"""


def test_jobs_and_cron_jobs_are_shown_and_a_rollout_of_one_is_refused(cluster: Cluster, shell: Shell) -> None:
    cluster.apply(SUM)
    cluster.wait("job/sum", "Suspended", timeout="20s")
    head, line = shell.say("get", "jobs")
    assert head.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert line.split()[:3] == ["sum", "Suspended", "0/2"]
    head, line = shell.say("get", "cj")
    assert head.split() == ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST", "SCHEDULE", "AGE"]
    assert line.split()[:9] == ["nightly", "0", "3", "*", "*", "*", "Europe/Berlin", "False", "0"]
    described = "\n".join(shell.say("describe", "job", "sum"))
    assert "Completion Mode:" in described
    assert "0 Active (0 Ready) / 0 Succeeded / 0 Failed" in described
    assert "Suspended" in described.partition("Events:")[2]
    assert "Time Zone:" in "\n".join(shell.say("describe", "cronjob", "nightly"))
    assert shell.run("rollout", "status", "job/sum").code != 0
