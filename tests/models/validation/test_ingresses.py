"""Ingresses and IngressClasses that make no sense. Source: kubernetes pkg/apis/networking/validation."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze
from callboard.models.generic import GenericObject
from callboard.models.kinds import Scheme
from callboard.models.validation import validate

API = "networking.k8s.io/v1"
WEB = {"service": {"name": "web", "port": {"number": 80}}}
PATH = "spec.rules[0].http.paths[0]"


def problems(spec: Any, annotations: dict[str, str] | None = None, before: Any = None, kind: str = "Ingress") -> list[str]:
    namespace, resource = ("default", "ingresses") if kind == "Ingress" else ("", "ingressclasses")

    def made(tree: Any) -> GenericObject:
        meta = ObjectMeta(name="x", namespace=namespace, annotations=FrozenMap(annotations or {}))
        return GenericObject(api_version=API, kind=kind, metadata=meta, content=freeze({"spec": tree}))

    old = None if before is None else made(before)
    return [str(one) for one in validate(made(spec), Scheme.builtin().stored(f"{resource}.networking.k8s.io"), old)]


def rule(**path: Any) -> dict[str, Any]:
    return {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": WEB, **path}]}}]}


@pytest.mark.parametrize(
    "spec",
    [
        {"defaultBackend": WEB},
        rule(),
        rule(path="", pathType="ImplementationSpecific"),
        rule(path="/a//b", pathType="ImplementationSpecific"),
        rule(backend={"resource": {"apiGroup": "a.io", "kind": "Bucket", "name": "b"}}),
        rule(backend={"service": {"name": "web", "port": {"name": "http"}}}),
        {**rule(), "rules": [{"host": "*.shop.local", **rule()["rules"][0]}], "tls": [{"hosts": ["*.shop.local"], "secretName": "cert"}]},
        {"rules": [{"host": "shop.local"}]},
    ],
)
def test_what_makes_sense_is_taken(spec: dict[str, Any]) -> None:
    assert problems(spec) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"),
        (rule(path="a"), f'{PATH}.path: Invalid value: "a": must be an absolute path'),
        (rule(path="", pathType="Exact"), f'{PATH}.path: Invalid value: "": must be an absolute path'),
        (rule(path="a", pathType="ImplementationSpecific"), f'{PATH}.path: Invalid value: "a": must be an absolute path'),
        (rule(path="/a//b"), f"{PATH}.path: Invalid value: \"/a//b\": must not contain '//'"),
        (rule(path="/a%2fb"), f"{PATH}.path: Invalid value: \"/a%2fb\": must not contain '%2f'"),
        (rule(path="/a/.."), f"{PATH}.path: Invalid value: \"/a/..\": cannot end with '/..'"),
        (
            rule(pathType="Regex"),
            f'{PATH}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"',
        ),
        (rule(backend={}), f"{PATH}.backend: Required value: resource or service backend is required"),
        (
            rule(backend={**WEB, "resource": {"kind": "Bucket", "name": "b"}}),
            f'{PATH}.backend: Invalid value: "": cannot set both resource and service backends',
        ),
        (
            rule(backend={"service": {"name": "web", "port": {}}}),
            f"{PATH}.backend.service.port: Required value: port name or number is required",
        ),
        (
            rule(backend={"service": {"name": "web", "port": {"name": "http", "number": 80}}}),
            f'{PATH}.backend.service.port: Invalid value: "": cannot set both port name & port number',
        ),
        (
            rule(backend={"service": {"name": "web", "port": {"number": 70000}}}),
            f"{PATH}.backend.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        ({"rules": [{"host": "10.0.0.1"}]}, 'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'),
        ({"rules": [{"http": {"paths": []}}]}, "spec.rules[0].http.paths: Required value"),
    ],
)
def test_what_makes_none_is_refused_in_kubernetes_words(spec: dict[str, Any], words: str) -> None:
    assert problems(spec) == [words]


@pytest.mark.parametrize("host", ["a.*.local", "*local", "*", "*.*.local"])
def test_a_wildcard_stands_for_the_first_label_only(host: str) -> None:
    (words,) = problems({"rules": [{"host": host}]})
    assert words.startswith(f'spec.rules[0].host: Invalid value: "{host}": a wildcard DNS-1123 subdomain must start with')


def test_a_new_ingress_names_its_class_in_one_way_only() -> None:
    both = {**rule(), "ingressClassName": "ours"}
    words = 'metadata.annotations.kubernetes.io/ingress.class: Invalid value: "ours": can not be set when the class field is also set'
    assert problems(both, {"kubernetes.io/ingress.class": "ours"}) == [words]
    assert problems(both, {"kubernetes.io/ingress.class": "ours"}, before=both) == []


@pytest.mark.parametrize(
    ("controller", "words"),
    [
        ("example.com/ours", []),
        ("", ["spec.controller: Required value"]),
        ("ours", ['spec.controller: Invalid value: "ours": must be a domain-prefixed path (such as "acme.io/foo")']),
    ],
)
def test_a_class_says_whose_it_is(controller: str, words: list[str]) -> None:
    assert problems({"controller": controller}, kind="IngressClass") == words


def test_a_class_is_never_anybody_elses() -> None:
    words = ['spec.controller: Invalid value: "a.io/b": field is immutable']
    assert problems({"controller": "a.io/b"}, before={"controller": "a.io/a"}, kind="IngressClass") == words
