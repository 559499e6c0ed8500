"""What a column is: a name, and how its cell is read from an object. The same fields as meta.k8s.io/v1 TableColumnDefinition has.

Cells come from any object, however little of it is there: reading goes through `Look`, which knows no missing fields.
Sources: apimachinery meta/v1 types.go (TableColumnDefinition), cli-runtime printers/tableprinter.go (how a cell becomes text).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from callboard.models.look import Look, look
from callboard.models.spans import age

Value = str | int | float | bool | None
Reader = Callable[[Look, float], Value]

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
VISIBLE = {
    **{code: f"^{chr(code + 64)}" for code in range(32)},
    127: "^?",
    **{code: f"\\x{code:02x}" for code in range(128, 160)},
}
"""Characters that a terminal would obey, and what stands for them; kubectl does so for the first of them, escape."""
_LINE_END = re.compile(r"[\n\r\f\v\x1c\x1d\x1e\x85\u2028\u2029]")


class Column(msgspec.Struct, frozen=True):
    """One column. `name` is spelled as Kubernetes does (`Port(s)`); `wide` columns are shown with `-o wide` only."""

    name: str
    read: Reader
    wide: bool = False
    type: str = "string"
    format: str = ""
    description: str = ""

    @property
    def header(self) -> str:
        """The name as kubectl prints it: `PORT(S)`."""
        return self.name.upper()

    @property
    def priority(self) -> int:
        """0 if it is always shown, 1 if only in wide tables."""
        return int(self.wide)

    def value(self, obj: Any, now_s: float) -> Value:
        """The cell as an answer of kind Table carries it: text, a number, a boolean or nothing. `now_s` is seconds since the epoch."""
        return self.read(look(obj), now_s)

    def cell(self, obj: Any, now_s: float) -> str:
        """The cell as text of one line."""
        return as_text(self.value(obj, now_s))

    def definition(self) -> dict[str, Any]:
        """The column as a TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def as_text(value: Value) -> str:
    """A cell as kubectl prints it: cut at the end of its first line, and nothing that a terminal would obey or a tab stop would break."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) else str(value)
    found = _LINE_END.search(value)
    text = value if found is None else value[: found.start()] + "..."
    return text.replace("\t", " ").translate(VISIBLE)


def read_name(obj: Look, _now_s: float) -> Value:
    """`metadata.name`."""
    return obj.name


def read_age(obj: Look, now_s: float) -> Value:
    """The time since `metadata.creationTimestamp`."""
    return age(obj.text("metadata", "creationTimestamp"), now_s)


NAME = Column("Name", read_name, format="name", description="The object's name, unique among its kind in a namespace.")
AGE = Column("Age", read_age, description="The time since the object was created.")
CREATED_AT = Column(
    "Created At",
    lambda obj, _now_s: obj.text("metadata", "creationTimestamp"),
    type="date",
    description="When the object was created.",
)


def text_column(name: str, *path: str, default: str = "", wide: bool = False, description: str = "") -> Column:
    """A column that shows a field as it is."""
    return Column(name, lambda obj, _now_s: obj.text(*path, default=default), wide, description=description)


def number_column(name: str, *path: str, default: int = 0, description: str = "") -> Column:
    """A column that shows a whole number; an absent one is `default`."""
    return Column(name, lambda obj, _now_s: obj.number(*path, default=default), type="integer", description=description)


def some(texts: Sequence[str], limit: int, *, total: int | None = None, separator: str = ",") -> str:
    """The first `limit` of some texts, and how many more there are: `a,b,c + 2 more...`; `<none>` if there are none."""
    count = len(texts) if total is None else total
    if not texts:
        return NONE
    shown = separator.join(texts[:limit])
    return f"{shown} + {count - limit} more..." if count > limit else shown


def labels_text(labels: dict[str, Any]) -> str:
    """Labels as `a=b,c=d`, sorted; `<none>` if there are none (apimachinery labels.FormatLabels)."""
    return ",".join(f"{key}={value}" for key, value in labels.items()) or NONE
