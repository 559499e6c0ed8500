"""Whatever a program says on the link, in every kind of request that it knows: it is answered or hung up on, and the cluster goes on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import msgpack
import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callboard import Behaviour, Cluster, connect
from callboard.models import codec
from callboard.models.base import FrozenMap
from callboard.runtime.remote import wire
from callboard.runtime.remote.wire import ANSWER_LIMIT_BYTES, REQUEST_LIMIT_BYTES, FrameBuffer, frame, greeting, unpack
from tests.runtime.remote.conftest import WAIT_S, until

pytestmark = pytest.mark.timeout(180)

REQUEST_TIMEOUT_S = 0.25
TALKER = Behaviour(says=["one"], exec=lambda asked: "ran")
CONTAINER = {"name": "a", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "b"}]}
POD = {"containers": [CONTAINER], "terminationGracePeriodSeconds": 1, "nodeSelector": {"a": "b"}, "priority": 0}
MANIFESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "v1/Pod": ("pods", {"spec": POD}),
    "v1/ConfigMap": ("configmaps", {"data": {"a": "b"}}),
    "v1/Service": ("services", {"spec": {"ports": [{"port": 80, "nodePort": 30000}], "selector": {"a": "b"}}}),
    "v1/Namespace": ("namespaces", {}),
    "apps/v1/Deployment": (
        "deployments.apps",
        {
            "spec": {
                "replicas": 1,
                "revisionHistoryLimit": 1,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}},
            }
        },
    ),
    "*": ("endpoints", {"api_version": "v1", "kind": "Endpoints", "content": {"subsets": [{"b": None, "c": 1}]}}),
}
"""By the name of its type in the link's own form: resource and content of an object."""


def deep(levels: int) -> Any:
    tree: Any = None
    for level in range(levels):
        tree = (tree,) if level % 2 else FrozenMap({"a": tree})
    return tree


INTEGERS = st.sampled_from([-(2**80), -(2**63), -1, 0, 1, 2**31, 2**63, 2**64, 2**80, 16**1000])
FLOATS = st.sampled_from([float("inf"), float("-inf"), float("nan"), 1e300, -1.0, 0.001])
NUMBERS = INTEGERS | FLOATS
TEXTS = st.sampled_from(["", "\udfff", "a\ud800b", "\x00", "a/b", "/", "*", "a" * 70_000, "metadata.name=\udfff", "a in (", "..", "é"])
NOTHINGS = st.sampled_from([None, True, b"\xff", (), FrozenMap(), FrozenMap({"\ud800": 2**80})])
ABSURD = st.one_of(NUMBERS, TEXTS, NOTHINGS, st.sampled_from([30, 300, 900]).map(deep))


def trees(tree: Any) -> st.SearchStrategy[Any]:
    """The tree, with something absurd in one place: mostly of the type that has its place there."""
    inner: st.SearchStrategy[Any] = st.nothing()
    if isinstance(tree, dict) and tree:
        inner = st.sampled_from(sorted(tree)).flatmap(lambda key: trees(tree[key]).map(lambda new: FrozenMap({**tree, key: new})))
    elif isinstance(tree, list | tuple) and tree:
        inner = trees(tree[0]).map(lambda new: (new, *tree[1:]))
    elif isinstance(tree, int):
        inner = INTEGERS
    elif isinstance(tree, str):
        inner = TEXTS
    return st.one_of(*[inner] * 7, ABSURD)


METADATA = {
    "labels": {"a": "b"}, "annotations": {"a": "b"}, "resourceVersion": 1, "generation": 1, "deletionGracePeriodSeconds": 1, "uid": "x",
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "x"}], "creationTimestamp": "x", "generateName": "x",
}  # fmt: skip


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, Any]:
    """Its resource, and an object in the link's own form, of which one place may be absurd; or something that is none."""
    name = draw(st.sampled_from(sorted(MANIFESTS)))
    resource, content = MANIFESTS[name]
    some = draw(st.sets(st.sampled_from(sorted(METADATA)), max_size=1))
    own = {"name": draw(st.sampled_from("abcdefgh"))} | ({} if name == "v1/Namespace" else {"namespace": "default"})
    tree: Any = {"metadata": {**own, **{key: METADATA[key] for key in sorted(some)}}, **content}
    if draw(st.integers(0, 3)):
        tree = draw(trees(tree))
    if not isinstance(tree, dict):
        return resource, tree
    try:
        packed = msgspec.msgpack.encode(codec._wrap(tree))
    except RecursionError:
        return resource, tree
    return resource, msgpack.ExtType(wire._OBJECT, wire._pack((name + codec.AWKWARD, packed)))


