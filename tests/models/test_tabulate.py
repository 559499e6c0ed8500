"""Columns of text: Go's elastic tab stops for descriptions, aligned rows for lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.models.tabulate import aligned, tabulated

CELLS = st.text("ab<>/", max_size=9)


def test_neighbouring_lines_share_their_columns() -> None:
    assert tabulated("Name:\tweb\nNamespace:\tdefault\n") == "Name:       web\nNamespace:  default\n"


def test_a_line_without_cells_ends_a_column() -> None:
    assert tabulated("a:\t1\nLong title without a cell\nlonger:\t2\n") == "a:  1\nLong title without a cell\nlonger:  2\n"


def test_a_form_feed_ends_all_columns() -> None:
    assert tabulated("a:\t1\n\flonger:\t2\n") == "a:  1\nlonger:  2\n"


def test_an_inner_column_lasts_only_as_long_as_lines_have_it() -> None:
    text = "x\tone\tend\nxx\tb\nx\tthree\tend\n"
    assert tabulated(text) == "x   one  end\nxx  b\nx   three  end\n"


def test_an_empty_first_cell_indents_what_continues_a_line() -> None:
    assert tabulated("Labels:\ta=b\n\tc=d\n") == "Labels:  a=b\n         c=d\n"


def test_lists_have_three_spaces_between_columns_and_at_least_six_characters_in_each() -> None:
    lines, widths = aligned([("NAME", "AGE"), ("a", "5s")])
    assert lines == ["NAME   AGE", "a      5s"]
    assert widths == (7, 6)


def test_later_rows_of_a_watch_stay_under_the_columns_of_earlier_ones() -> None:
    _lines, widths = aligned([("NAME", "AGE"), ("a-long-name", "5s")])
    lines, again = aligned([("b", "1m")], widths)
    assert lines == ["b             1m"]
    assert again == widths


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6))
def test_no_cell_is_lost_and_no_line_added(rows: list[list[str]]) -> None:
    text = "\n".join("\t".join(row) for row in rows)
    laid_out = tabulated(text).split("\n")
    assert len(laid_out) == len(text.split("\n"))
    for line, row in zip(laid_out, rows, strict=False):
        assert line.split() == [word for cell in row for word in cell.split()]
