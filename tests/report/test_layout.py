"""Numbers and columns."""

import math

import pytest

from tflite_requant.report import layout


@pytest.mark.parametrize(
    "part, whole, text",
    [(0, 3, "0.0 %"), (1, 3, "33.3 %"), (2, 3, "66.6 %"), (99_999, 100_000, "99.9 %"),
     (3, 3, "100 %"), (0, 0, "100 %")],
)  # fmt: skip
def test_percent_never_rounds_up(part, whole, text):
    assert layout.percent(part, whole) == text


@pytest.mark.parametrize(
    "value, digits, least, most",
    [(29.963, 1, "29.9", "30.0"), (93.75, 1, "93.7", "93.8"), (29.9, 1, "29.9", "29.9"),
     (0.00001, 4, "0.0000", "0.0001"), (0.0, 4, "0.0000", "0.0000"),
     (0.25, 2, "0.25", "0.25")],
)  # fmt: skip
def test_conditions_on_what_is_printed_hold(value, digits, least, most):
    assert (layout.at_most(value, digits), layout.at_least(value, digits)) == (least, most)
    assert float(least) <= value <= float(most)


@pytest.mark.parametrize("value, text", [(-0.04, "-0.1"), (-3.0, "-3.0"), (math.nan, "nan")])
def test_below_zero_is_further_down(value, text):
    assert layout.at_most(value, 1) == text


@pytest.mark.parametrize("value, text", [(93.75, "93.7 %"), (100.0, "100 %"), (99.99, "99.9 %")])
def test_percents_never_round_up(value, text):
    assert layout.percents(value) == text


def test_a_table_is_cut_to_fit():
    rows = [("1", "x" * 90, "end"), ("2", "short", "end")]
    lines = layout.table(("no", "name", "more"), rows, "><<", cut=1)
    assert [len(line) for line in lines[1:]] == [79, 79]  # "more" is one longer than "end"
    assert lines[1].split()[1] == "x" * 67 + "…"
    wide = layout.table(("no", "name", "more"), [("1", "x" * 90, "y" * 90)], "><<", cut=1)
    assert wide[1].split()[1] == "x" * 7 + "…"
    assert layout.table(("a", "b"), [("1", "2")], "><", cut=1) == ["  a  b", "  1  2"]


def test_wrap_keeps_long_words_whole():
    assert layout.wrap("a " + "b" * 90 + " c", "  x  ") == ["  x  a", "     " + "b" * 90, "     c"]


def test_table_leaves_empty_columns_out():
    rows = [("1", "", "abc"), ("20", "", "d")]
    assert layout.table(("no", "none", "name"), rows, "><<", "") == ["no  name", " 1  abc", "20  d"]
    assert layout.table(("no",), [], "<") == []


def test_fields_align():
    assert layout.fields([("a", "1"), ("long", "2")]) == ["  a     1", "  long  2"]


def test_shorten():
    assert [layout.shorten("abcdef", n) for n in (6, 5)] == ["abcdef", "abcd…"]


@pytest.mark.parametrize(
    "name, tight, line",
    [
        pytest.param(75, True, "  " + 75 * "x" + "  1", id="fits"),
        pytest.param(76, True, "  " + 76 * "x" + " 1", id="closer"),
        pytest.param(90, True, "  " + 75 * "x" + "\u2026 1", id="closer-and-cut"),
        pytest.param(77, False, "  " + 74 * "x" + "\u2026  1", id="cut"),
    ],
)
def test_a_wide_table_moves_its_columns_closer_before_it_cuts(name, tight, line):
    rows = [(name * "x", "1")]
    assert layout.table(("a", "b"), rows, "<<", cut=0, tight=tight)[1] == line
