"""Numbers that may be written as percentages (IntOrString). Pure.

Source: apimachinery pkg/util/intstr/intstr.go (GetScaledValueFromIntOrPercent).
"""

from __future__ import annotations

from math import ceil, floor


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """A number as it is, or a percentage of `total`, rounded up or down.

    Raises:
        ValueError: it is neither.

    >>> scaled(3, 10, up=True), scaled("25%", 10, up=True), scaled("25%", 10, up=False)
    (3, 3, 2)
    """
    if isinstance(value, int):
        return value
    share = value.removesuffix("%")
    if share == value or not share.isdecimal():
        raise ValueError(f'invalid value for IntOrString: invalid type: string is not a percentage: "{value}"')
    exact = int(share) * total / 100
    return ceil(exact) if up else floor(exact)


__all__ = ["scaled"]
