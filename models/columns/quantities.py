"""Quantities in their canonical form: `1000m` is `1`, `1536Mi` stays, `2048Mi` is `2Gi`.

Source: apimachinery pkg/api/resource/quantity.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from callboard.models.quantity import parse_quantity

_DECIMAL = ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "u"), (-9, "n"))
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def canonical(value: Any) -> str:
    """A quantity in the largest unit in which it is a whole number, within its own family of units; what is none stays as it is."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "0"
    try:
        amount = parse_quantity(value)
    except ValueError:
        return str(value)
    return written(amount, binary=isinstance(value, str) and value.endswith("i"))


def written(amount: Decimal | int, *, binary: bool = False) -> str:
    """An exact amount as a quantity; `binary` in units of 1024. Finer than a billionth is rounded up, as Kubernetes does."""
    exact = Decimal(amount)
    if binary and exact == exact.to_integral_value():
        return _in_binary(int(exact))
    for power, suffix in _DECIMAL:
        scaled = exact.scaleb(-power)
        if scaled == scaled.to_integral_value() and exact:
            return f"{int(scaled)}{suffix}"
    return f"{int((exact.scaleb(9)).to_integral_value(rounding='ROUND_CEILING'))}n" if exact else "0"


def total(values: Iterable[Any]) -> str:
    """The sum of some quantities, in binary units if one of them is; what is no quantity counts as nothing."""
    amount, binary = Decimal(0), False
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        try:
            amount += parse_quantity(value)
        except ValueError:
            continue
        binary = binary or (isinstance(value, str) and value.endswith("i"))
    return written(amount, binary=binary)


def _in_binary(amount: int) -> str:
    unit = 0
    while amount and amount % 1024 == 0 and unit < len(_BINARY) - 1:
        amount //= 1024
        unit += 1
    return f"{amount}{_BINARY[unit]}"
