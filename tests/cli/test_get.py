"""`callboard get`: kubectl's columns, forms, words and exit codes."""

from __future__ import annotations

import json

import pytest
import yaml

from callboard import Cluster
from tests.cli.conftest import Shell, pod


def test_a_table_has_kubectl_s_columns_three_spaces_apart(web: Cluster, shell: Shell) -> None:
    lines = shell.say("get", "pods")
    names = [one.metadata.name for one in web.list("pods")]
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert lines[0].index("READY") == len(names[0]) + 3
    assert [line.split()[:4] for line in lines[1:]] == [[name, "1/1", "Running", "0"] for name in names]
    assert shell.say("get", "nodes", "--no-headers")[0].split()[:3] == ["node-1", "Ready", "<none>"]
    assert shell.say("get", "po", "-o", "wide")[0].split()[-5:] == ["NODE", "NOMINATED", "NODE", "READINESS", "GATES"]


def test_several_types_have_a_table_each_with_the_kind_before_the_name(web: Cluster, shell: Shell) -> None:
    lines = shell.say("get", "deploy,svc")
    assert [line.split()[0] for line in lines if line] == ["NAME", "deployment.apps/web", "NAME", "service/web"]
    assert "" in lines
    everything = shell.say("get", "all")
    kinds = ("pod/", "service/", "deployment.apps/", "replicaset.apps/")
    assert all(any(line.startswith(kind) for line in everything) for kind in kinds)
    assert [line.split()[0] for line in shell.say("get", "deploy/web", "svc/web") if line][1::2] == ["deployment.apps/web", "service/web"]


def test_names_labels_fields_and_namespaces_choose(cluster: Cluster, shell: Shell) -> None:
    cluster.apply([pod("a", tier="x"), pod("b", tier="y")])
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    cluster.namespace("shop").apply(pod("c", tier="x"))
    for one in ("a", "b"):
        cluster.wait(f"pod/{one}")
    cluster.namespace("shop").wait("pod/c")

    def names(*words: str) -> list[str]:
        return shell.say("get", *words, "-o", "name")

    assert names("pods") == ["pod/a", "pod/b"]
    assert names("pod", "b", "a") == ["pod/b", "pod/a"]
    assert names("pods", "-l", "tier!=x") == ["pod/b"]
    assert names("pods", "--field-selector", "metadata.name=a") == ["pod/a"]
    assert names("pods", "-n", "shop") == ["pod/c"]
    assert names("pods", "-A") == ["pod/a", "pod/b", "pod/c"]
    assert [line.split()[:2] for line in shell.say("get", "pods", "-A")] == [
        ["NAMESPACE", "NAME"],
        ["default", "a"],
        ["default", "b"],
        ["shop", "c"],
    ]
    assert shell.say("get", "pod", "a", "--show-labels")[1].endswith("   tier=x")
    assert shell.say("get", "pods", "-L", "tier")[0].endswith("   TIER")


