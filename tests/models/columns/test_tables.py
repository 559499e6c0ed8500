"""Columns of every kind, by the rules of kubernetes pkg/printers/internalversion/printers.go; and that no object breaks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.models.columns import Column, as_text, cells_of, columns_of, kind_name, table_of
from callboard.models.columns.jsonpath import find
from callboard.models.decode import from_dict
from callboard.models.kinds import Resource, Scheme
from callboard.models.quantity import canonical_quantity, sum_of_quantities
from callboard.models.times import rfc3339
from tests.models.test_round_trips import full, trees

SCHEME = Scheme.builtin()
NOW_S = 1_800_000_000.0
BORN = rfc3339(NOW_S - 200)


def shown(kind: str, document: dict[str, Any]) -> dict[str, str]:
    """The cells of one object by header."""
    resource = SCHEME.lookup(kind)
    tree = {"apiVersion": resource.api_version, "kind": resource.kind, **document}
    tree["metadata"] = {"name": "x", "creationTimestamp": BORN, **tree.get("metadata", {})}
    cells = cells_of(resource, [from_dict(tree, SCHEME)], NOW_S, wide=True)
    return dict(zip(cells.headers, cells.rows[0], strict=True))


CASES = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[f"{case['kind']}, {case['what']}" for case in CASES])
def test_an_object_has_the_cells_that_kubernetes_prints(case: dict[str, Any]) -> None:
    found = shown(case["kind"], case["object"])
    assert {name: found.get(name) for name in case["cells"]} == case["cells"], case["what"]


def test_a_table_of_all_namespaces_begins_with_the_namespace_and_labels_end_it() -> None:
    tree = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "b": "2"}}}
    cells = cells_of(
        SCHEME.lookup("pods"),
        [from_dict(tree, SCHEME)],
        NOW_S,
        with_namespace=True,
        with_kind=True,
        label_columns=["example.com/app", "app"],
        show_labels=True,
    )
    assert (cells.headers[0], cells.headers[-3:]) == ("NAMESPACE", ("APP", "APP", "LABELS"))
    assert (cells.rows[0][:2], cells.rows[0][-3:]) == (("shop", "pod/web"), ("", "web", "app=web,b=2"))


def test_cluster_scoped_kinds_have_no_namespace_column() -> None:
    assert cells_of(SCHEME.lookup("nodes"), [], NOW_S, with_namespace=True).headers[0] == "NAME"


def test_names_carry_the_group() -> None:
    assert [kind_name(SCHEME.lookup(kind)) for kind in ("pods", "deploy")] == ["pod", "deployment.apps"]


def test_a_table_answer_has_typed_cells_and_definitions() -> None:
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    table = table_of(SCHEME.lookup("configmaps"), [from_dict(tree, SCHEME)], NOW_S)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["rows"][0]["cells"] == ["a", 1, "<unknown>"]
    assert [(one["name"], one["type"], one["format"], one["priority"]) for one in table["columnDefinitions"]] == [
        ("Name", "string", "name", 0),
        ("Data", "integer", "", 0),
        ("Age", "string", "", 0),
    ]


# -- user-defined kinds -------------------------------------------------------------------------------------------------------------

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.sea.io}
spec:
  group: sea.io
  scope: Namespaced
  names: {plural: boats, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Sails, type: integer, jsonPath: .spec.sails}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Crew, type: string, jsonPath: '.spec.crew', priority: 1}
    - {name: Launched, type: date, jsonPath: .spec.launched}
    - {name: Afloat, type: boolean, jsonPath: .status.afloat}
  - {name: v0, served: true, storage: false}
"""


@pytest.fixture(name="sea")
def _sea() -> Scheme:
    return SCHEME.with_definition(from_dict(yaml.safe_load(DEFINITION), SCHEME))


def test_a_user_defined_kind_has_the_columns_of_its_definition(sea: Scheme) -> None:
    boat = {
        "apiVersion": "sea.io/v1",
        "kind": "Boat",
        "metadata": {"name": "a"},
        "spec": {"sails": 3, "crew": ["x", "y"], "launched": BORN},
        "status": {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}], "afloat": True},
    }
    empty = {**boat, "spec": {"sails": "three"}, "status": {}}
    cells = cells_of(sea.lookup("boats"), [from_dict(boat, sea), from_dict(empty, sea)], NOW_S, wide=True)
    assert cells.headers == ("NAME", "SAILS", "READY", "CREW", "LAUNCHED", "AFLOAT")
    assert cells.rows == (("a", "3", "True", '["x","y"]', "3m20s", "true"), ("a", "", "", "", "", ""))


