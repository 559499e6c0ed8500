"""DaemonSets get Kubernetes' defaults; those that break a rule are refused in its own words, and so are forbidden changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]

SET = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent, namespace: default}}
spec:
  {fields}
  selector: {{matchLabels: {{app: {selected}}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{{pods} containers: [{{name: web, image: nginx}}]}}
"""


def daemon(fields: str = "", selected: str = "web", pods: str = "") -> str:
    return SET.format(fields=fields, selected=selected, pods=pods)


def rolling(limits: str) -> str:
    return daemon(f"updateStrategy: {{type: RollingUpdate, rollingUpdate: {{{limits}}}}}")


def test_a_daemon_set_gets_kubernetes_defaults(stored: Reader) -> None:
    spec = stored(daemon()).spec
    limits = spec.update_strategy.rolling_update
    assert (spec.revision_history_limit, spec.update_strategy.type, limits.max_unavailable, limits.max_surge) == (10, "RollingUpdate", 1, 0)
    assert stored(daemon("updateStrategy: {type: OnDelete}")).spec.update_strategy.rolling_update is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (daemon(selected="other"), "`selector` does not match template `labels`"),
        (daemon(pods="restartPolicy: Never,"), 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
        (
            daemon(pods="activeDeadlineSeconds: 5,"),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported",
        ),
        (daemon("minReadySeconds: -1"), "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"),
        (daemon("revisionHistoryLimit: -1"), "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"),
        (
            daemon("updateStrategy: {type: Sudden}"),
            'spec.updateStrategy: Unsupported value: "Sudden": supported values: "RollingUpdate", "OnDelete"',
        ),
        (rolling("maxUnavailable: 0"), "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
        (
            rolling("maxSurge: 1"),
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
        ),
        (rolling("maxUnavailable: 101%"), "must not be greater than 100%"),
        (rolling("maxUnavailable: many"), "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value"),
    ],
)
def test_what_breaks_a_rule_is_refused(stored: Reader, problems: Checker, text: str, problem: str) -> None:
    found = problems(stored(text))
    assert any(problem in one for one in found), found


@pytest.mark.parametrize("text", [daemon(), rolling("maxUnavailable: 100%"), rolling("maxUnavailable: 0, maxSurge: 30%")])
def test_what_keeps_the_rules_is_accepted(stored: Reader, problems: Checker, text: str) -> None:
    assert problems(stored(text)) == []


def test_the_selector_can_not_change(stored: Reader, problems: Checker) -> None:
    before = stored(daemon())
    after = stored(daemon().replace("matchLabels: {app: web}", "matchExpressions: [{key: app, operator: Exists}]"))
    assert any("spec.selector: Invalid value" in one and "field is immutable" in one for one in problems(after, before))
