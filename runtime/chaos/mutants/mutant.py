"""What a mutant is: values only. `catalogue/` has ours, `--mutant FILE` takes others."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from callboard.runtime.errors import CallboardError

Kind = Literal["bug", "equivalent", "masked", "absent"]
"""`bug` has to be killed; `equivalent` changes nothing that can be seen, and `masked` is one of two defences alone: both have to survive;
`absent` is a row whose bug this program has no place for, with an argument."""


class Patch(msgspec.Struct, frozen=True):
    """In the source of `module` (as `callboard.actors.ownwrites`) the text `before`, which is there exactly once, becomes `after`."""

    module: str
    before: str
    after: str


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """A named change for the worse. `issue` says where the bug was real, `oracle` which one should notice, `note` why a verdict is
    what it is."""

    id: str
    patches: tuple[Patch, ...] = ()
    title: str = ""
    issue: str = ""
    oracle: str = ""
    kind: Kind = "bug"
    note: str = ""


class BadMutant(CallboardError):
    """A mutant can't be made: its text isn't there, or not exactly once. Says which, where, and how often."""


def patched(source: str, mutant: str, patches: tuple[Patch, ...], module: str) -> str:
    """The source of a module with a mutant's patches for it.

    Raises:
        BadMutant: a text is not there exactly once.
    """
    for patch in patches:
        if patch.module != module:
            continue
        count = source.count(patch.before)
        if count != 1:
            raise BadMutant(f"{mutant}: {module} has this text {count} times, and it must be there exactly once: {patch.before!r}")
        source = source.replace(patch.before, patch.after)
    return source


def read(path: str | Path) -> tuple[Mutant, ...]:
    """The mutants of a file: JSON `[{id, patches: [{module, before, after}]}]`.

    Raises:
        BadMutant: it can't be read, or is none of this form.
    """
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=tuple[Mutant, ...])
    except OSError as problem:
        raise BadMutant(f"{path}: can't be read: {problem.strerror or problem}") from None
    except (msgspec.DecodeError, msgspec.ValidationError) as problem:
        raise BadMutant(f"{path}: {problem}; a file of mutants is [{{id, patches: [{{module, before, after}}]}}]") from None
