"""What a user hears of bad input: where it is, what was expected, and nothing of that document is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard import ApiError, Cluster, NotFound
from callboard.models.errors import YamlError

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: LABEL}}
    spec:
      containers:
      - name: web
        image: web:1
        ports:
        - containerPort: PORT
"""


def test_yaml_that_does_not_parse_names_file_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n")
    with Cluster(nodes=1) as c, pytest.raises(YamlError, match=r"app\.yaml:\d+:\d+: "):
        c.apply(file)


def test_a_field_of_wrong_type_names_its_path_and_what_was_expected() -> None:
    with Cluster(nodes=1) as c:
        with pytest.raises(ApiError) as caught:
            c.apply(DEPLOYMENT.replace("PORT", "eighty").replace("LABEL", "web"))
        assert "spec.template.spec.containers[0].ports[0].containerPort" in str(caught.value)
        assert "integer" in str(caught.value)
        with pytest.raises(NotFound):
            c.get("deployment/web")


def test_an_unknown_kind_is_named() -> None:
    with Cluster(nodes=1) as c, pytest.raises(ApiError, match="Gizmo"):
        c.apply({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "g"}})


def test_an_unknown_field_is_refused_by_its_path() -> None:
    with Cluster(nodes=1) as c, pytest.raises(ApiError, match=r'unknown field "data2"'):
        c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data2": {}})


def test_the_other_documents_are_applied_and_reported_one_by_one() -> None:
    good = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "good"}, "data": {"a": "b"}}
    bad = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}, "data": {"a": 1}}
    with Cluster(nodes=1) as c:
        results = c.apply_each([bad, good])
        assert [result.verb for result in results] == ["failed", "created"]
        assert "data" in str(results[0].error)
        assert c.get("configmap/good").data["a"] == "b"
        with pytest.raises(ApiError):
            c.apply([bad, good])


def test_a_selector_that_does_not_match_its_template_gets_kubernetes_own_message() -> None:
    with Cluster(nodes=1) as c, pytest.raises(ApiError, match="`selector` does not match template `labels`"):
        c.apply(DEPLOYMENT.replace("PORT", "80").replace("LABEL", "other"))


def test_a_pod_too_large_for_every_node_stays_pending_with_the_reason_counted() -> None:
    container = {"name": "big", "image": "big:1", "resources": {"requests": {"cpu": "1000"}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"}, "spec": {"containers": [container]}}
    with Cluster(nodes=3) as c:
        c.apply(pod)
        seen = c.wait("pod/big", "PodScheduled=False", timeout=10)
        condition = next(condition for condition in seen.status.conditions if condition.type == "PodScheduled")
        assert condition.reason == "Unschedulable"
        assert condition.message.startswith("0/3 nodes are available: 3 Insufficient cpu.")
