"""Arcs and heatmap show the weights they are given; any word can be drawn."""

import matplotlib.pyplot as plt
import pytest
import torch

from shared.kit.widgets import png_bytes
from shared.labs.multi_head import attention_figure, guesses_html


def test_arcs_join_the_words_that_look_at_each_other():
    weights = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0.03, 0.9, 0.07]])
    top = attention_figure(["a", "b", "c"], weights).axes[0]
    arcs = top.collections[0].get_segments()
    ends = sorted(
        tuple(sorted(round(float(x), 3) for x in (arc[0][0], arc[-1][0]))) for arc in arcs
    )
    assert ends == [(0, 1), (1, 2)], "0.03 is too faint for an arc, the diagonal has none"
    assert [label.get_text() for label in top.get_xticklabels()] == ["a", "b", "c"]
    only = attention_figure(["a", "b", "c"], weights, query=1).axes[0].collections[0].get_segments()
    assert len(only) == 1
    plt.close("all")


def test_arcs_ahead_have_another_colour():
    weights = torch.tensor([[0.2, 0.8], [0.8, 0.2]])
    colours = attention_figure(["a", "b"], weights).axes[0].collections[0].get_colors()
    assert len({tuple(colour) for colour in colours}) == 2
    plt.close("all")


def test_attention_figure_refuses_words_that_do_not_fit():
    with pytest.raises(ValueError, match=r"2 words need weights of shape \(2, 2\), got \(3, 3\)"):
        attention_figure(["a", "b"], torch.eye(3))


@pytest.mark.parametrize("words", [["$x$", "$\\bad$"], ["a"], ["<b>", "&"], ["w" * 60, "été"]])
def test_any_word_can_be_drawn(words):
    assert png_bytes(attention_figure(words, torch.eye(len(words))))
    html = guesses_html(words, words)
    assert "<b>" not in html.replace("<br>", "")
