"""The labs of chapter 2 as plain functions: their numbers, their limits."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pytest
import torch

from shared.kit.widgets import Lab, choice, png_bytes, slider
from shared.labs.attention import (
    BUGS,
    attention_figure,
    buggy_attention,
    guesses_html,
    leak_lab,
    leak_properties,
    mixing_lab,
    saturation_lab,
    weight_axes,
)


@pytest.mark.parametrize(("bug", "expected"), {
    # rows sum to 1, no weight on the future, the past stays, spread near 1, equal to PyTorch's own
    "none": (True, True, True, True, True),
    "no mask": (True, False, False, True, False),
    "mask after softmax": (False, True, False, True, False),
    "mask with 0 for -inf": (True, False, False, True, False),
    "inverted mask": (False, False, False, True, False),
    "softmax over the wrong axis": (False, True, False, True, False),
    "no scaling": (True, True, True, False, False),
}.items())
@pytest.mark.parametrize(("tokens", "changed"), [(6, 4), (8, 3), (5, 2)])
def test_each_bug_breaks_its_own_properties(bug, expected, tokens, changed):
    kept, weights, moved = leak_properties(bug, tokens, changed)
    assert tuple(kept.values()) == expected
    assert weights.shape == (tokens, tokens) and moved.shape == (tokens,)


def test_all_bugs_are_listed():
    assert len(BUGS) == 7 and BUGS[0] == "none"
    with pytest.raises(ValueError, match="no bug is named 'typo'"):
        buggy_attention(torch.zeros(3, 8), "typo")


def test_inverted_mask_has_a_row_of_nan():
    _, weights, _ = leak_properties("inverted mask")
    assert weights[-1].isnan().all() and not weights[:-1].isnan().any()


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("tokens", [3, 6, 8])
@pytest.mark.parametrize("changed", [1, 7])
def test_leak_lab_draws_every_setting(bug, tokens, changed):
    table, figure = leak_lab(bug, tokens, changed)
    assert ("FAILS" in table) == (bug != "none")
    bars = [patch.get_height() for patch in figure.axes[1].patches]
    assert len(bars) == tokens
    assert f"token {min(changed, tokens - 1)} was changed" in figure.axes[1].get_title()
    plt.close(figure)


def test_leak_properties_refuse_a_token_that_is_not_there():
    with pytest.raises(ValueError, match="token 6 cannot be changed: there are 6 tokens"):
        leak_properties("none", 6, 6)


def test_mixing_lab_shows_the_softmax_of_its_sliders():
    figure = mixing_lab(0.0, 0.0, 0.0, 0.0)
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.25] * 4
    assert figure.axes[1].get_title() == "mixture (3.00, 2.00)"
    figure = mixing_lab(-10.0, 10.0, -10.0, -10.0)
    assert figure.axes[0].patches[1].get_height() > 0.999
    plt.close("all")


def test_saturation_lab_is_tamed_by_scaling():
    largest = {}
    for scaled in (True, False):
        largest[scaled] = [max(bar.get_height() for bar in saturation_lab(512, scaled, seed).axes[1].patches)
                           for seed in range(5)]
        plt.close("all")
    assert max(largest[True]) < 0.5 < sum(largest[False]) / 5
    assert all(a < b for a, b in zip(largest[True], largest[False]))


def test_arcs_join_the_words_that_look_at_each_other():
    weights = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0.03, 0.9, 0.07]])
    top = attention_figure(["a", "b", "c"], weights).axes[0]
    arcs = top.collections[0].get_segments()
    ends = sorted(tuple(sorted(round(float(x), 3) for x in (arc[0][0], arc[-1][0]))) for arc in arcs)
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


def test_weight_axes_write_numbers_only_where_they_fit():
    for T, texts in ((8, 64), (9, 0)):
        _, ax = plt.subplots()
        weight_axes(ax, torch.eye(T), range(T), range(T))
        assert len(ax.texts) == texts
    plt.close("all")


def test_leak_lab_moves_in_a_lab():
    lab = Lab(leak_lab, bug=choice("bug", list(BUGS)), tokens=slider("tokens", 6, 3, 8),
              changed=slider("changed", 4, 1, 7))
    before = lab.parts[1].value
    lab.controls["bug"].value = "no mask"
    assert lab.parts[1].value != before and "FAILS" in lab.parts[0].value
