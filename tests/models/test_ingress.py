"""The Ingress rules as pure functions: the table of the documentation, hosts, merging, classes, paths in disguise."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze
from callboard.models.generic import GenericObject
from callboard.models.ingress import (
    CONTROLLER,
    DEFAULT_CLASS,
    Backends,
    IngressTable,
    Routing,
    certificate_hosts,
    default_class,
    host_of,
    matched_path,
    matches_host,
    merged,
    ownership,
    rules_of,
    with_endpoints,
)

NUMBERS = itertools.count()


def ingress(name: str, *rules: tuple[str, str, str, str], age: int = 0, default: str = "", **spec: Any) -> GenericObject:
    """An Ingress of rules (host, path, type, service); the higher its age, the older it is."""
    hosts: dict[str, list[Any]] = {}
    for host, path, kind, service in rules:
        backend = {"service": {"name": service, "port": {"number": 80}}}
        hosts.setdefault(host, []).append({"path": path, "pathType": kind, "backend": backend})
    content: dict[str, Any] = {"rules": [{"host": host, "http": {"paths": paths}} for host, paths in hosts.items()], **spec}
    if default:
        content["defaultBackend"] = {"service": {"name": default, "port": {"name": "http"}}}
    created = f"2026-01-01T00:{30 - age:02}:00Z"
    meta = ObjectMeta(name=name, namespace="default", uid=name, creation_timestamp=created)
    return GenericObject(api_version="networking.k8s.io/v1", kind="Ingress", metadata=meta, content=freeze({"spec": content}))


def routed(host: str, path: str, *ingresses: GenericObject) -> str:
    """The name of the Service that a request goes to."""
    key = Routing(merged([rules_of(one) for one in ingresses])[0]).route(host, path)
    return key.partition("/")[2].partition(":")[0]


@pytest.mark.parametrize(
    ("rules", "path", "wanted"),
    [
        ([("Prefix", "/")], "/any/path", "/"),
        ([("Exact", "/foo")], "/foo", "/foo"),
        ([("Exact", "/foo")], "/bar", ""),
        ([("Exact", "/foo")], "/foo/", ""),
        ([("Exact", "/foo/")], "/foo", ""),
        ([("Prefix", "/foo")], "/foo", "/foo"),
        ([("Prefix", "/foo")], "/foo/", "/foo"),
        ([("Prefix", "/foo/")], "/foo", "/foo/"),
        ([("Prefix", "/foo/")], "/foo/", "/foo/"),
        ([("Prefix", "/aaa/bb")], "/aaa/bbb", ""),
        ([("Prefix", "/aaa/bbb")], "/aaa/bbb", "/aaa/bbb"),
        ([("Prefix", "/aaa/bbb/")], "/aaa/bbb", "/aaa/bbb/"),
        ([("Prefix", "/aaa/bbb")], "/aaa/bbb/", "/aaa/bbb"),
        ([("Prefix", "/aaa/bbb")], "/aaa/bbb/ccc", "/aaa/bbb"),
        ([("Prefix", "/aaa/bbb")], "/aaa/bbbxyz", ""),
        ([("Prefix", "/"), ("Prefix", "/aaa")], "/aaa/ccc", "/aaa"),
        ([("Prefix", "/"), ("Prefix", "/aaa"), ("Prefix", "/aaa/bbb")], "/aaa/bbb", "/aaa/bbb"),
        ([("Prefix", "/"), ("Prefix", "/aaa"), ("Prefix", "/aaa/bbb")], "/ccc", "/"),
        ([("Prefix", "/aaa")], "/ccc", ""),
        ([("Prefix", "/foo"), ("Exact", "/foo")], "/foo", "exact"),
        ([("ImplementationSpecific", "/foo")], "/foo/bar", "/foo"),
        ([("Prefix", "/FOO")], "/foo", ""),
        ([("Prefix", "/a")], "/" + "a/" * 1000, "/a"),
        ([("Prefix", "/aa")], "/" + "a/" * 1000, ""),
    ],
)
def test_paths_match_as_the_documented_table_says(rules: list[tuple[str, str]], path: str, wanted: str) -> None:
    services = ["exact" if kind == "Exact" and len(rules) > 1 else f"s{number}" for number, (kind, _) in enumerate(rules)]
    names = dict(zip(services, ["exact" if name == "exact" else rule[1] for name, rule in zip(services, rules, strict=True)], strict=True))
    one = ingress("one", *(("", rule[1], rule[0], service) for rule, service in zip(rules, services, strict=True)))
    assert names.get(routed("any.host", path, one), "") == wanted


@pytest.mark.parametrize(
    ("pattern", "host", "wanted"),
    [
        ("*.foo.com", "bar.foo.com", True),
        ("*.foo.com", "baz.bar.foo.com", False),
        ("*.foo.com", "foo.com", False),
        ("*.foo.com", ".foo.com", False),
        ("foo.com", "foo.com", True),
        ("foo.com", "bar.foo.com", False),
    ],
)
def test_wildcard_hosts_stand_for_exactly_one_label(pattern: str, host: str, wanted: bool) -> None:
    assert matches_host(pattern, host) is wanted
    assert (routed(host, "/", ingress("one", (pattern, "/", "Prefix", "web"))) == "web") is wanted


def test_a_host_that_is_named_comes_before_wildcards_and_these_before_rules_of_all_hosts() -> None:
    one = ingress("one", ("a.foo.com", "/", "Prefix", "named"), ("*.foo.com", "/", "Prefix", "wild"), ("", "/", "Prefix", "all"))
    assert [routed(host, "/x", one) for host in ("a.foo.com", "b.foo.com", "foo.com", "")] == ["named", "wild", "all", "all"]


def test_a_path_that_a_host_lacks_is_looked_for_in_wider_rules_and_then_in_default_backends() -> None:
    one = ingress(
        "one", ("a.foo.com", "/a", "Prefix", "named"), ("*.foo.com", "/b", "Prefix", "wild"), ("", "/c", "Prefix", "all"), default="rest"
    )
    assert [routed("a.foo.com", path, one) for path in ("/a", "/b", "/c", "/d")] == ["named", "wild", "all", "rest"]


def test_of_two_ingresses_with_the_same_path_the_older_one_wins_and_the_other_is_told() -> None:
    older, younger = ingress("z-older", ("a.b", "/x", "Prefix", "old"), age=5), ingress("a-younger", ("a.b", "/x", "Prefix", "new"), age=1)
    for order in ((older, younger), (younger, older)):
        assert routed("a.b", "/x", *order) == "old"
    conflicts = merged([rules_of(younger), rules_of(older)])[1]
    assert [(one.loser, one.winner, one.path) for one in conflicts] == [("default/a-younger", "default/z-older", "/x")]
    assert routed("a.b", "/x", younger) == "new"


def test_ingresses_of_one_host_are_merged() -> None:
    first, second = ingress("first", ("a.b", "/", "Prefix", "front")), ingress("second", ("a.b", "/api", "Prefix", "api"), default="lost")
    assert [routed("a.b", path, first, second) for path in ("/", "/api/x", "/apix")] == ["front", "api", "front"]


def test_default_backends_serve_their_own_hosts_first_and_the_oldest_serves_the_rest() -> None:
    one = ingress("one", ("a.b", "/x", "Prefix", "x"), default="rest-of-a", age=1)
    two = ingress("two", ("c.d", "/x", "Prefix", "x"), default="rest-of-c", age=9)
    assert [routed(host, "/y", one, two) for host in ("a.b", "c.d", "e.f")] == ["rest-of-a", "rest-of-c", "rest-of-c"]


def test_without_any_rule_nothing_is_routed() -> None:
    assert routed("a.b", "/", ingress("empty")) == ""
    assert Routing(IngressTable()).route("", "") == ""


def test_endpoints_are_filled_in_by_their_targets() -> None:
    table, _ = merged([rules_of(ingress("one", ("", "/", "Prefix", "web")))])
    assert table.backends == (Backends("default/web:80", ()),)
    assert with_endpoints(table, {"default/web:80": (("10.0.0.1", 80),)}).backends == (Backends("default/web:80", (("10.0.0.1", 80),)),)


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("/", "/"),
        ("/a?b=/../c", "/a"),
        ("/a#b", "/a"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/..", None),
        ("/a/../../b", None),
        ("/%2e%2e/b", None),
        ("/a/%2E%2E%2Fb", "/b"),
        ("/%41", "/A"),
        ("/%zz", "/%zz"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/%ff", "/\udcff"),
    ],
)
def test_paths_are_compared_as_servers_understand_them(target: str, wanted: str | None) -> None:
    assert matched_path(target) == wanted


@given(st.text(alphabet="/.%2eEfF5ca", max_size=30))
def test_no_disguise_leads_above_the_root(rest: str) -> None:
    path = matched_path("/" + rest)
    assert path is None or (path.startswith("/") and ".." not in path.split("/"))


@given(
    st.lists(st.tuples(st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab", "/b"]), st.sampled_from(["Exact", "Prefix"])), max_size=6),
    st.text("/ab", max_size=8),
)
def test_a_route_is_the_longest_match_and_exact_before_prefix(rules: list[tuple[str, str]], rest: str) -> None:
    path = "/" + rest

    def fits(rule: tuple[str, str]) -> bool:
        wanted = rule[0].rstrip("/").split("/")
        return path == rule[0] if rule[1] == "Exact" else path.rstrip("/").split("/")[: len(wanted)] == wanted

    fitting = [rule for rule in rules if fits(rule)]
    best = max(fitting, key=lambda rule: (len(rule[0].rstrip("/") if rule[1] == "Prefix" else rule[0]), rule[1] == "Exact"), default=None)
    names = {f"s{number}": rule for number, rule in enumerate(rules)}
    found = routed("a.b", path, ingress("one", *(("", rule[0], rule[1], name) for name, rule in names.items())))
    if best is None:
        assert found == ""
    else:
        assert (names[found][0].rstrip("/"), names[found][1]) == (best[0].rstrip("/"), best[1])


def test_hosts_are_read_from_headers() -> None:
    assert [host_of(one) for one in ("A.b:80", "a.b.", "[::1]:80", "")] == ["a.b", "a.b", "[::1]", ""]


def kind(name: str, controller: str, created: str = "2026-01-01T00:00:00Z", default: bool = False) -> GenericObject:
    notes = FrozenMap({DEFAULT_CLASS: "true"} if default else {})
    meta = ObjectMeta(name=name, creation_timestamp=created, annotations=notes)
    return GenericObject(
        api_version="networking.k8s.io/v1", kind="IngressClass", metadata=meta, content=freeze({"spec": {"controller": controller}})
    )


def test_an_ingress_is_ours_without_a_class_or_with_one_of_ours() -> None:
    classes = {"ours": kind("ours", CONTROLLER), "nginx": kind("nginx", "k8s.io/ingress-nginx")}
    assert ownership(ingress("none"), classes).ours
    assert ownership(ingress("ours", ingressClassName="ours"), classes).ours
    assert not ownership(ingress("theirs", ingressClassName="nginx"), classes).ours
    lost = ownership(ingress("lost", ingressClassName="gone"), classes)
    assert not lost.ours
    assert '"gone" not found' in lost.problem


def test_the_newest_class_that_is_marked_so_is_the_default() -> None:
    old, new = kind("b-old", "x/y", default=True), kind("a-new", "x/y", "2026-02-01T00:00:00Z", default=True)
    assert default_class([old, new, kind("other", "x/y")]) == "a-new"
    assert default_class([kind("other", "x/y")]) == ""


def test_each_host_s_certificate_is_that_of_the_oldest_ingress_that_names_it() -> None:
    older = ingress("older", tls=[{"hosts": ["a.b", "c.d"], "secretName": "one"}], age=5)
    younger = ingress("younger", tls=[{"hosts": ["a.b", "e.f"], "secretName": "two"}, {"secretName": "rest"}], age=1)
    found = certificate_hosts([rules_of(younger), rules_of(older)])
    assert found == {"default/one": ("a.b", "c.d"), "default/two": ("e.f",), "default/rest": ("",)}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["rules", "http", "paths", "backend", "service", "host", "tls", "hosts", "port", "tls", "path"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_whatever_stands_in_an_ingress_is_read_without_a_fault(tree: Any) -> None:
    odd = GenericObject(
        api_version="v1", kind="Ingress", metadata=ObjectMeta(name="odd", namespace="default"), content=freeze({"spec": tree})
    )
    table, _ = merged([rules_of(odd)])
    Routing(table).route("a.b", "/")
