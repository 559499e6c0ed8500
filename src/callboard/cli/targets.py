"""What commands are about: `TYPE`, `TYPE NAME ...`, `TYPE/NAME ...`, `TYPE,TYPE` and `all`, as kubectl reads them.

Source: cli-runtime pkg/resource/builder.go (ResourceTypeOrNameArgs).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
import msgspec

from callboard.models.errors import UnknownKind
from callboard.models.kinds import Resource, Scheme


class Target(msgspec.Struct, frozen=True):
    """One kind, and one object of it unless `name` is ""."""

    resource: Resource
    name: str = ""

    @property
    def what(self) -> str:
        """As the verbs name it."""
        return f"{self.resource.name}/{self.name}"


def targets_of(scheme: Scheme, words: Sequence[str], example: str = "get") -> list[Target]:
    """The kinds or objects that a command's words name.

    Raises:
        click.UsageError: they make no sense.
        UnknownKind: no such kind is served.
    """
    if not words:
        raise click.UsageError("Required resource not specified: write TYPE, TYPE NAME or TYPE/NAME, for example pods or deployment/web.")
    if any("/" in word for word in words):
        return [_named(scheme, word, example) for word in words]
    kinds = [resource for kind in words[0].split(",") for resource in _kinds(scheme, kind)]
    if len(words) == 1:
        return [Target(resource) for resource in _once(kinds)]
    return [Target(resource, name) for resource in _once(kinds) for name in words[1:]]


def named_targets(scheme: Scheme, words: Sequence[str], example: str) -> list[Target]:
    """Objects that are all named. Raises as `targets_of`."""
    found = targets_of(scheme, words, example)
    if not all(target.name for target in found):
        raise click.UsageError("resource(s) were provided, but no name was specified")
    return found


def _named(scheme: Scheme, word: str, example: str) -> Target:
    kind, slash, name = word.partition("/")
    if not slash:
        raise click.UsageError(
            "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form "
            f"(e.g. 'callboard {example} resource/<resource_name>' instead of 'callboard {example} resource resource/<resource_name>')"
        )
    if not kind or not name or "/" in name or "," in kind:
        raise click.UsageError("arguments in resource/name form may not have more than one slash, and need both parts")
    return Target(scheme.lookup(kind), name)


def _kinds(scheme: Scheme, kind: str) -> list[Resource]:
    if not kind:
        raise click.UsageError("an empty resource type: write types as pods,services, with no space or comma too many")
    try:
        return [scheme.lookup(kind)]
    except UnknownKind:
        in_category = scheme.in_category(kind)
        if not in_category:
            raise
        return [*in_category]


def _once(kinds: Iterable[Resource]) -> list[Resource]:
    """Each kind once, in one version of it, in order."""
    return list({one.name: one for one in reversed(list(kinds))}.values())[::-1]
