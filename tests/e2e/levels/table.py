"""The table of rows and levels in docs/isolation.md, as tests read it: the page is what is promised, each cell a test's judge."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

PAGE = Path(__file__).resolve().parents[3] / "docs" / "isolation.md"
LEVELS = ("A", "B", "C1", "C0")
KINDS = ("works", "works as root, else refused", "works as root, else open", "emulated", "refused", "open")
_QUOTED = re.compile(r"`([^`]+)`")


class Verdict(msgspec.Struct, frozen=True):
    """What a cell says. `works`; `emulated`: the same for a program, by other means; `refused`: in these words; `open`: not kept apart; and
    what works for root and is one of the latter for other users."""

    kind: str
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        """The words of a refusal, each of which the refusal must contain."""
        return tuple(_QUOTED.findall(self.text))


class PageError(Exception):
    """The page's table can't be read; says which line and why."""


def read(page: str) -> dict[str, dict[str, Verdict]]:
    """Row by name to level to verdict.

    Raises:
        PageError: a cell says nothing that a test could hold it to, or a row stands twice.

    >>> read("| row | A | B | C1 | C0 |\\n|---|---|---|---|---|\\n| x | works | works | emulated: y | refused: `no x` |")["x"]["C0"].words
    ('no x',)
    """
    rows: dict[str, dict[str, Verdict]] = {}
    inside = False
    for number, line in enumerate(page.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells == ["row", *LEVELS]:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            name, *verdicts = cells
            if name in rows or len(verdicts) != len(LEVELS):
                raise PageError(f"line {number}: {name!r} stands twice, or has {len(verdicts)} cells for {len(LEVELS)} levels")
            rows[name] = {level: _verdict(text, number) for level, text in zip(LEVELS, verdicts, strict=True)}
    return rows


def _verdict(text: str, line: int) -> Verdict:
    kind, _, rest = text.partition(":")
    verdict = Verdict(kind.strip(), rest.strip())
    if verdict.kind not in KINDS:
        raise PageError(f"line {line}: {text!r} begins with none of {', '.join(KINDS)}")
    if verdict.kind.endswith("refused") and not verdict.words:
        raise PageError(f"line {line}: a refusal names its words in `backticks`")
    if verdict.kind.endswith(("emulated", "open")) and not verdict.text:
        raise PageError(f"line {line}: {verdict.kind!r} says how, after a colon")
    return verdict
