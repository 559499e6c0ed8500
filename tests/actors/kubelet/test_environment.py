"""What a container finds in its environment, and a volume of the downward API in its files. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.kubelet.downward import downward, formatted, shows_itself
from callboard.actors.kubelet.environment import ConfigMissing, environment, expanded
from callboard.actors.kubelet.pods import PodRecord
from callboard.models.api.core import (
    ConfigMapEnvSource,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    ProjectedVolumeSource,
    ResourceFieldSelector,
    ResourceRequirements,
    SecretKeySelector,
    Volume,
    VolumeProjection,
)
from callboard.models.base import FrozenMap, replace
from tests.actors.kubelet.kit import config_map, container, pod, secret
from tests.actors.kubelet.records import record

CAPACITY = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110"}
RESOURCES = ResourceRequirements(
    limits=FrozenMap({"cpu": "1500m", "memory": "100Mi"}), requests=FrozenMap({"cpu": "250m", "memory": "64Mi"})
)


def from_field(path: str) -> EnvVarSource:
    return EnvVarSource(field_ref=ObjectFieldSelector(field_path=path))


def from_resource(resource: str, divisor: str = "", container_name: str = "") -> EnvVarSource:
    return EnvVarSource(resource_field_ref=ResourceFieldSelector(resource=resource, divisor=divisor, container_name=container_name))


def labelled(*containers: Container, **spec: Any) -> PodRecord:
    made = pod("web", *containers, **spec)
    meta = replace(made.metadata, labels=FrozenMap({"app": "web", "tier": "front"}), annotations=FrozenMap({"note": 'a "b"\nc'}))
    return record(replace(made, metadata=meta))


def value(source: EnvVarSource, **fields: Any) -> str:
    one = container("app", env=(EnvVar(name="X", value_from=source),), **fields)
    return dict(environment(labelled(one), one, "node-1", CAPACITY))["X"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "uid-of-web"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['absent']", ""),
        ("metadata.annotations['note']", 'a "b"\nc'),
        ("spec.nodeName", "node-1"),
        ("status.podIP", "10.0.0.1"),
        ("status.podIPs", "10.0.0.1"),
        ("status.hostIP", "172.16.0.1"),
        ("status.hostIPs", "172.16.0.1"),
    ],
)
def test_fields_of_the_pod(path: str, expected: str) -> None:
    assert value(from_field(path)) == expected


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", "", "2"),  # 1500m in whole cores, rounded up
        ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "", "1"),
        ("requests.cpu", "100m", "3"),  # 2.5, rounded up
        ("limits.memory", "", str(100 * 2**20)),
        ("limits.memory", "1Mi", "100"),
        ("requests.memory", "1Gi", "1"),
        ("limits.ephemeral-storage", "1Gi", "100"),  # not set: what the node has
        ("requests.ephemeral-storage", "", "0"),
    ],
)
def test_resources_are_counted_in_divisors_rounded_up(resource: str, divisor: str, expected: str) -> None:
    """pkg/api/v1/resource/helpers.go: rounded up; a limit that isn't set is the node's allocatable."""
    assert value(from_resource(resource, divisor), resources=RESOURCES) == expected


def test_a_limit_that_is_not_set_is_what_the_node_has() -> None:
    assert value(from_resource("limits.cpu")) == "4"
    assert value(from_resource("limits.memory", "1Gi")) == "8"


def test_a_resource_of_another_container_is_named() -> None:
    one = container("app", env=(EnvVar(name="X", value_from=from_resource("limits.cpu", "1m", "other")),))
    made = labelled(one, container("other", resources=RESOURCES))
    assert dict(environment(made, one, "node-1", CAPACITY))["X"] == "1500"


def test_later_variables_see_earlier_ones_and_own_ones_win_over_env_from() -> None:
    one = container(
        "app",
        env_from=(EnvFromSource(prefix="P_", config_map_ref=ConfigMapEnvSource(name="cfg")),),
        env=(EnvVar(name="A", value="$(P_a)-$(B)-$$(P_a)"), EnvVar(name="B", value="2"), EnvVar(name="C", value="$(A)")),
    )
    made = record(pod("web", one))
    made.configs = (("configmaps/default/cfg", config_map("cfg", a="1", b="x")),)
    assert environment(made, one, "node-1", CAPACITY) == (
        ("P_a", "1"),
        ("P_b", "x"),
        ("A", "1-$(B)-$(P_a)"),
        ("B", "2"),
        ("C", "1-$(B)-$(P_a)"),
    )


def test_what_is_missing_is_told_in_kubernetes_words_unless_it_is_optional() -> None:
    def made(optional: bool | None, key: str = "k") -> tuple[PodRecord, Container]:
        source = EnvVarSource(secret_key_ref=SecretKeySelector(name="s", key=key, optional=optional))
        one = container("app", env=(EnvVar(name="X", value_from=source),))
        return record(pod("web", one)), one

    absent, one = made(None)
    with pytest.raises(ConfigMissing, match='secret "s" not found'):
        environment(absent, one, "node-1", CAPACITY)
    absent, one = made(True)
    assert environment(absent, one, "node-1", CAPACITY) == ()
    without_key, one = made(None, "other")
    without_key.configs = (("secrets/default/s", secret("s", k="MQ==")),)
    with pytest.raises(ConfigMissing, match="couldn't find key other in Secret default/s"):
        environment(without_key, one, "node-1", CAPACITY)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text(max_size=5), max_size=4), st.text(max_size=30))
def test_expansion_leaves_alone_what_is_no_reference(variables: dict[str, str], text: str) -> None:
    """third_party/forked/golang/expansion: unknown names stay, `$$` is one dollar, and what was put in is not looked at again."""
    if "$" not in text:
        assert expanded(text, variables) == text
    assert expanded("$$(A)", variables) == "$(A)"
    for name, content in variables.items():
        assert expanded(f"$({name})", variables) == content


# -- volumes -----------------------------------------------------------------------------------------------------------------------------


def item(path: str, field: str) -> DownwardAPIVolumeFile:
    return DownwardAPIVolumeFile(path=path, field_ref=ObjectFieldSelector(field_path=field))


def test_volumes_show_fields_and_resources_as_files() -> None:
    cpu = DownwardAPIVolumeFile(path="cpu", resource_field_ref=ResourceFieldSelector(resource="limits.cpu", container_name="app"))
    own = Volume(name="own", downward_api=DownwardAPIVolumeSource(items=(item("labels", "metadata.labels"), cpu)))
    joined = ProjectedVolumeSource(
        sources=(VolumeProjection(downward_api=DownwardAPIProjection(items=(item("who/name", "metadata.name"),))),)
    )
    volumes = (own, Volume(name="all", projected=joined), Volume(name="other"))
    made = labelled(container("app", resources=RESOURCES), volumes=volumes)
    assert downward(made, "node-1", CAPACITY) == (
        ("downward/default/own", {"labels": 'app="web"\ntier="front"', "cpu": "2"}),
        ("downward/default/all", {"who/name": "web"}),
    )
    assert shows_itself(made.pod)
    assert not shows_itself(labelled(container("app"), volumes=(Volume(name="other"),)).pod)


def test_labels_and_annotations_as_files_are_sorted_quoted_and_escaped() -> None:
    """pkg/fieldpath, FormatMap: `key="value"` lines, sorted by key, no newline at the end."""
    assert formatted({"b": "x", "a": 'say "hi"\n'}) == 'a="say \\"hi\\"\\n"\nb="x"'
    assert formatted({}) == ""
