"""Selectors match what Kubernetes' match, in kubectl's form and in the form of specs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from callboard.models.api.meta import LabelSelector, LabelSelectorRequirement
from callboard.models.base import FrozenMap, freeze
from callboard.models.errors import BadRequest
from callboard.models.selectors import EVERYTHING, FieldSelector, label_selector, parse_fields, parse_labels, selector_of, selector_of_map

LABELS = {"app": "web", "tier": "front", "empty": "", "size": "7"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=api", False),
        ("app!=api", True),
        ("app!=web", False),
        ("absent!=x", True),
        ("app in (api, web)", True),
        ("app in (api)", False),
        ("app notin (api,db)", True),
        ("absent notin (a)", True),
        ("app,tier", True),
        ("absent", False),
        ("!absent", True),
        ("!app", False),
        ("empty=", True),
        ("app in (web),tier notin (back),!absent", True),
        ("example.com/x!=1,app=web", True),
        ("size>6", True),
        ("size > 7", False),
        ("size<8,size>-1", True),
        ("app<8", False),
        ("absent>1", False),
    ],
)
def test_the_form_of_kubectl(text: str, matches: bool) -> None:
    assert parse_labels(text).matches(LABELS) == matches


@pytest.mark.parametrize(
    "text", ["a=b=c", "a in b", "a in (b", "a b", "=b", "a>", "a>b", "a=b;c", "-a", "a/", "a in (b;c)", "(a)", "a!!=b", "!a=b"]
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="unable to parse requirement"):
        parse_labels(text)


def requirement(operator: str, *values: str, key: str = "app") -> LabelSelector:
    return LabelSelector(match_expressions=(LabelSelectorRequirement(key=key, operator=operator, values=values),))


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        (LabelSelector(), True),
        (LabelSelector(match_labels=FrozenMap(app="web")), True),
        (LabelSelector(match_labels=FrozenMap(app="web", tier="back")), False),
        (requirement("In", "web", "api"), True),
        (requirement("NotIn", "web"), False),
        (requirement("NotIn", "web", key="absent"), True),
        (requirement("Exists"), True),
        (requirement("DoesNotExist"), False),
    ],
)
def test_the_form_of_specs(selector: LabelSelector | None, matches: bool) -> None:
    assert selector_of(selector).matches(LABELS) == matches


def test_no_selector_matches_nothing_at_all() -> None:
    assert not selector_of(None).matches({})
    assert not selector_of(None).matches({"": ""})
    assert EVERYTHING.empty
    assert not selector_of(None).empty


def test_equal_selectors_are_compiled_once() -> None:
    assert selector_of(LabelSelector(match_labels=FrozenMap(a="b"))) is selector_of(LabelSelector(match_labels=FrozenMap(a="b")))


def test_the_selector_of_a_service_is_a_map() -> None:
    assert selector_of_map({"app": "web"}).matches(LABELS)
    assert not selector_of_map({"app": "web", "x": "y"}).matches(LABELS)


POD = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: b}, spec: {nodeName: n, hostNetwork: true}, status: {phase: Running}}"


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name==a,metadata.namespace=b", True),
        ("metadata.name!=a", False),
        ("spec.nodeName=n,status.phase!=Failed", True),
        ("spec.nodeName=", False),
        ("spec.hostNetwork=true", True),
        ("spec.priority=", True),
        ("spec.affinity.deep=", True),
        ("status.podIP!=10.0.0.1", True),
    ],
)
def test_fields_are_named_as_on_the_wire(read: Callable[[str], Any], text: str, matches: bool) -> None:
    assert parse_fields(text).matches(read(POD)) == matches


def test_an_index_can_ask_what_a_field_must_be() -> None:
    selector = parse_fields("spec.nodeName=n,status.phase!=Failed")
    assert selector.required("spec", "node_name") == "n"
    assert selector.required("status", "phase") is None
    assert FieldSelector().required("spec", "node_name") is None


def test_what_is_no_field_selector_is_refused() -> None:
    with pytest.raises(BadRequest, match='invalid selector: "metadata.name"'):
        parse_fields("metadata.name")


@pytest.mark.parametrize("form", [dict, freeze], ids=["plain", "frozen"])
def test_a_selector_in_a_tree_is_the_struct_it_stands_for_and_null_is_absent(form: Callable[[Any], Any]) -> None:
    one = LabelSelectorRequirement(key="tier", operator="In", values=("web", "api"))
    tree = {"matchLabels": {"app": "shop"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}]}
    assert label_selector(form(tree)) == LabelSelector(match_labels=FrozenMap({"app": "shop"}), match_expressions=(one,))
    exists = LabelSelectorRequirement(key="tier", operator="Exists")
    with_nulls = {"matchLabels": None, "matchExpressions": [{"key": "tier", "operator": "Exists", "values": None}]}
    assert label_selector(form(with_nulls)) == LabelSelector(match_expressions=(exists,))
    assert label_selector(form({})) == LabelSelector()


@pytest.mark.parametrize("tree", [{"matchLabels": ["app"]}, {"matchExpressions": ["tier"]}, {"matchExpressions": {"key": "tier"}}])
def test_what_is_no_selector_in_a_tree_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        label_selector(tree)
