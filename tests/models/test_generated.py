"""The generated structs say what the schema of Kubernetes says, field by field, and can be generated again."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from callboard.models.api import apiextensions, apps, batch, coordination, core, discovery, meta
from callboard.models.base import Kind, to_snake, wire_name
from callboard.models.codegen.__main__ import PREFIXES, definitions, differing
from callboard.models.kinds import TYPED, Scheme
from callboard.models.schema import definition, kinds_of_schema
from callboard.models.wirenames import WIRE_NAMES

ROOM = Path(__file__).resolve().parents[2] / "models"
MODULES: dict[str, ModuleType] = {
    "apiextensions": apiextensions,
    "apps": apps,
    "batch": batch,
    "coordination": coordination,
    "core": core,
    "discovery": discovery,
    "meta": meta,
}
STRUCTS = [(prefix + name, getattr(MODULES[module], name)) for prefix, (module, _) in PREFIXES.items() for name in MODULES[module].__all__]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    pytest.importorskip("kubernetes_validate", reason="the package with the schema is not installed")
    return definitions()


@pytest.mark.parametrize(("name", "type_"), STRUCTS, ids=[name.rpartition(".")[2] for name, _ in STRUCTS])
def test_a_struct_has_the_fields_of_its_definition(schema: dict[str, Any], name: str, type_: Any) -> None:
    fields = set(type_.__struct_encode_fields__)
    if issubclass(type_, Kind):
        fields |= {"apiVersion", "kind"}
    assert fields == set(schema[name]["properties"])


def test_every_struct_is_frozen_untracked_and_omits_what_is_not_set() -> None:
    for name, type_ in STRUCTS:
        config = type_.__struct_config__
        assert config.frozen, name
        assert not config.gc, name
        assert config.omit_defaults, name
        assert msgspec.to_builtins(type_()) in ({}, {"metadata": {}}), name


def test_the_condensed_schema_knows_every_definition_and_kind(schema: dict[str, Any]) -> None:
    for name, full in schema.items():
        assert set(definition(name).fields) == set(full.get("properties", ())), name
        assert set(definition(name).required) == set(full.get("required", ())) or not full.get("properties"), name
    assert len(kinds_of_schema()) > 60


def test_generating_again_changes_nothing(schema: dict[str, Any]) -> None:
    assert differing(ROOM) == [], "run python -m callboard.models.codegen"
    assert schema


def test_a_stale_or_absent_file_is_told(tmp_path: Path, schema: dict[str, Any]) -> None:
    (tmp_path / "wirenames.py").write_text("WIRE_NAMES = {}\n")
    assert {"wirenames.py", "api/core.py", "data/schema-1.36.json.gz"} <= set(differing(tmp_path))
    assert schema


@pytest.mark.parametrize(
    ("attribute", "wire"),
    [
        ("node_name", "nodeName"),
        ("cluster_ips", "clusterIPs"),
        ("pod_cidr", "podCIDR"),
        ("host_ipc", "hostIPC"),
        ("boot_id", "bootID"),
        ("open_apiv3_schema", "openAPIV3Schema"),
        ("name", "name"),
        ("set_hostname_as_fqdn", "setHostnameAsFQDN"),
    ],
)
def test_an_attribute_and_its_wire_name_lead_to_each_other(attribute: str, wire: str) -> None:
    assert wire_name(attribute) == wire
    assert to_snake(wire) == attribute


def test_wire_names_are_unique() -> None:
    assert len(set(WIRE_NAMES.values())) == len(WIRE_NAMES)


def test_typed_kinds_are_served_as_what_they_are() -> None:
    scheme = Scheme.builtin()
    for (api_version, kind), type_ in TYPED.items():
        resource = scheme.resource(api_version, kind)
        assert resource.type is type_
        assert scheme.lookup(resource.name) is resource
        assert scheme.lookup(kind) is resource
