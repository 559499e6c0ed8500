"""What a user hears of bad input: where it is, what was expected, and nothing of that document is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard import ApiError, CallboardError, Cluster, NotFound, Simulation
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


def _pod_asking_for(cpu: str) -> dict[str, object]:
    container = {"name": "a", "image": "a:1", "resources": {"requests": {"cpu": cpu}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [container]}}


def test_an_absurd_quantity_is_refused_and_takes_no_apiserver_down() -> None:
    with Cluster(nodes=1) as c:
        with pytest.raises(ApiError, match=r"spec\.containers\[0\]\.resources\.requests\.cpu"):
            c.apply(_pod_asking_for("1e999999999"))
        assert c.stats().restarts == 0


def test_replicas_beyond_32_bits_are_refused() -> None:
    with Cluster(nodes=1) as c:
        c.apply(DEPLOYMENT.replace("PORT", "80").replace("LABEL", "web"))
        for replicas in (10**12, 10**30):
            with pytest.raises(ApiError, match="replicas"):
                c.scale("deployment/web", replicas)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n"])
def test_text_without_objects_is_refused_and_never_taken_for_a_folder(text: str) -> None:
    with Cluster(nodes=1) as c, pytest.raises(ApiError, match="no objects passed to apply"):
        c.apply(text)


@pytest.mark.parametrize("value", ["!!bool foo", "!!int foo", "!!float foo"])
def test_a_value_that_is_not_what_its_tag_says_names_its_place(value: str) -> None:
    with Cluster(nodes=1) as c, pytest.raises(YamlError, match="the given text:1: a value is not what its tag says"):
        c.apply(f"kind: ConfigMap\ndata: {{a: {value}}}\n")


def test_what_a_caller_gets_wrong_is_refused_at_the_call() -> None:
    with Simulation(nodes=1, seed=1) as s:
        s.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
        with pytest.raises(ApiError, match="no plain data"):
            s.patch("configmap/a", {"data": {"k": Path("/x")}})
        with pytest.raises(ApiError, match="a patch is one of"):
            s.patch("configmap/a", {}, type="frob")  # type: ignore[arg-type]
        with pytest.raises(ApiError, match="propagation"):
            s.delete("configmap/a", propagation="Sideways")  # type: ignore[arg-type]
        with pytest.raises(ApiError, match="understand|parse"):
            s.watch("pods", selector="((")
        for duration in (-5, float("nan"), "soon"):
            with pytest.raises(ApiError, match="time|duration"):
                s.advance(duration)
        with pytest.raises(TypeError, match="judge"):
            s.links.drop("a", "b", 0.2)  # type: ignore[arg-type]
        s.patch("configmap/a", {"data": {"k": "v"}})
    with pytest.raises(ApiError, match="give a Behaviour"):
        Simulation(nodes=1, images={"a": 5})  # type: ignore[dict-item]


def test_a_damaged_journal_leaves_no_process_daemon_behind(tmp_path: Path) -> None:
    with Cluster(nodes=1, data=tmp_path) as c:
        c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    journal = next(tmp_path.glob("segment-*.journal"))
    content = bytearray(journal.read_bytes())
    content[60] ^= 0xFF
    journal.write_bytes(bytes(content))
    with pytest.raises(CallboardError, match=rf"{journal.name} at byte"):
        Cluster(nodes=1, containers="process", data=tmp_path)
    assert not (tmp_path / "processes").exists()
