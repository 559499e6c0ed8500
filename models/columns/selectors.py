"""Label selectors as text: `app=web,tier in (a,b),!old`. Source: apimachinery meta/v1 helpers.go (FormatLabelSelector), pkg/labels."""

from __future__ import annotations

from callboard.models.columns.column import NONE
from callboard.models.look import Look

_OPERATORS = {"In": "in", "NotIn": "notin"}


def selector_text(selector: Look, default: str = NONE) -> str:
    """The struct form of a selector in kubectl's form, sorted by key; `default` if it says nothing, `<error>` if it can't be."""
    terms = [(key, f"{key}={value}") for key, value in selector.map("matchLabels").items()]
    for one in selector.items("matchExpressions"):
        key, operator = one.text("key"), one.text("operator")
        if operator in _OPERATORS:
            terms.append((key, f"{key} {_OPERATORS[operator]} ({','.join(sorted(one.texts('values')))})"))
        elif operator in ("Exists", "DoesNotExist"):
            terms.append((key, key if operator == "Exists" else f"!{key}"))
        else:
            return "<error>"
    return ",".join(text for _key, text in sorted(terms)) or default
