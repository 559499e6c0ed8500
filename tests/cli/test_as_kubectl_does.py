"""Small ways of kubectl that people's fingers and scripts know."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from callboard import Cluster
from callboard.cli.up import _apply
from callboard.runtime.face.connection import Connected
from callboard.runtime.face.manifests import manifests
from tests.cli.conftest import Shell, pod

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: %s}\n"


def pair(name: str, **labels: str) -> dict[str, Any]:
    """A pod of two containers."""
    made: dict[str, Any] = pod(name, **labels)
    made["spec"]["containers"].append({"name": "side", "image": "talker"})
    return made


def test_what_goes_away_while_all_are_deleted_is_no_error(cluster: Cluster, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.apply([pod("a"), pod("b")])
    listed = Connected.list

    def list_and_lose(self: Connected, kind: str, **how: Any) -> Any:
        found = listed(self, kind, **how)
        cluster.delete("pod/a", grace=0, wait=True)
        return found

    monkeypatch.setattr(Connected, "list", list_and_lose)
    assert shell.say("delete", "pods", "--all", "--wait=false") == ['pod "b" deleted from default namespace']


def test_a_namespace_that_is_named_must_be_that_of_the_manifest(cluster: Cluster, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"{CONFIG % 'default'}---\n{CONFIG % 'kube-system'}")
    words = 'the namespace from the provided object "default" does not match the namespace "kube-system". '
    words += "You must pass '--namespace=default' to perform this operation.\n"
    said = shell.run("apply", "-n", "kube-system", "-f", str(file))
    assert (said.code, said.out, said.err) == (1, "configmap/a created\n", f"{file}:1: error: {words}")
    said = shell.run("delete", "-n", "kube-system", "-f", str(file))
    assert (said.code, said.out, said.err) == (1, 'configmap "a" deleted from kube-system namespace\n', f"error: {words}")
    assert len(shell.say("apply", "-f", str(file))) == 2


def test_standard_input_is_called_so(cluster: Cluster, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a: [\n"))
    assert "STDIN:2:1: " in shell.run("apply", "-f", "-").err
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert "no objects passed to apply: STDIN holds none" in shell.run("apply", "-f", "-").err


def test_a_broken_template_is_refused_before_anything_is_asked(shell: Shell) -> None:
    for form in ("jsonpath={.items[0", "jsonpath-as-json={.a", "custom-columns=A"):
        said = shell.run("get", "pods", "-o", form)
        assert (said.code, said.out) == (2, "")


def test_templates_of_one_object_and_of_a_list_and_of_what_is_applied(cluster: Cluster, shell: Shell, tmp_path: Path) -> None:
    assert shell.run("get", "node", "node-1", "-o", "jsonpath={.metadata.name}").out == "node-1"
    assert shell.run("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").out == "node-1 node-2"
    assert shell.say("get", "nodes", "-o", "jsonpath-as-json={.items[*].metadata.name}") == ["[", '    "node-1",', '    "node-2"', "]"]
    file = tmp_path / "a.yaml"
    file.write_text(CONFIG % "default")
    assert shell.run("apply", "-f", str(file), "-o", "jsonpath={.metadata.name}").out == "a"


def test_a_template_s_own_line_end_is_the_only_one_while_watching(cluster: Cluster, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connected, "watch", lambda *_args, **_how: iter(()))
    for template in ("{.metadata.name}", '{.metadata.name}{"\\n"}'):
        assert shell.run("get", "nodes", "-w", "-o", f"jsonpath={template}").out == "node-1\nnode-2\n"


def test_objects_are_sorted_by_a_field(cluster: Cluster, shell: Shell) -> None:
    cluster.apply([pod("p-2", size="1Gi"), pod("p-10", size="900Mi"), pod("p-1")])
    assert shell.say("get", "pods", "-o", "name", "--sort-by", ".metadata.name") == ["pod/p-1", "pod/p-2", "pod/p-10"]
    assert shell.say("get", "pods", "-o", "name", "--sort-by={.metadata.labels.size}") == ["pod/p-1", "pod/p-10", "pod/p-2"]
    assert [line.split()[0] for line in shell.say("get", "pods", "--sort-by", "metadata.name")] == ["NAME", "p-1", "p-2", "p-10"]
    said = shell.run("get", "pods", "--sort-by", ".spec.nope")
    assert (said.code, said.err) == (1, 'error: couldn\'t find any field with path "{.spec.nope}" in the list of objects\n')


def test_logs_of_several_containers(cluster: Cluster, shell: Shell) -> None:
    cluster.apply([pair("a", app="x"), pair("b", app="x")])
    for name in "ab":
        cluster.wait(f"pod/{name}")
    said = shell.run("logs", "a", "--tail=1")
    assert (said.code, said.out, said.err) == (0, "three\n", 'Defaulted container "main" out of: main, side\n')
    assert shell.say("logs", "a", "side", "--tail=1", "--prefix") == ["[pod/a/side] three"]
    both = shell.say("logs", "-l", "app=x", "--all-containers", "--prefix", "--tail=1")
    assert both == [f"[pod/{name}/{each}] three" for name in "ab" for each in ("main", "side")]
    said = shell.run("exec", "-it", "a", "-c", "side", "--", "ls")
    assert (said.code, said.out) == (0, "ls <>")
    assert said.err.startswith("Warning: there is no terminal (-t) here")
    assert shell.run("exec", "a", "--", "ls").err == 'Defaulted container "main" out of: main, side\n'
    assert shell.run("logs", "-l", "app=nope").err == "No resources found in default namespace.\n"
    for wrong in (("a", "-l", "app=x"), ("a", "side", "-c", "main"), ("a", "side", "--all-containers"), ("-l", "app=x", "-f"), ()):
        assert shell.run("logs", *wrong).code == 2


@pytest.fixture(autouse=True)
def _input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdin", Empty())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("A B=c",), 'invalid label key "A B": name part must consist of alphanumeric characters'),
        (("=1",), "invalid label spec: =1: there is no key before the equals sign"),
        (("x=1", "x-"), "can not both modify and remove a label in the same command"),
        (("kubernetes.io/hostname=a b",), 'invalid label value: "kubernetes.io/hostname=a b": a valid label must be'),
        (("x=1", "node-2"), "all resources must be specified before label changes: node-2"),
    ],
)
def test_a_label_that_makes_no_sense_is_told_as_such(cluster: Cluster, shell: Shell, words: tuple[str, ...], said: str) -> None:
    failed = shell.run("label", "node", "node-1", *words)
    assert failed.code == 2
    assert said in " ".join(failed.err.split())


def test_taints(cluster: Cluster, shell: Shell) -> None:
    assert shell.say("taint", "nodes", "node-1", "a=b:NoSchedule", "c:NoExecute") == ["node/node-1 tainted"]
    taken = shell.run("taint", "node", "node-1", "a=x:NoSchedule")
    assert (taken.code, taken.err) == (1, "error: node node-1 already has a taint(s) with same effect(s) and --overwrite is false\n")
    assert shell.say("taint", "node", "node-1", "a=x:NoSchedule", "c-", "--overwrite") == ["node/node-1 modified"]
    assert [(one.key, one.value, one.effect) for one in cluster.get("node/node-1").spec.taints] == [("a", "x", "NoSchedule")]
    assert shell.say("taint", "node", "node-1", "a:NoSchedule-") == ["node/node-1 untainted"]
    assert cluster.get("node/node-1").spec.taints == ()
    assert shell.run("taint", "node", "node-1", "a-").err == 'error: taint "a" not found\n'
    assert shell.say("taint", "nodes", "--all", "a:PreferNoSchedule") == ["node/node-1 tainted", "node/node-2 tainted"]
    for wrong in (("node", "node-1"), ("pod", "x", "a-"), ("nodes", "a-"), ("node", "node-1", "a:NoExecute", "a-")):
        assert shell.run("taint", *wrong).code == 2


def test_a_wait_for_a_value_says_which_one_there_is(cluster: Cluster, shell: Shell) -> None:
    said = shell.run("wait", "node/node-1", "--for=jsonpath={.metadata.name}=other", "--timeout=50ms")
    assert said.err == "error: timed out waiting for the condition on nodes/node-1: {.metadata.name} is node-1\n"
    said = shell.run("wait", "node/node-1", "--for=condition=Nope", "--timeout=50ms")
    assert "it has no condition Nope yet; the conditions that it has: " in said.err
    assert "Ready=True (KubeletReady)" in said.err


@pytest.mark.parametrize("name", ["create", "edit", "set", "run", "expose", "replace"])
def test_a_command_of_kubectl_that_is_missing_names_what_to_use(shell: Shell, name: str) -> None:
    said = shell.run(name, "deployment", "x", "--image=y")
    assert said.code == 2
    assert f"there is no {name} here; " in said.err
    assert "callboard" in said.err


def test_a_revision_is_shown_as_a_description_shows_a_template(web: Cluster, shell: Shell) -> None:
    lines = shell.say("rollout", "history", "deploy/web", "--revision=1")
    assert lines[:2] == ["deployment.apps/web with revision #1", "Pod Template:"]
    assert lines[2].split() == ["Labels:", "app=web"]
    assert "  Containers:" in lines
    assert not any("pod-template-hash" in line for line in lines)


def test_up_refuses_an_empty_name_and_a_file_that_is_no_manifest(shell: Shell, tmp_path: Path) -> None:
    assert shell.run("up", "--name", "").code == 2
    file = tmp_path / "bad.yaml"
    file.write_text("a: [\n")
    said = shell.run("up", "-f", str(file))
    assert (said.code, said.out) == (1, "")
    assert "bad.yaml:2:1: " in said.err


def test_up_says_how_many_objects_could_not_be_applied(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    bad = pod("BAD")
    assert _apply(cluster, manifests([pod("good"), bad])) == 1
    said = capsys.readouterr()
    assert said.out == "pod/good created\n"
    assert said.err.startswith('item 1: pod/BAD: Pod "BAD" is invalid: metadata.name')
    assert said.err.endswith("callboard: 1 of 2 objects could not be applied; the cluster is up without, and will exit with 1\n")


def test_a_drain_that_takes_too_long_says_its_limit_once(cluster: Cluster, shell: Shell) -> None:
    cluster.apply({**pod("held", app="x"), "metadata": {"name": "held", "labels": {"app": "x"}, "finalizers": ["example.com/held"]}})
    node = cluster.wait("pod/held").spec.node_name
    said = shell.run("drain", node, "--force=true", "--timeout=50ms")
    assert said.code == 1
    assert f"node {node} is not drained after 0.05 s; still there: default/held" in said.err
