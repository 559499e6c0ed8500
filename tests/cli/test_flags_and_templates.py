"""Words made into what commands mean: switches with values, and templates."""

from __future__ import annotations

import click
import pytest

from callboard.cli.flags import with_plain_flags
from callboard.cli.group import callboard
from callboard.cli.tainting import Change, changes_of
from callboard.cli.templates import Template

TREE = {"items": [{"a": "x", "n": 1}, {"a": "y", "n": 2}]}


def command(name: str) -> click.Command:
    found = callboard.get_command(click.Context(callboard), name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "words", "plain"),
    [
        ("delete", ["pods", "--all=true", "--wait=false"], ["pods", "--all", "--no-wait"]),
        ("get", ["pods", "--watch=false", "-w=0", "-A=1", "-o=json"], ["pods", "-A", "-o=json"]),
        ("drain", ["n", "--ignore-daemonsets=True", "--force=F"], ["n", "--ignore-daemonsets"]),
        ("rollout", ["status", "deploy/a", "--watch=false"], ["status", "deploy/a", "--no-watch"]),
        ("top", ["pods", "--containers=true", "--sum=false"], ["pods", "--containers"]),
        ("exec", ["a", "-i=true", "--", "x", "--stdin=false"], ["a", "-i", "--", "x", "--stdin=false"]),
        ("label", ["pod", "a", "b=true"], ["pod", "a", "b=true"]),
    ],
)
def test_a_switch_takes_a_truth_value_behind_an_equals_sign(name: str, words: list[str], plain: list[str]) -> None:
    assert with_plain_flags(command(name), words) == plain


def test_a_switch_takes_no_other_value() -> None:
    with pytest.raises(click.UsageError, match='invalid argument "maybe" for "--wait"'):
        with_plain_flags(command("delete"), ["pods", "--wait=maybe"])


@pytest.mark.parametrize("text", ["{.items[0", "{.bad", ".bad}", "x{.a}{", "{.a}}", "{.items[0}", "{range .items[*]}x", "{end}", "{.a b}"])
def test_a_template_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="jsonpath"):
        Template(text)


def test_a_template_shows_text_or_an_array_for_each_part() -> None:
    assert Template('{range .items[*]}{.a}{"\\n"}{end}').render(TREE) == "x\ny\n"
    assert Template("<{.items[*].n}>").render(TREE) == "<1 2>"
    assert Template("{.items[*].n}").as_json(TREE) == "[\n    1,\n    2\n]\n"
    assert Template("{range .items[*]}{.a}{.n}{end}").as_json(TREE).split() == ["[", '"x",', "1,", '"y",', "2", "]"]


@pytest.mark.parametrize(
    ("spec", "change"),
    [
        ("k=v:NoSchedule", Change("k", "v", "NoSchedule", False)),
        ("k:NoExecute", Change("k", "", "NoExecute", False)),
        ("a.b/k-l:NoExecute-", Change("a.b/k-l", "", "NoExecute", True)),
        ("k-", Change("k", "", "", True)),
    ],
)
def test_how_a_taint_is_written(spec: str, change: Change) -> None:
    assert changes_of(spec) == change


@pytest.mark.parametrize("spec", ["k=v", "k=v:Odd", "=v:NoSchedule", "k=v:", "k=v:NoSchedule:x"])
def test_a_taint_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(click.UsageError, match="invalid taint"):
        changes_of(spec)
