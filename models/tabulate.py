"""Cells in columns, as kubectl's text is laid out: Go's elastic tab stops, where a column lasts as long as lines have a cell in it.

Source: the algorithm of Go's text/tabwriter, with the settings of kubectl get (cli-runtime printers/tabwriter.go) and kubectl describe.
"""

from __future__ import annotations

from collections.abc import Sequence

GET_PADDING, GET_LEAST_WIDTH = 3, 6
DESCRIBE_PADDING = 2


def tabulated(text: str, *, padding: int = DESCRIBE_PADDING, least_width: int = 0) -> str:
    """Text whose tabs end cells, with the cells of neighbouring lines aligned. A form feed ends all columns."""
    return "".join(_block(part, padding, least_width) for part in text.split("\f"))


def _block(text: str, padding: int, least_width: int) -> str:
    lines = [line.split("\t") for line in text.split("\n")]
    out: list[str] = []
    _format(lines, 0, len(lines), [], out, padding, least_width)
    return "\n".join(out)


def _format(lines: list[list[str]], first: int, end: int, widths: list[int], out: list[str], padding: int, least: int) -> None:
    """Lay out the lines from `first` to before `end`, whose first `len(widths)` columns are known."""
    column = len(widths)
    at = first
    while at < end:
        if column >= len(lines[at]) - 1:  # the last cell of a line belongs to no column
            out.append(_line(lines[at], widths))
            at += 1
            continue
        begin = at
        width = least
        while at < end and column < len(lines[at]) - 1:
            width = max(width, len(lines[at][column]) + padding)
            at += 1
        _format(lines, begin, at, [*widths, width], out, padding, least)


def _line(cells: list[str], widths: list[int]) -> str:
    return "".join(cell.ljust(widths[index]) if index < len(widths) else cell for index, cell in enumerate(cells))


def aligned(rows: Sequence[Sequence[str]], widths: Sequence[int] = ()) -> tuple[list[str], tuple[int, ...]]:
    """Rows as lines, as `kubectl get` prints them when no terminal draws tables, and the widths of their columns.

    The widths of an earlier call, given again, keep a watch's later rows under the same columns.
    """
    count = max((len(row) for row in rows), default=0)
    found = [
        max([*widths[index : index + 1], GET_LEAST_WIDTH, *(len(row[index]) + GET_PADDING for row in rows if len(row) > index)])
        for index in range(count)
    ]
    lines = ["".join(cell.ljust(found[index]) if index < len(row) - 1 else cell for index, cell in enumerate(row)).rstrip() for row in rows]
    return lines, tuple(found)
