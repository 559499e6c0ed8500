"""What a pod may still become after it was created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.base import replace

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: default}}
spec:
  activeDeadlineSeconds: 100
  tolerations: [{{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}}]
  containers: [{{name: web, image: "{image}", {container}}}]
  {spec}
"""
WORDS = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)"
)


def pod(image: str = "nginx:1", container: str = "", spec: str = "") -> str:
    return POD.format(image=image, container=container, spec=spec)


def test_an_image_may_change(stored: Reader, problems: Checker) -> None:
    assert problems(stored(pod("nginx:2")), stored(pod())) == []


def test_an_image_may_not_vanish(stored: Reader, problems: Checker) -> None:
    old = stored(pod())
    new = replace(old, spec=replace(old.spec, containers=(replace(old.spec.containers[0], image=""),)))
    assert problems(new, old) == ["spec.containers[0].image: Required value"]


@pytest.mark.parametrize(
    ("container", "spec", "differs"),
    [
        ("command: [sh]", "", "spec.containers[0].command"),
        ("", "nodeName: n", "spec.nodeName"),
        ("", "terminationGracePeriodSeconds: 1", "spec.terminationGracePeriodSeconds"),
        ("resources: {limits: {cpu: 1}}", "", "spec.containers[0].resources"),
    ],
)
def test_nothing_else_may_change_and_it_says_what_did(stored: Reader, problems: Checker, container: str, spec: str, differs: str) -> None:
    (problem,) = problems(stored(pod(container=container, spec=spec)), stored(pod()))
    assert problem.startswith(WORDS)
    assert differs in problem.splitlines()[1]


def test_a_negative_grace_period_may_become_one(stored: Reader, problems: Checker) -> None:
    old = stored(pod(spec="terminationGracePeriodSeconds: -5"))
    assert problems(stored(pod(spec="terminationGracePeriodSeconds: 1")), old) == []
    assert problems(stored(pod(spec="terminationGracePeriodSeconds: 2")), old)[0].startswith(WORDS)


def test_containers_may_not_come_or_go(stored: Reader, problems: Checker) -> None:
    old = stored(pod())
    more = replace(old, spec=replace(old.spec, containers=(*old.spec.containers, replace(old.spec.containers[0], name="b"))))
    assert problems(more, old) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_tolerations_may_be_added_and_waited_for_longer_but_not_taken_away(stored: Reader, problems: Checker) -> None:
    old = stored(pod())
    (first,) = old.spec.tolerations
    more = replace(old, spec=replace(old.spec, tolerations=(replace(first, toleration_seconds=9), replace(first, key="b"))))
    assert problems(more, old) == []
    none = replace(old, spec=replace(old.spec, tolerations=()))
    assert problems(none, old) == ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]


@pytest.mark.parametrize(
    ("deadline_s", "words"),
    [
        (50, []),
        (101, ["spec.activeDeadlineSeconds: Invalid value: 101: must be less than or equal to previous value"]),
        (0, ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"]),
        (None, ["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"]),
    ],
)
def test_a_deadline_may_only_come_nearer(stored: Reader, problems: Checker, deadline_s: int | None, words: list[str]) -> None:
    old = stored(pod())
    assert problems(replace(old, spec=replace(old.spec, active_deadline_seconds=deadline_s)), old) == words


def test_labels_may_always_change(stored: Reader, problems: Checker) -> None:
    old = stored(pod())
    new = stored(pod().replace("name: web, namespace", "labels: {a: b}, name: web, namespace"))
    assert problems(new, old) == []
