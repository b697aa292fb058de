"""Figures say what they show: labels, numbers where they fit, spaces that can be seen."""

import matplotlib.pyplot as plt
import pytest

from shared.kit import plots


def numbers_in(figure: plt.Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_heatmap_names_rows_and_columns_and_writes_its_numbers():
    figure = plots.heatmap([[0.0, 1.0, 0.25]], rows=["the"], columns=list("abc"), title="weights")
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["the"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]
    assert ax.get_title() == "weights" and "key" in ax.get_xlabel() and "query" in ax.get_ylabel()
    assert numbers_in(figure) == ["0.00", "1.00", "0.25"]
    assert [text.get_color() for text in ax.texts] == ["white", "black", "white"], (
        "on dark, on light"
    )


@pytest.mark.parametrize(
    "size, numbers, written", [(8, None, 64), (9, None, 0), (9, True, 81), (2, False, 0)]
)
def test_numbers_are_written_where_they_fit_or_as_asked(size, numbers, written):
    figure = plots.heatmap([[0.5] * size] * size, numbers=numbers)
    assert len(numbers_in(figure)) == written


def test_a_heatmap_goes_into_the_axes_that_it_is_given():
    figure, axes = plt.subplots(1, 2)
    assert plots.heatmap([[1, 2], [3, 4]], ax=axes[1]) is figure
    assert axes[1].images and not axes[0].images


def test_losses_have_two_lines_a_legend_and_tokens_above():
    figure = plots.plot_losses([0, 1, 2], [100, 200, 300], [3.0, 2.0, 1.0], [3.5, 3.0, 3.0])
    below, above = figure.axes
    assert [list(line.get_ydata()) for line in below.lines] == [[3.0, 2.0, 1.0], [3.5, 3.0, 3.0]]
    assert [text.get_text() for text in below.get_legend().get_texts()] == [
        "training",
        "validation",
    ]
    assert (below.get_xlabel(), above.get_xlabel()) == ("epochs", "tokens seen")
    assert list(above.lines[0].get_xdata()) == [100, 200, 300]


def test_boxes_show_spaces_and_escape_html():
    boxes = plots.token_boxes([" a", "<b>", "\n"], notes=[1, "<2>", 3])
    assert "·a" in boxes and "&lt;b&gt;" in boxes and "↵" in boxes and "<b>" not in boxes
    assert "&lt;2&gt;" in boxes and boxes.count("<small") == boxes.count("<span") == 3
    assert plots.PALE[0] in boxes and plots.PALE[2] in boxes


def test_boxes_take_the_colours_that_they_are_given():
    boxes = plots.token_boxes(["a", "b"], colours=["#123456", "#abcdef"])
    assert boxes.index("#123456") < boxes.index("#abcdef") and "<small" not in boxes


def test_the_table_escapes_what_models_write():
    assert "<b>" not in plots.table(["x"], [["<b>bold</b>"]]) and "&lt;b&gt;" in plots.table(
        ["x"], [["<b>bold</b>"]]
    )


def test_the_table_keeps_line_breaks_and_numbers():
    shown = plots.table(["a", "b"], [["x\ny", 3]])
    assert "x<br>y" in shown and ">3</td>" in shown and shown.count("<th") == 2
