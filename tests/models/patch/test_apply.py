"""What `kubectl apply` changes, and what it leaves alone."""

from __future__ import annotations

import json
from typing import Any

from callboard.models.api.core import ConfigMap
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, freeze
from callboard.models.patch import LAST_APPLIED, last_applied, three_way, with_last_applied

DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SERVICE = "io.k8s.api.core.v1.Service"


def pods(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}, **spec}}


def test_what_others_wrote_stays() -> None:
    current = pods({"name": "side", "image": "s"}, {"name": "a", "image": "1", "imagePullPolicy": "Always"}, replicas=5)
    current["status"] = {"replicas": 5}
    original = pods({"name": "a", "image": "1"})
    out = three_way(freeze(current), freeze(pods({"name": "a", "image": "2"})), freeze(original), DEPLOYMENT)
    assert out == {
        **pods({"name": "side", "image": "s"}, {"name": "a", "image": "2", "imagePullPolicy": "Always"}, replicas=5),
        "status": {"replicas": 5},
    }


def test_what_was_applied_and_is_no_longer_written_goes() -> None:
    current = pods({"name": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}, {"name": "b"}, replicas=2)
    original = pods({"name": "a", "env": [{"name": "A", "value": "1"}]}, {"name": "b"}, replicas=2)
    out = three_way(current, pods({"name": "a"}), original, DEPLOYMENT)
    assert out == pods({"name": "a"})
    kept = three_way(current, pods({"name": "a", "env": []}), original, DEPLOYMENT)
    assert kept == pods({"name": "a", "env": [{"name": "B", "value": "2"}]})


def test_without_a_former_configuration_nothing_goes() -> None:
    current = pods({"name": "a"}, {"name": "b"}, replicas=2)
    assert three_way(current, pods({"name": "a"}), None, DEPLOYMENT) == current


def test_a_null_takes_a_field_away() -> None:
    assert three_way(pods(replicas=2), pods(replicas=None), None, DEPLOYMENT) == pods()


def test_a_list_that_can_not_be_merged_is_replaced() -> None:
    out = three_way(pods({"name": "a", "args": ["x", "y"]}), pods({"name": "a", "args": ["z"]}), None, DEPLOYMENT)
    assert out == pods({"name": "a", "args": ["z"]})


def test_what_is_written_keeps_its_order_and_what_others_wrote_its_place() -> None:
    out = three_way(pods({"name": "a"}, {"name": "x"}, {"name": "b"}), pods({"name": "b"}, {"name": "a"}), None, DEPLOYMENT)
    assert [one["name"] for one in out["spec"]["template"]["spec"]["containers"]] == ["x", "b", "a"]


def test_another_strategy_pushes_out_the_former_ones_settings() -> None:
    current = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}}}
    assert three_way(current, {"spec": {"strategy": {"type": "Recreate"}}}, None, DEPLOYMENT) == {
        "spec": {"strategy": {"type": "Recreate"}}
    }
    assert three_way(current, {"spec": {}}, None, DEPLOYMENT) == current


def test_another_source_of_a_volume_pushes_out_the_former_one() -> None:
    current = {"spec": {"template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}}
    modified = {"spec": {"template": {"spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}}}}
    assert three_way(current, modified, None, DEPLOYMENT) == modified


def test_one_port_over_two_protocols_stays_two_ports() -> None:
    tcp, udp = {"port": 53, "protocol": "TCP", "name": "t"}, {"port": 53, "protocol": "UDP", "name": "u"}
    current = {"spec": {"ports": [{**tcp, "nodePort": 30001}, {**udp, "nodePort": 30002}], "clusterIP": "10.0.0.1"}}
    out = three_way(current, {"spec": {"ports": [udp, {"port": 53, "name": "t"}]}}, {"spec": {"ports": [tcp, udp]}}, SERVICE)
    assert out["spec"]["ports"] == [{**udp, "nodePort": 30002}, {"port": 53, "name": "t", "nodePort": 30001}]


def test_finalizers_of_others_stay() -> None:
    out = three_way(
        {"metadata": {"finalizers": ["mine", "theirs"]}},
        {"metadata": {"finalizers": ["new"]}},
        {"metadata": {"finalizers": ["mine"]}},
        SERVICE,
    )
    assert out == {"metadata": {"finalizers": ["new", "theirs"]}}


def test_lists_of_user_defined_kinds_are_replaced_and_maps_are_merged() -> None:
    current = {"spec": {"list": [{"name": "a", "more": 1}], "map": {"mine": 1, "theirs": 1}}}
    out = three_way(current, {"spec": {"list": [{"name": "a"}]}}, {"spec": {"map": {"mine": 1}}}, "")
    assert out == {"spec": {"list": [{"name": "a"}]}}
    out = three_way(current, {"spec": {"map": {"new": 1}}}, {"spec": {"map": {"mine": 1}}}, "")
    assert out["spec"]["map"] == {"theirs": 1, "new": 1}


def test_a_configuration_carries_itself_as_a_note() -> None:
    tree = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "annotations": {"b": "c", LAST_APPLIED: "old"}}}
    noted = with_last_applied(freeze(tree))
    text = noted["metadata"]["annotations"][LAST_APPLIED]
    assert text == '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"annotations":{"b":"c"},"name":"a"}}\n'
    obj = ConfigMap(metadata=ObjectMeta(annotations=FrozenMap({LAST_APPLIED: text})))
    assert last_applied(obj) == json.loads(text)


def test_a_note_that_is_absent_or_broken_says_nothing() -> None:
    assert last_applied(ConfigMap()) is None
    assert last_applied(ConfigMap(metadata=ObjectMeta(annotations=FrozenMap({LAST_APPLIED: "{"})))) is None
    assert last_applied(ConfigMap(metadata=ObjectMeta(annotations=FrozenMap({LAST_APPLIED: "[]"})))) is None
