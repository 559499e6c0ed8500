"""Quantities of resources: `250m`, `1.5Gi`, `2e3`. Exact, in integers. Source: apimachinery pkg/api/resource."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

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
