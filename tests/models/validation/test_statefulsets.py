"""StatefulSets and ControllerRevisions that break a rule are refused in Kubernetes' own words, and so are forbidden changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import EMPTY_MAP, replace

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

SET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}, namespace: default}}
spec:
  {fields}
  selector: {{matchLabels: {{app: {selected}}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{{pods} containers: [{{name: web, image: nginx}}]}}
"""
FORBIDDEN = (
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def stateful(fields: str = "", selected: str = "web", pods: str = "", name: str = "db") -> str:
    return SET.format(fields=fields, selected=selected, pods=pods, name=name)


def test_a_stateful_set_gets_kubernetes_defaults(stored: Reader) -> None:
    spec = stored(stateful("volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]")).spec
    assert (spec.replicas, spec.revision_history_limit, spec.pod_management_policy) == (1, 10, "OrderedReady")
    assert (spec.update_strategy.type, spec.update_strategy.rolling_update.partition) == ("RollingUpdate", 0)
    kept = spec.persistent_volume_claim_retention_policy
    assert (kept.when_deleted, kept.when_scaled) == ("Retain", "Retain")
    assert spec.template.spec.restart_policy == "Always"
    assert spec.volume_claim_templates[0] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ("ReadWriteOnce",), "volumeMode": "Filesystem"},
        "status": {"phase": "Pending"},
    }


def test_a_strategy_that_is_named_gets_no_rolling_update_but_one_that_is_given_a_partition(stored: Reader) -> None:
    assert stored(stateful("updateStrategy: {type: OnDelete}")).spec.update_strategy.rolling_update is None
    assert stored(stateful("updateStrategy: {type: RollingUpdate}")).spec.update_strategy.rolling_update is None
    given = stored(stateful("updateStrategy: {rollingUpdate: {maxUnavailable: 2}}")).spec.update_strategy
    assert (given.type, given.rolling_update.max_unavailable, given.rolling_update.partition) == ("RollingUpdate", 2, 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"fields": "replicas: -1"}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        ({"fields": "minReadySeconds: -1"}, ["spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"]),
        ({"fields": "ordinals: {start: -1}"}, ["spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"fields": "podManagementPolicy: Wild"},
            ["spec.podManagementPolicy: Invalid value: \"Wild\": must be 'OrderedReady' or 'Parallel'"],
        ),
        (
            {"fields": "updateStrategy: {type: Recreate}"},
            ["spec.updateStrategy: Invalid value: {\"type\":\"Recreate\"}: must be 'RollingUpdate' or 'OnDelete'"],
        ),
        (
            {"fields": "updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1}}"},
            ["spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy 'RollingUpdate'"],
        ),
        (
            {"fields": "updateStrategy: {rollingUpdate: {partition: -1, maxUnavailable: 0}}"},
            [
                "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0",
                "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
            ],
        ),
        (
            {"fields": "updateStrategy: {rollingUpdate: {maxUnavailable: 101%}}"},
            ['spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
        ),
        (
            {"fields": "persistentVolumeClaimRetentionPolicy: {whenDeleted: Burn}"},
            [
                'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Burn": supported values: "Retain", "Delete"',
            ],
        ),
        (
            {"selected": "api"},
            ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
        ),
        (
            {"pods": "restartPolicy: Never,"},
            ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
        ),
        (
            {"pods": "activeDeadlineSeconds: 5,"},
            ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported"],
        ),
        ({"fields": "volumeClaimTemplates: [{spec: {}}]"}, ["spec.volumeClaimTemplates[0].metadata.name: Required value"]),
        (
            {"name": "a.b"},
            ["metadata.name"],
        ),
    ],
)
def test_what_breaks_a_rule_is_told(stored: Reader, problems: Checker, change: dict[str, str], expected: list[str]) -> None:
    found = problems(stored(stateful(**change)))
    if expected == ["metadata.name"]:
        assert [one.partition(":")[0] for one in found] == expected, "its pods would have names that are no labels"
    else:
        assert found == expected


def test_a_selector_and_a_template_are_needed_and_the_selector_must_select(stored: Reader, problems: Checker) -> None:
    bare = stored("{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, namespace: default}, spec: {}}")
    assert problems(bare) == ["spec.selector: Required value", "spec.template: Required value"]
    empty = stored(stateful())
    empty = replace(empty, spec=replace(empty.spec, selector=replace(empty.spec.selector, match_labels=EMPTY_MAP)))
    assert problems(empty) == ["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"]


@pytest.mark.parametrize(
    "fields",
    [
        "replicas: 3",
        "ordinals: {start: 4}",
        "minReadySeconds: 9",
        "revisionHistoryLimit: 2",
        "updateStrategy: {type: OnDelete}",
        "persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}",
    ],
)
def test_what_may_change_may(stored: Reader, problems: Checker, fields: str) -> None:
    assert problems(stored(stateful(fields)), stored(stateful())) == []
    assert problems(stored(stateful(pods="hostNetwork: true,")), stored(stateful())) == []


@pytest.mark.parametrize(
    "fields",
    ["serviceName: other", "podManagementPolicy: Parallel", "volumeClaimTemplates: [{metadata: {name: data}}]"],
)
def test_nothing_else_may_change(stored: Reader, problems: Checker, fields: str) -> None:
    assert problems(stored(stateful(fields)), stored(stateful())) == [FORBIDDEN]


REVISION = "{{apiVersion: apps/v1, kind: ControllerRevision, metadata: {{name: db-1, namespace: default}}, revision: {number}{data}}}"


def test_of_a_revision_only_the_number_changes(stored: Reader, problems: Checker) -> None:
    one, other = (stored(REVISION.format(number=number, data=", data: {a: 1}")) for number in (1, 2))
    assert problems(other, one) == []
    changed = stored(REVISION.format(number=1, data=", data: {a: 2}"))
    assert problems(changed, one) == ['data: Invalid value: {"a":2}: field is immutable']
    assert problems(stored(REVISION.format(number=-1, data=""))) == [
        "data: Required value: data is mandatory",
        "revision: Invalid value: -1: must be greater than or equal to 0",
    ]
