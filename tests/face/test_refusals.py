"""What Kubernetes refuses is refused in its words, and nothing is half done. Source: the validation packages of kubernetes 1.36."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from callboard import ApiError, BadRequest, Forbidden, Invalid, NotFound, Simulation

PROBE = "spec.containers[0].livenessProbe"
NAME_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def changed(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a document with the value at `a.b.0.c`."""
    copy = deepcopy(tree)
    place: Any = copy
    *way, last = path.split(".")
    for name in way:
        place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
    place[last] = value
    return copy


DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
    },
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "a", "image": "a:1"}]},
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}


def rolling(**update: Any) -> dict[str, Any]:
    return changed(DEPLOYMENT, "spec.strategy", {"rollingUpdate": update})


def probing(**probe: Any) -> dict[str, Any]:
    return changed(POD, "spec.containers.0.livenessProbe", {"httpGet": {"port": 80}, **probe})


@pytest.fixture(scope="module")
def s() -> Iterator[Simulation]:
    """A simulation with a Deployment, a Service, an immutable ConfigMap and a pod `there`."""
    with Simulation(nodes=1, seed=1) as simulation:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed"}, "immutable": True, "data": {"a": "b"}}
        simulation.apply([DEPLOYMENT, SERVICE, config, changed(POD, "metadata.name", "there")])
        simulation.settle()
        yield simulation


NEGATIVE = "Invalid value: -1: must be greater than or equal to 0"
WEB, P = 'Deployment.apps "web" is invalid: ', 'Pod "p" is invalid: '


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (
            changed(DEPLOYMENT, "metadata.name", "Web_1"),
            f'Deployment.apps "Web_1" is invalid: metadata.name: Invalid value: "Web_1": {NAME_WORDS}',
        ),
        (changed(DEPLOYMENT, "metadata.labels", {"a": "b c"}), f'{WEB}metadata.labels: Invalid value: "b c": {LABEL_WORDS}'),
        (changed(DEPLOYMENT, "spec.replicas", -1), f"{WEB}spec.replicas: {NEGATIVE}"),
        (
            rolling(maxSurge=0, maxUnavailable=0),
            f"{WEB}spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            rolling(maxSurge="0%", maxUnavailable="0%"),
            f'{WEB}spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
        ),
        (
            rolling(maxUnavailable="101%"),
            f'{WEB}spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
        ),
        (
            changed(DEPLOYMENT, "spec.strategy", {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            f"{WEB}spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            changed(DEPLOYMENT, "spec.minReadySeconds", 600),
            f"{WEB}spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
        (
            changed(changed(DEPLOYMENT, "spec.selector", {"matchLabels": {"app": "b"}}), "spec.template.metadata.labels", {"app": "b"}),
            f'{WEB}spec.selector: Invalid value: {{"matchLabels":{{"app":"b"}}}}: field is immutable',
        ),
        (probing(periodSeconds=-1), f"{P}{PROBE}.periodSeconds: {NEGATIVE}"),
        (probing(timeoutSeconds=-1), f"{P}{PROBE}.timeoutSeconds: {NEGATIVE}"),
        (probing(initialDelaySeconds=-1), f"{P}{PROBE}.initialDelaySeconds: {NEGATIVE}"),
        (probing(failureThreshold=-1), f"{P}{PROBE}.failureThreshold: {NEGATIVE}"),
        (probing(successThreshold=2), f"{P}{PROBE}.successThreshold: Invalid value: 2: must be 1"),
        (probing(terminationGracePeriodSeconds=0), f"{P}{PROBE}.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"),
        (probing(tcpSocket={"port": 80}), f"{P}{PROBE}.tcpSocket: Forbidden: may not specify more than 1 handler type"),
        (probing(httpGet={"port": 70000}), f"{P}{PROBE}.httpGet.port: Invalid value: 70000: must be between 1 and 65535, inclusive"),
        (
            changed(POD, "spec.containers.0.livenessProbe", {"periodSeconds": 1}),
            f"{P}{PROBE}: Required value: must specify a handler type",
        ),
        (
            changed(POD, "spec.containers.0.readinessProbe", {"httpGet": {"port": 80}, "terminationGracePeriodSeconds": 5}),
            f"{P}spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
        ),
    ],
)
def test_an_invalid_document_is_refused_and_leaves_no_trace(s: Simulation, tree: dict[str, Any], words: str) -> None:
    before = s.get("deployment/web"), len(s.list("pods")), len(s.list("replicasets"))
    with pytest.raises(Invalid) as caught:
        s.apply(tree)
    assert str(caught.value).endswith(words)
    s.settle()
    assert (s.get("deployment/web"), len(s.list("pods")), len(s.list("replicasets"))) == before


@pytest.mark.parametrize(
    ("what", "patch", "words"),
    [
        ("pod/there", {"spec": {"hostNetwork": True}}, "spec: Forbidden: pod updates may not change fields other than"),
        ("service/web", {"spec": {"clusterIP": "10.96.0.99", "clusterIPs": ["10.96.0.99"]}}, "may not change once set"),
        ("configmap/fixed", {"data": {"a": "c"}}, "data: Forbidden: field is immutable when `immutable` is set"),
        ("configmap/fixed", {"immutable": False}, "immutable: Forbidden: field is immutable when `immutable` is set"),
    ],
)
def test_what_may_not_change_stays(s: Simulation, what: str, patch: dict[str, Any], words: str) -> None:
    before = s.get(what)
    with pytest.raises(Invalid) as caught:
        s.patch(what, patch)
    assert words in str(caught.value)
    assert s.get(what) == before


def test_a_namespace_that_is_not_there_or_going_takes_nothing_new(s: Simulation) -> None:
    inside = changed(POD, "metadata.namespace", "shop")
    with pytest.raises(NotFound, match='namespaces "shop" not found$'):
        s.apply(inside)
    s.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "namespace": "shop", "finalizers": ["example.com/hold"]}}
    s.apply(held)
    s.delete("namespace/shop")
    words = 'pods "p" is forbidden: unable to create new content in namespace shop because it is being terminated$'
    with pytest.raises(Forbidden, match=words):
        s.apply(inside)