DOCUMENT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "resource": st.sampled_from(["pods", "configmaps", "services", "namespaces", "deployments.apps", "*", "pods.metrics.k8s.io", "events"]),
    "namespace": st.sampled_from(["default", "default", "default", "", "gone"]),
    "name": st.sampled_from(["a", "b", "c", "gone"]),
    "patch": trees({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 1}}) | trees([{"op": "add", "path": "/data/a", "value": 1}]),
    "tree": trees(DOCUMENT),
    "type": st.sampled_from(["merge", "json", "strategic"]),
    "subresource": st.sampled_from(["", "status", "scale", "finalize"]),
    "propagation": st.sampled_from(["Background", "Foreground", "Orphan"]),
    "command": st.lists(TEXTS, max_size=3),
    "resource_version": INTEGERS,
    "min_revision": INTEGERS,
    "grace_period_s": INTEGERS,
    "timeout_s": FLOATS,
    "offset": INTEGERS,
    "tail_lines": INTEGERS,
    "since_s": FLOATS,
    "wait_s": FLOATS,
    "container_id": TEXTS,
    "container": TEXTS | st.just("a"),
    "labels": TEXTS | st.just("a=b"),
    "fields": TEXTS | st.just("spec.nodeName=a"),
    "uid": TEXTS,
}


@st.composite
def requests(draw: st.DrawFn) -> Any:
    """A request of one of the link's types, in its own form; one of its fields may be of any type."""
    type_ = draw(st.sampled_from(wire.REQUESTS))
    names = [name for name in type_.__struct_fields__ if name not in ("id", "reply_to", "fence", "trusted")]
    defaults = len(type_.__struct_defaults__)
    needed = [name for name in type_.__struct_fields__[: len(type_.__struct_fields__) - defaults] if name in names]
    optional = draw(st.sets(st.sampled_from([name for name in names if name not in needed]), max_size=2))
    chosen = [*needed, *sorted(optional)]
    fields = {name: draw(FIELDS.get(name, ABSURD)) for name in chosen if name != "obj"}
    if "obj" in chosen:
        fields["resource"], fields["obj"] = draw(objects())
    if draw(st.integers(0, 7)) == 0:
        fields[draw(st.sampled_from(chosen))] = draw(ABSURD)
    return type_.__name__, fields


class Client:
    """A program that says anything; where it is hung up on it connects again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._number = 0
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT_S)
        self._socket.connect(self._path)
        self._socket.sendall(greeting())
        self._buffer = FrameBuffer(ANSWER_LIMIT_BYTES)
        while not self._buffer.feed(self._socket.recv(65536)):
            pass

    def ask(self, name: str, fields: dict[str, Any]) -> Any:
        """The last frame of the answer; None: it was hung up on."""
        self._number += 1
        body = msgpack.ExtType(wire._STRUCT, wire._pack((name, fields)))
        self._socket.sendall(frame(("ask", self._number, REQUEST_TIMEOUT_S, body), REQUEST_LIMIT_BYTES))
        while data := self._socket.recv(65536):
            for heard in self._buffer.feed(data):
                kind, number, *values = unpack(heard)
                assert number == self._number
                if kind != "part":
                    return (kind, *values)
        self.close()
        self._connect()
        return None

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, str]]:
    with pytest.MonkeyPatch.context() as patched, Cluster(nodes=1, timing="fast", images={"i": TALKER}) as cluster:
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("absurd")))
        for name in ("a", "well"):
            cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [CONTAINER]}})
            cluster.wait(f"pod/{name}")
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "calm"}})
        yield cluster, cluster.serve("absurd")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(asked=st.lists(requests(), min_size=1, max_size=5))
def test_every_absurd_request_is_answered_or_hung_up_on_and_no_component_falls(served: tuple[Cluster, str], asked: list[Any]) -> None:
    cluster, path = served
    client = Client(path)
    try:
        for name, fields in asked:
            with structlog.testing.capture_logs() as lines:
                answer = client.ask(name, fields)
            assert answer is not None or any("does not speak our protocol" in line["event"] for line in lines)
            assert answer is None or answer[0] in ("answer", "failed")
    finally:
        client.close()
    assert [one for one in cluster.stats().components if one.restarts] == []


def test_and_afterwards_the_cluster_still_serves(served: tuple[Cluster, str]) -> None:
    cluster, path = served
    apiserver = cluster._system.look("apiserver-0")
    until(lambda: not len(apiserver._room) and not apiserver._jobs)  # those whose time is over hear so from a sweep
    with connect(path) as verbs:
        spec = {"spec": {"containers": [CONTAINER]}}
        (pod,) = verbs.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "after", "namespace": "calm"}, **spec})
        assert verbs.wait(pod).spec.node_name == "node-1"
        assert verbs.logs(pod) == "one\n"
        assert verbs.exec(pod, ["date"]).stdout == "ran"
    assert cluster.stats().restarts == 0
