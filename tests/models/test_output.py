"""Objects as `-o yaml`, `-o json` and `-o name` write them."""

from __future__ import annotations

import json

import yaml

from callboard.models.decode import from_dict
from callboard.models.kinds import Scheme
from callboard.models.output import written

SCHEME = Scheme.builtin()
DEPLOYMENT, CONFIGMAP = SCHEME.lookup("deploy"), SCHEME.lookup("cm")
WEB = from_dict({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}, SCHEME)
TREE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "managedFields": [{"manager": "x"}], "labels": {"z": "1", "b": "2"}},
    "data": {"k": "v"},
}
MAP = from_dict(TREE, SCHEME)


def test_a_name_is_the_kind_with_its_group_and_the_name() -> None:
    assert written([(DEPLOYMENT, WEB), (CONFIGMAP, MAP)], "name", many=True) == "deployment.apps/web\nconfigmap/a\n"


def test_one_object_is_written_alone_with_sorted_keys_and_without_managed_fields() -> None:
    text = written([(CONFIGMAP, MAP)], "yaml", many=False)
    assert text == "apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\nmetadata:\n  labels:\n    b: '2'\n    z: '1'\n  name: a\n"


def test_many_objects_are_a_list_even_if_there_is_one_or_none() -> None:
    for objects in ([(CONFIGMAP, MAP)], []):
        tree = json.loads(written(objects, "json", many=True))
        assert (tree["kind"], tree["apiVersion"], tree["metadata"]) == ("List", "v1", {"resourceVersion": ""})
        assert len(tree["items"]) == len(objects)


def test_both_forms_say_the_same_and_can_be_applied_again() -> None:
    objects = [(CONFIGMAP, MAP), (DEPLOYMENT, WEB)]
    first = yaml.safe_load(written(objects, "yaml", many=True))
    assert first == json.loads(written(objects, "json", many=True))
    assert from_dict(first["items"][1], SCHEME) == WEB


def test_json_is_indented_by_four_as_kubectl_does() -> None:
    assert written([(CONFIGMAP, MAP)], "json", many=False).startswith('{\n    "apiVersion": "v1",\n    "data": {\n')