def test_forms_for_programs(web: Cluster, shell: Shell) -> None:
    one = json.loads("\n".join(shell.say("get", "deploy", "web", "-o", "json")))
    assert (one["kind"], one["metadata"]["name"], one["apiVersion"]) == ("Deployment", "web", "apps/v1")
    assert one["metadata"]["resourceVersion"].isdigit()
    several = json.loads("\n".join(shell.say("get", "pods", "--json")))
    assert (several["kind"], len(several["items"])) == ("List", 3)
    assert yaml.safe_load("\n".join(shell.say("get", "svc/web", "-o", "yaml")))["spec"]["ports"][0]["port"] == 8080
    assert json.loads("\n".join(shell.say("get", "cm", "-l", "no=one", "-o", "json")))["items"] == []
    assert shell.say("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}") == ["node-1 node-2"]
    assert shell.say("get", "nodes", "-o", 'jsonpath={range .items[*]}{.metadata.name}{"\\t"}{.status.capacity.cpu}{"\\n"}{end}') == [
        "node-1\t4",
        "node-2\t4",
    ]
    assert shell.say("get", "node", "node-1", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}") == ["True"]
    assert shell.say("get", "nodes", "-o", "custom-columns=N:.metadata.name,X:.spec.nothing") == [
        "N        X",
        "node-1   <none>",
        "node-2   <none>",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pods",), "No resources found in default namespace.\n"),
        (("pods", "-n", "shop"), "No resources found in shop namespace.\n"),
        (("pods", "-A"), "No resources found\n"),
        (("ns", "-l", "a=b"), "No resources found\n"),
    ],
)
def test_nothing_found_is_said_on_standard_error_and_is_no_failure(
    cluster: Cluster, shell: Shell, words: tuple[str, ...], said: str
) -> None:
    found = shell.run("get", *words)
    assert (found.code, found.out, found.err) == (0, "", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pod", "x"), 'Error from server (NotFound): pods "x" not found\n'),
        (("deploy/x",), 'Error from server (NotFound): deployments.apps "x" not found\n'),
        (("nonsense",), 'error: the server doesn\'t have a resource type "nonsense"\n'),
        (("pods", "-l", "a in b"), "error: "),
    ],
)
def test_what_is_not_so_is_told_in_kubectl_s_words(cluster: Cluster, shell: Shell, words: tuple[str, ...], said: str) -> None:
    failed = shell.run("get", *words)
    assert failed.code == 1
    assert failed.err.startswith(said) or (said == "error: " and "Error from server (BadRequest)" in failed.err)
    assert failed.out == ""


def test_what_is_there_is_shown_although_something_else_is_missing(cluster: Cluster, shell: Shell) -> None:
    said = shell.run("get", "nodes", "node-1", "node-7", "node-2")
    assert (said.code, said.err) == (1, 'Error from server (NotFound): nodes "node-7" not found\n')
    assert [line.split()[0] for line in said.lines] == ["NAME", "node-1", "node-2"]
    quiet = shell.run("get", "node", "node-7", "--ignore-not-found")
    assert (quiet.code, quiet.out) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Required resource not specified"),
        (("pods/a", "svc"), "there is no need to specify a resource type as a separate argument when passing arguments"),
        (("pods/a/b",), "may not have more than one slash"),
        (("pods", "a", "-l", "x=y"), "name cannot be provided when a selector is specified"),
        (("pods", "a", "-A"), "a resource cannot be retrieved by name across all namespaces"),
        (("pods", "-o", "toml"), "unable to match a printer"),
        (("pods", "-o", "jsonpath={.a[}"), "is no path that is understood here"),
        (("pods", "-o", "custom-columns=A"), "unexpected custom-columns spec: A"),
        (("pods,svc", "-w"), "you may only specify a single resource type"),
        (("pods", "--data", "x", "--cluster", "y"), "give one of them"),
    ],
)
def test_wrong_usage_exits_with_2(cluster: Cluster, shell: Shell, words: tuple[str, ...], said: str) -> None:
    cluster.apply(pod("a"))
    failed = shell.run("get", *words)
    assert (failed.code, failed.out) == (2, "")
    assert said in " ".join(failed.err.split())


def test_without_a_cluster_a_sentence_says_how_to_start_one(shell: Shell) -> None:
    failed = shell.run("get", "pods")
    assert (failed.code, failed.err) == (1, "callboard: no cluster runs; start one with: callboard up\n")
    failed = shell.run("get", "pods", "--cluster", "x")
    assert failed.err == 'callboard: no cluster named "x" runs; none runs at all; start one with: callboard up\n'


def test_on_a_terminal_a_table_is_drawn_by_rich_without_boxes(web: Cluster, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.cli.printing.on_terminal", lambda: True)
    lines = shell.say("get", "pods")
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert len(lines) == 4
    assert not set("".join(lines)) & set("│┃━─┏┓|")
