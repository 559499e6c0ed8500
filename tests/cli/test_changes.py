"""Commands that change something: kubectl's words for what was done, and for what could not be."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from callboard import Cluster
from tests.cli.conftest import WEB, Shell, pod

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: '%s'}\n"


def test_apply_says_what_became_of_each_object(cluster: Cluster, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(CONFIG % ("a", "1"))
    assert shell.say("apply", "-f", str(file)) == ["configmap/a created"]
    assert shell.say("apply", "-f", str(file)) == ["configmap/a unchanged"]
    file.write_text(CONFIG % ("a", "2"))
    assert shell.say("apply", "-f", str(file)) == ["configmap/a configured"]
    assert shell.say("apply", "-f", str(WEB), "-o", "name")[1] == "deployment.apps/web"


def test_apply_reads_folders_standard_input_and_all_below_a_folder(
    cluster: Cluster, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a.yaml").write_text(CONFIG % ("a", "1"))
    (tmp_path / "below" / "b.yaml").write_text(CONFIG % ("b", "1"))
    assert shell.say("apply", "-f", str(tmp_path)) == ["configmap/a created"]
    assert shell.say("apply", "-R", "-f", str(tmp_path)) == ["configmap/a unchanged", "configmap/b created"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(CONFIG % ("c", "1")))
    assert shell.say("apply", "-f", "-", "-n", "default") == ["configmap/c created"]


def test_apply_tells_each_refusal_and_does_the_rest(cluster: Cluster, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    bad = "apiVersion: v1\nkind: Pod\nmetadata: {name: A}\nspec: {containers: []}\n"
    file.write_text(f"{CONFIG % ('a', '1')}---\n{bad}---\nkind: What\napiVersion: v1\nmetadata: {{name: b}}\n")
    said = shell.run("apply", "-f", str(file))
    assert (said.code, said.out) == (1, "configmap/a created\n")
    assert f'{file}:6: The Pod "A" is invalid: \n* metadata.name: Invalid value: "A": ' in said.err
    assert "* spec.containers: Required value\n" in said.err
    assert f'{file}:11: error: no matches for kind "What" in version "v1"' in said.err


def test_delete_by_name_selector_and_file(web: Cluster, shell: Shell) -> None:
    names = [one.metadata.name for one in web.list("pods")]
    assert shell.say("delete", "pod", names[0]) == [f'pod "{names[0]}" deleted from default namespace']
    assert shell.say("delete", "deploy/web", "--cascade", "foreground") == ['deployment.apps "web" deleted from default namespace']
    assert web.list("pods", selector="app=web") == []
    assert shell.say("delete", "-f", str(WEB), "--ignore-not-found") == [
        'configmap "web-page" deleted from default namespace',
        'service "web" deleted from default namespace',
    ]
    web.apply([pod("a", tier="x"), pod("b", tier="x"), pod("c")])
    assert shell.say("delete", "pods", "-l", "tier=x", "-o", "name", "--now") == ["pod/a", "pod/b"]
    assert shell.say("delete", "pods", "--all", "--no-wait") == ['pod "c" deleted from default namespace']
    assert shell.say("delete", "pods", "-l", "tier=x") == ["No resources found"]


def test_delete_by_force_warns(cluster: Cluster, shell: Shell) -> None:
    cluster.apply(pod("a"))
    said = shell.run("delete", "pod", "a", "--force")
    assert (said.code, said.out) == (0, 'pod "a" force deleted from default namespace\n')
    assert said.err.startswith("Warning: Immediate deletion does not wait for confirmation")


def test_delete_that_takes_too_long_is_told(cluster: Cluster, shell: Shell) -> None:
    held = {"name": "a", "finalizers": ["example.com/held"]}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held})
    said = shell.run("delete", "cm", "a", "--timeout", "50ms")
    assert (said.code, said.out) == (1, 'configmap "a" deleted from default namespace\n')
    assert said.err == "error: timed out waiting for the condition on configmaps/a\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "you must provide one or more resources by argument or filename"),
        (("pods",), "resource(s) were provided, but no name was specified"),
        (("pod", "a", "--all"), "name cannot be provided when a selector or --all is specified"),
        (("pod", "a", "--now", "--grace-period", "3"), "--now and --grace-period cannot be specified together"),
        (("pod", "a", "--force", "--grace-period", "3"), "--force and --grace-period greater than 0 cannot be specified together"),
    ],
)
def test_a_delete_that_makes_no_sense_exits_with_2(cluster: Cluster, shell: Shell, words: tuple[str, ...], said: str) -> None:
    failed = shell.run("delete", *words)
    assert failed.code == 2
    assert said in " ".join(failed.err.split())


def test_scale(web: Cluster, shell: Shell) -> None:
    assert shell.say("scale", "deployment/web", "--replicas", "2") == ["deployment.apps/web scaled"]
    assert web.wait("deployment/web").status.available_replicas == 2
    said = shell.run("scale", "deploy", "web", "--replicas=1", "--current-replicas=5")
    assert (said.code, said.err) == (1, "error: Expected replicas to be 5, was 2\n")
    assert shell.run("scale", "cm/web-page", "--replicas=1").code == 1
    assert shell.run("scale", "deploy/nope", "--replicas=1").err == 'Error from server (NotFound): deployments.apps "nope" not found\n'
    assert shell.run("scale", "deploy/web").code == 2


def test_rollouts(web: Cluster, shell: Shell) -> None:
    assert shell.say("rollout", "status", "deployment/web") == ['deployment "web" successfully rolled out']
    assert shell.say("rollout", "restart", "deploy", "web") == ["deployment.apps/web restarted"]
    assert shell.say("rollout", "status", "deploy/web")[-1] == 'deployment "web" successfully rolled out'
    history = shell.say("rollout", "history", "deploy/web")
    assert history[:3] == ["deployment.apps/web ", "REVISION  CHANGE-CAUSE", "1         <none>"]
    assert "Pod Template:" in shell.say("rollout", "history", "deploy/web", "--revision", "1")
    assert shell.say("rollout", "undo", "deploy/web") == ["deployment.apps/web rolled back"]
    missing = shell.run("rollout", "undo", "deploy/web", "--to-revision", "77")
    assert (missing.code, missing.err) == (1, "error: unable to find specified revision 77 in history\n")
    assert shell.say("rollout", "pause", "deploy/web") == ["deployment.apps/web paused"]
    assert shell.run("rollout", "pause", "deploy/web").err == 'error: deployments.apps "web" is already paused\n'
    assert shell.say("rollout", "resume", "deploy/web") == ["deployment.apps/web resumed"]


def test_nodes_leave_service_and_come_back(web: Cluster, shell: Shell) -> None:
    assert shell.say("cordon", "node-1") == ["node/node-1 cordoned"]
    assert shell.say("cordon", "node-1") == ["node/node-1 already cordoned"]
    assert shell.say("get", "node", "node-1")[1].split()[1] == "Ready,SchedulingDisabled"
    assert shell.say("uncordon", "node-1") == ["node/node-1 uncordoned"]
    there = [one.metadata.name for one in web.list("pods", fields="spec.nodeName=node-1")]
    lines = shell.say("drain", "node-1", "--ignore-daemonsets")
    assert lines[0] == "node/node-1 cordoned"
    assert {f"pod/{name} evicted" for name in there} <= {*lines}
    assert lines[-1] == "node/node-1 drained"
    web.apply(pod("alone"))
    web.wait("pod/alone")
    refused = shell.run("drain", "node-2")
    assert refused.code == 1
    assert 'unable to drain node "node-2"' in refused.err
    assert "use --force to override" in refused.err
    assert shell.run("drain").code == 2


def test_labels_annotations_and_patches(cluster: Cluster, shell: Shell) -> None:
    assert shell.say("label", "node", "node-1", "disk=ssd", "zone=") == ["node/node-1 labeled"]
    assert shell.say("label", "node/node-1", "disk=ssd") == ["node/node-1 not labeled"]
    taken = shell.run("label", "node/node-1", "disk=hdd")
    assert (taken.code, taken.err) == (1, "error: 'disk' already has a value (ssd), and --overwrite is false\n")
    assert shell.say("label", "node/node-1", "disk=hdd", "--overwrite") == ["node/node-1 labeled"]
    assert shell.say("label", "nodes", "--all", "disk-") == ["node/node-1 unlabeled", 'label "disk" not found.', "node/node-2 not labeled"]
    assert shell.say("annotate", "node", "node-1", "example.com/why=a=b") == ["node/node-1 annotated"]
    assert cluster.get("node/node-1").metadata.annotations["example.com/why"] == "a=b"
    assert shell.say("patch", "node", "node-1", "-p", '{"spec":{"unschedulable":true}}') == ["node/node-1 patched"]
    assert shell.say("patch", "node", "node-1", "-p", "spec: {unschedulable: true}", "--type", "merge") == [
        "node/node-1 patched (no change)"
    ]
    assert shell.run("patch", "node", "node-1", "-p", "{").code == 2
    assert shell.run("label", "node", "node-1").code == 2
    assert shell.run("label", "nodes", "a=b").code == 2


def test_wait(web: Cluster, shell: Shell) -> None:
    assert shell.say("wait", "deploy/web", "--for", "condition=Available") == ["deployment.apps/web condition met"]
    assert shell.say("wait", "pods", "-l", "app=web", "--for=condition=ready=true")[0].endswith(" condition met")
    assert shell.say("wait", "deploy/web", "--for=jsonpath={.status.replicas}=3") == ["deployment.apps/web condition met"]
    late = shell.run("wait", "deploy/web", "--for=delete", "--timeout=50ms")
    assert (late.code, late.out) == (1, "")
    assert late.err.startswith("error: timed out waiting for the condition on deployments.apps/web")
    web.delete("deployment/web", wait=True)
    assert shell.say("wait", "deploy/web", "--for=delete") == []
    assert shell.run("wait", "pods", "-l", "no=one", "--for=condition=Ready").err == "error: no matching resources found\n"
    assert shell.run("wait", "pods", "--all", "--for=nonsense").code == 2
