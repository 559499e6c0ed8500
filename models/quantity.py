"""Quantities of resources: `250m`, `1.5Gi`, `2e3`. Exact, in integers; read, and written in their canonical form.

Source: apimachinery pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any

Quantity = str | int | float

DIGITS_LIMIT = 40
"""Digits of a number, and greatest exponent; anything larger would only be a way to keep the server busy."""
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?")
_FACTORS = {
    **{
        suffix: Decimal(10) ** power
        for suffix, power in (("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18))
    },
    **{suffix: Decimal(1024) ** power for suffix, power in (("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6))},
}


@lru_cache(maxsize=4096)
def parse_quantity(value: Quantity) -> Decimal:
    """The exact value.

    Raises:
        ValueError: it is no quantity.
    """
    found = _FORM.fullmatch(str(value))
    if found is None:
        raise ValueError(f'"{value}" is not a quantity; write a number with a suffix such as 250m, 512Mi or 2')
    number, suffix, exponent = found.groups()
    if len(number) > DIGITS_LIMIT or (exponent and abs(int(exponent[:DIGITS_LIMIT])) > DIGITS_LIMIT):
        raise ValueError(f"{str(value)[:DIGITS_LIMIT]!r} is not a quantity that any machine has")
    amount = Decimal(number)
    if suffix:
        return amount * _FACTORS[suffix]
    return amount.scaleb(int(exponent)) if exponent else amount


@lru_cache(maxsize=4096)
def cpu_milli(value: Quantity) -> int:
    """Thousandths of a core, rounded up as Kubernetes does: 250 for `250m`, 2000 for `2`."""
    return int((parse_quantity(value) * 1000).to_integral_value(ROUND_CEILING))


@lru_cache(maxsize=4096)
def to_bytes(value: Quantity) -> int:
    """Bytes (or another whole unit), rounded up: 1073741824 for `1Gi`."""
    return int(parse_quantity(value).to_integral_value(ROUND_CEILING))


_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def binary_quantity(amount: int) -> str:
    """Bytes as Kubernetes prints a binary quantity: the largest unit that leaves a whole number.

    >>> binary_quantity(100 * 2**20), binary_quantity(1536 * 2**10), binary_quantity(1000)
    ('100Mi', '1536Ki', '1000')
    """
    step = 0
    while amount and amount % 1024 == 0 and step < len(_BINARY_SUFFIXES) - 1:
        amount //= 1024
        step += 1
    return f"{amount}{_BINARY_SUFFIXES[step]}"


_DECIMAL = ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "u"), (-9, "n"))


def canonical_quantity(value: Any) -> str:
    """A quantity in the largest unit in which it is a whole number, within its own family of units; what is none stays as it is."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "0"
    try:
        amount = parse_quantity(value)
    except ValueError:
        return str(value)
    return quantity_of(amount, binary=isinstance(value, str) and value.endswith("i"))


def quantity_of(amount: Decimal | int, *, binary: bool = False) -> str:
    """An exact amount as a quantity; `binary` in units of 1024. Finer than a billionth is rounded up, as Kubernetes does."""
    exact = Decimal(amount)
    if binary and exact == exact.to_integral_value():
        return binary_quantity(int(exact))
    for power, suffix in _DECIMAL:
        scaled = exact.scaleb(-power)
        if scaled == scaled.to_integral_value() and exact:
            return f"{int(scaled)}{suffix}"
    return f"{int((exact.scaleb(9)).to_integral_value(rounding='ROUND_CEILING'))}n" if exact else "0"


def sum_of_quantities(values: Iterable[Any]) -> str:
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
    return quantity_of(amount, binary=binary)