def test_a_field_that_cannot_be_selected_by_is_refused_in_lists_and_watches(s: Simulation) -> None:
    with pytest.raises(BadRequest, match="^field label not supported: spec.foo$"):
        s.list("pods", fields="spec.foo=1")
    with pytest.raises(BadRequest, match="^field label not supported: status.replicas$"):
        s.watch("deployments", fields="status.replicas=1")
    assert len(s.list("pods", fields="metadata.name=there,status.phase=Running")) == 1


@pytest.mark.parametrize("what", [5, None, [], b"pod/there", {"metadata": {}}, "", "pod/", "there"])
def test_what_names_no_object_is_said_in_a_sentence(s: Simulation, what: Any) -> None:
    for verb in (s.get, s.wait, s.delete, s.evict):
        with pytest.raises(BadRequest, match='does not name an object; write kind/name, for example "deployment/web"'):
            verb(what)


def test_arguments_of_another_type_are_named(s: Simulation) -> None:
    calls: list[tuple[Any, str]] = [
        (lambda: s.list(5), "5 does not name a kind"),  # type: ignore[arg-type]
        (lambda: s.watch(None), "None does not name a kind"),  # type: ignore[arg-type]
        (lambda: s.list("pods", selector=5), "selector=5: it is written as text"),  # type: ignore[arg-type]
        (lambda: s.list("pods", fields={}), "fields={}: it is written as text"),  # type: ignore[arg-type]
        (lambda: s.list("pods", namespace=5), "namespace=5: it is written as text"),  # type: ignore[arg-type]
        (lambda: s.wait("pod/there", 5), "a condition is the type of a status condition"),  # type: ignore[arg-type]
        (lambda: s.list("pods", timeout="soon"), '"soon" is not a duration'),
    ]
    for call, words in calls:
        with pytest.raises(ApiError) as caught:
            call()
        assert words in str(caught.value)