def test_columns_with_a_priority_are_wide(sea: Scheme) -> None:
    assert [column.name for column in columns_of(sea.lookup("boats")) if column.wide] == ["Crew"]


def test_a_user_defined_kind_without_columns_shows_its_age(sea: Scheme) -> None:
    assert [column.header for column in columns_of(sea.resource("sea.io/v0", "Boat"))] == ["NAME", "AGE"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.a", [1]),
        ("{.spec.a}", [1]),
        ("$.spec.a", [1]),
        (".spec['b.c']", [2]),
        (r".spec.b\.c", [2]),
        (".spec.list[0].n", [1]),
        (".spec.list[-1].n", [2]),
        (".spec.list[*].n", [1, 2]),
        (".spec.list[0:1].n", [1]),
        ('.spec.list[?(@.k=="y")].n', [2]),
        (".spec.list[?(@.n!=1)].k", ["y"]),
        (".spec.list[?(@.n==2)].k", ["y"]),
        (".spec.list[9].n", []),
        (".spec.nothing.here", []),
        (".spec.list[?(", []),
        ("..a", []),
    ],
)
def test_paths_of_columns(path: str, found: list[Any]) -> None:
    tree = {"spec": {"a": 1, "b.c": 2, "list": ({"n": 1, "k": "x"}, {"n": 2, "k": "y"})}}
    assert [*find(tree, path)] == found


# -- quantities ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        (2, "2"),
        ("2000", "2k"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1.5Gi", "1536Mi"),
        ("0", "0"),
        ("1e3", "1k"),
        ("1n", "1n"),
        ("100u", "100u"),
        (None, "0"),
        ("what", "what"),
    ],
)
def test_a_quantity_is_canonical_as_kubernetes_writes_it(value: Any, text: str) -> None:
    assert canonical_quantity(value) == text


def test_sums_of_quantities() -> None:
    assert sum_of_quantities(["250m", "1", None, "what"]) == "1250m"
    assert sum_of_quantities(["512Mi", "1Gi"]) == "1536Mi"


# -- nothing breaks a column --------------------------------------------------------------------------------------------------------

ALL = [*SCHEME.resources]


@pytest.mark.parametrize("resource", ALL, ids=lambda one: f"{one.api_version}-{one.kind}")
def test_an_empty_object_of_every_kind_has_all_its_cells(resource: Resource) -> None:
    cells = cells_of(resource, [{"metadata": {}}, {}, {"spec": 3, "status": [], "metadata": "x"}], NOW_S, wide=True)
    assert all(len(row) == len(cells.headers) for row in cells.rows)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_no_object_breaks_its_columns_and_every_cell_is_one_line(data: st.DataObject) -> None:
    resource = data.draw(st.sampled_from(ALL))
    tree = full(data.draw(trees(resource.definition)), resource)
    cells = cells_of(resource, [from_dict(tree, SCHEME, strict=False)], NOW_S, wide=True, with_namespace=True, show_labels=True)
    assert len(cells.rows[0]) == len(cells.headers)
    assert not [cell for cell in cells.rows[0] if len(cell.splitlines()) > 1 or "\t" in cell]


FIELDS = st.sampled_from(["name", "type", "status", "state", "ports"])
PARTS = st.sampled_from(["metadata", "spec", "status", "data", "usage"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(FIELDS, below, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(resource=st.sampled_from(ALL), tree=st.dictionaries(PARTS, JUNK, max_size=4))
def test_not_even_a_tree_of_other_types_breaks_columns(resource: Resource, tree: dict[str, Any]) -> None:
    cells = cells_of(resource, [tree], NOW_S, wide=True)
    assert len(cells.rows[0]) == len(cells.headers)


def test_a_cell_ends_with_its_first_line_and_a_terminal_obeys_nothing_in_it() -> None:
    assert as_text("one\ntwo") == "one..."
    assert as_text("\x1b[31mred\tish\x07\x9b\x7f") == "^[[31mred ish^G\\x9b^?"


def test_columns_answer_for_single_objects() -> None:
    name, *_rest = columns_of(SCHEME.lookup("configmaps"))
    assert isinstance(name, Column)
    assert name.cell({"metadata": {"name": "a"}}, NOW_S) == "a"
