"""Arcs and heatmap show the weights they are given; any word can be drawn; the lab says when a head
is found; the mystery layer needs two heads, of which each alone is enough.
"""

import re
from ast import literal_eval
from itertools import combinations

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch

from shared.checks.inside_the_heads import MysteryLayer
from shared.kit.repository import ROOT
from shared.kit.widgets import choice, png_bytes
from shared.labs.inside_the_heads import attention_figure, guesses_html, knock_out_html


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


WORDS = "a reef at four a reef at".split()
COPIED = ["?", "?", "?", "?", "reef", "at", "four"]


@pytest.mark.parametrize(
    "cut, off, said",
    [
        (COPIED, (), "All heads are on: 3 words"),
        (COPIED, (0, 0), "layer 1, head 1, 3 of 3 words"),
        ([*COPIED[:5], "reef", "?"], (0, 1), "layer 1, head 2, 1 of 3 .*found"),
        ([*COPIED[:6], "?"], (1, 0), "layer 2, head 1, 2 of 3"),
        (["reef"] * 7, (1, 1), "layer 2, head 2, 1 of 3 .*found"),
    ],
)
def test_the_lab_says_when_a_needed_head_is_found(cut, off, said):
    message = knock_out_html(WORDS, COPIED, cut, off)
    assert re.search(said, message), message
    assert ("<b>found</b>" in message) == ("found" in said)


def test_the_list_of_heads_shows_that_none_is_off():
    """A list whose chosen value is None shows nothing at all."""
    path = ROOT / "02_attention/05_inside_the_heads.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    (options,) = re.findall(
        r'"switched off", \[(\(.*?\)), \*heads\]', "\n".join(cell.source for cell in cells)
    )
    assert choice("switched off", [literal_eval(options), ("head 1", (0, 0))]).label == "none"


def test_where_nothing_is_copied_nothing_is_found():
    message = knock_out_html(["<i>", "b"], ["?", "?"], ["?", "?"], (0, 0))
    assert "type a phrase twice" in message and "<i>" not in message


def test_the_mystery_needs_a_pair_of_heads():
    mystery = MysteryLayer()
    assert mystery.errors() == 0
    assert all(mystery.errors([head]) == 0 for head in range(6))
    needed = [pair for pair in combinations(range(6), 2) if mystery.errors(pair) > 0.5]
    assert needed == [(1, 4)]


def test_three_heads_of_the_mystery_look_two_back():
    two_back = MysteryLayer().weights[0, :, range(2, 12), range(10)].mean(dim=1)  # (H,)
    assert two_back.tolist() == [0, 1, pytest.approx(0.1), 0, 1, 1]


def test_the_mystery_refuses_a_head_that_is_not_there():
    with pytest.raises(ValueError, match=r"heads are 0 to 5, not \[6\]"):
        MysteryLayer().errors([1, 6])
