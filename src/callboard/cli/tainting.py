"""`callboard taint`: taints of nodes come and go. Source: kubectl pkg/cmd/taint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_targets
from callboard.cli.link import selector_option, tell, with_cluster
from callboard.cli.printing import object_name, say

if TYPE_CHECKING:
    from callboard.runtime.face.connection import Connected

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SPEC = re.compile(r"(?P<key>[^=:]+?)(=(?P<value>[^=:]*))?(:(?P<effect>[^=:-]+))?(?P<taken>-)?")


class Change(msgspec.Struct, frozen=True):
    """A taint that shall be there, or with `taken` none of this key (and effect, unless that is "")."""

    key: str
    value: str
    effect: str
    taken: bool

    def concerns(self, taint: dict[str, Any]) -> bool:
        """Whether a taint of a node is the one that is meant."""
        return taint["key"] == self.key and self.effect in ("", taint["effect"])


@click.command("taint")
@click.argument("what", nargs=-1, metavar="nodes NAME... KEY=VALUE:EFFECT... KEY[:EFFECT]-...", shell_complete=complete_targets)
@click.option("--overwrite", is_flag=True, help="Change taints that have another value.")
@click.option("--all", "everything", is_flag=True, help="All nodes.")
@selector_option
@with_cluster
def taint(verbs: Connected, what: tuple[str, ...], overwrite: bool, everything: bool, selector: str) -> int:
    """Keep pods away from nodes, but for those that tolerate it; EFFECT is NoSchedule, PreferNoSchedule or NoExecute."""
    from callboard.models.errors import ApiError

    specs = [word for word in what if "=" in word or ":" in word or word.endswith("-")]
    names = [word for word in what if word not in specs]
    if not specs:
        raise click.UsageError("at least one taint update is required: KEY=VALUE:EFFECT, or KEY- to take it away")
    wanted = [changes_of(spec) for spec in specs]
    if any(one.taken and one.concerns({"key": other.key, "effect": other.effect}) for one in wanted for other in wanted if not other.taken):
        raise click.UsageError("can not both modify and remove the same taint in the same command")
    failed = False
    for node in _nodes(verbs, names, everything, selector):
        try:
            _change(verbs, node, wanted, overwrite)
        except ApiError as refusal:
            failed = True
            tell(refusal)
    return EXIT_NOT_SO if failed else 0


def changes_of(spec: str) -> Change:
    """What `KEY=VALUE:EFFECT`, `KEY:EFFECT`, `KEY:EFFECT-` or `KEY-` means. Raises `click.UsageError`."""
    found = _SPEC.fullmatch(spec)
    effect = (found["effect"] or "") if found is not None else ""
    if found is None or (not found["taken"] and not effect):
        raise click.UsageError(f"invalid taint spec: {spec}, expected KEY=VALUE:EFFECT, or KEY- to take it away")
    if effect and effect not in EFFECTS:
        raise click.UsageError(f"invalid taint effect: {effect}, supported taint effects are: {', '.join(EFFECTS)}")
    return Change(found["key"], found["value"] or "", effect, bool(found["taken"]))


def _nodes(verbs: Connected, names: Sequence[str], everything: bool, selector: str) -> list[Any]:
    from callboard.cli.targets import targets_of

    targets = targets_of(verbs.scheme, names, "taint")
    if any(target.resource.name != "nodes" for target in targets):
        raise click.UsageError("only nodes have taints")
    if all(target.name for target in targets):
        if everything or selector:
            raise click.UsageError("name cannot be provided when a selector or --all is specified")
        return [verbs.get(target.what) for target in targets]
    if not everything and not selector:
        raise click.UsageError("resource(s) were provided, but no name was specified")
    return verbs.list("nodes", selector=selector)


def _change(verbs: Connected, node: Any, wanted: Sequence[Change], overwrite: bool) -> None:
    """Raises `BadRequest` if a taint is there with another value, or one to take away is not there."""
    from callboard.models.errors import BadRequest

    tree = node.to_dict()
    taints = [*((tree.get("spec") or {}).get("taints") or ())]
    for one in wanted:
        there = [taint for taint in taints if one.concerns(taint)]
        if one.taken and not there:
            raise BadRequest(f'taint "{one.key}{f":{one.effect}" if one.effect else ""}" not found')
        if not one.taken and there and not overwrite:
            raise BadRequest(f"node {node.metadata.name} already has {one.key} taint(s) with same effect(s) and --overwrite is false")
        taints = [taint for taint in taints if taint not in there]
        if not one.taken:
            taints.append({"key": one.key, **({"value": one.value} if one.value else {}), "effect": one.effect})
    # whoever taints meanwhile, as the lifecycle controller does, makes this version an old one, and the cluster refuses it
    verbs.patch(node, {"metadata": {"resourceVersion": tree["metadata"]["resourceVersion"]}, "spec": {"taints": taints}})
    taken = [one.taken for one in wanted]
    done = "untainted" if all(taken) else "modified" if any(taken) else "tainted"
    say(f"{object_name(verbs.scheme.lookup('nodes'), node.metadata.name)} {done}")
