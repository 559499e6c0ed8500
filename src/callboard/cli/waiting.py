"""`callboard wait`: come back when objects have reached a condition, a value or their end. Source: kubectl pkg/cmd/wait/wait.go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_targets
from callboard.cli.link import all_namespaces_option, field_selector_option, selector_option, tell, with_cluster
from callboard.cli.printing import object_name, say

if TYPE_CHECKING:
    from callboard.runtime.face.conditions import Condition
    from callboard.runtime.face.connection import Connected

A_WEEK_S = 7 * 24 * 3600.0


@click.command("wait")
@click.argument("what", nargs=-1, metavar="TYPE[/NAME] [NAME]...", shell_complete=complete_targets)
@click.option(
    "--for",
    "for_",
    required=True,
    help="condition=NAME[=VALUE], delete, create, or jsonpath=PATH[=VALUE]; condition=RolledOut for workloads.",
)
@click.option("--timeout", default="30s", show_default=True, help="How long to wait; 0s looks once, less waits a week.")
@click.option("--all", "everything", is_flag=True, help="All objects of the types.")
@selector_option
@field_selector_option
@all_namespaces_option
@with_cluster
def command(
    verbs: Connected,
    what: tuple[str, ...],
    for_: str,
    timeout: str,
    everything: bool,
    selector: str,
    field_selector: str,
    all_namespaces: bool,
) -> int:
    """Wait for objects to become what they should."""
    from callboard.cli.targets import targets_of
    from callboard.models.errors import ApiError, NotFound, WaitTimeout
    from callboard.runtime.face.contract import seconds

    condition = condition_of(for_)
    limit_s = A_WEEK_S if timeout.startswith("-") else seconds(timeout)
    deadline_s = time.monotonic() + limit_s
    where = "" if all_namespaces else None
    failed = False
    seen = 0
    for target in targets_of(verbs.scheme, what, "wait"):
        try:
            if target.name and condition == "Exists":
                objects = [target.what]
            elif target.name:
                objects = [verbs.get(target.what)]
            elif everything or selector or field_selector:
                objects = verbs.list(target.resource.name, selector=selector, fields=field_selector, namespace=where)
            else:
                raise click.UsageError("resource(s) were provided, but no name was specified")
        except NotFound as missing:
            if condition != "Deleted":
                failed = True
                tell(missing)
            continue
        for obj in objects:
            seen += 1
            name = obj.rpartition("/")[2] if isinstance(obj, str) else obj.metadata.name
            try:
                _reach(verbs, obj, condition, max(0.0, deadline_s - time.monotonic()))
            except WaitTimeout as late:
                failed = True
                seen_last = condition.last if isinstance(condition, HasValue) else late.message.partition("last seen: ")[2]
                tell(WaitTimeout(f"timed out waiting for the condition on {target.resource.name}/{name}: {seen_last}"))
            except ApiError as refusal:
                failed = True
                tell(refusal)
            else:
                say(f"{object_name(target.resource, name)} condition met")
    if not seen and not failed and condition != "Deleted":
        click.echo("error: no matching resources found", err=True)
        failed = True
    return EXIT_NOT_SO if failed else 0


def _reach(verbs: Connected, obj: Any, condition: Condition, limit_s: float) -> None:
    from callboard.models.errors import WaitTimeout

    if condition == "Deleted":
        if verbs.still_there([obj], timeout=limit_s):
            raise WaitTimeout("last seen: it is still there")
        return
    verbs.wait(obj, condition, timeout=limit_s)


def condition_of(text: str) -> Condition:
    """What `--for` means, as the verb `wait` takes it. Raises `click.UsageError`."""
    head, _, rest = text.partition("=")
    if text.lower() == "delete":
        return "Deleted"
    if text.lower() == "create":
        return "Exists"
    if head == "condition" and rest:
        name, equals, value = rest.partition("=")
        return f"{name}={value.capitalize()}" if equals else name
    if head == "jsonpath" and rest:
        return _value_condition(rest)
    raise click.UsageError(f'unrecognized condition: "{text}"')


class HasValue:
    """A condition: the path has this value, or any at all if it is "". `last` says in words what was found when it was last looked at."""

    def __init__(self, path: str, wanted: str) -> None:
        self._path = path
        self._wanted = wanted
        self.last = "it does not exist"

    def __call__(self, obj: Any) -> bool:
        from callboard.cli.templates import text_of
        from callboard.models.columns.jsonpath import find

        values = [text_of(one) for one in find(obj.to_dict(), self._path)]
        self.last = f"{self._path} is {', '.join(values)}" if values else f"{self._path} has no value"
        return bool(values) and (not self._wanted or values == [self._wanted])


def _value_condition(text: str) -> HasValue:
    """What is behind `jsonpath=`. Raises `click.UsageError`."""
    from callboard.models.columns.jsonpath import parse_path

    inside, brace, after = text.partition("}")
    path, value = (inside + brace, after) if brace else (text.partition("=")[0], "".join(text.partition("=")[1:]))
    path = path.strip("'\"")
    if parse_path(path) is None or (value and not value.startswith("=")):
        raise click.UsageError(
            "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'"
        )
    return HasValue(path, value.removeprefix("=").strip("'\""))
