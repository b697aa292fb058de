"""The line drawn by hand: its miss, when it counts as found, and what is shown then."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from shared.labs.scaling_laws import best_line, line_through, miss

MEASURED = (
    (10_000, 2.518),
    (14_304, 2.426),
    (25_216, 2.294),
    (39_200, 2.286),
    (56_256, 2.312),
    (99_584, 2.123),
    (187_616, 2.071),
    (348_000, 2.016),
    (617_600, 1.965),
    (1_042_496, 1.9),
)
line_by_hand = line_through(MEASURED)

SIZES, LOSSES = np.array(MEASURED).T


def test_the_best_line_of_exact_losses_misses_nothing():
    losses = 2.2 * (SIZES / 100_000) ** -0.07
    exponent, level = best_line(SIZES, losses)
    assert abs(exponent - 0.07) < 1e-9 and abs(level - 2.2) < 1e-9
    assert miss(SIZES, losses, 0.07, 2.2) < 1e-9
    assert abs(miss(SIZES, losses, 0.07, 2.2 * 1.02) - np.log(1.02)) < 1e-9


@pytest.mark.parametrize("seen", range(3, 10))
def test_steps_of_the_sliders_reach_the_best_line(seen):
    exponent, level = best_line(SIZES[:seen], LOSSES[:seen])
    assert 0 <= exponent <= 0.15 and 1.8 <= level <= 2.6
    figure, words = line_by_hand(round(exponent, 3), round(level, 2), seen)
    assert "Found" in words and f"{seen} models" in words
    said = float(re.search(r"your line says (\d\.\d\d)", words)[1])
    assert abs(said - level * (SIZES[-1] / 100_000) ** -exponent) < 0.05
    drawn, measured, following = figure.axes[0].lines
    assert len(measured.get_xdata()) == seen
    assert list(following.get_ydata()) == [LOSSES[-1]]
    ratio = drawn.get_ydata()[0] / drawn.get_ydata()[-1]
    spans = drawn.get_xdata()[-1] / drawn.get_xdata()[0]
    assert abs(np.log(ratio) / np.log(spans) - round(exponent, 3)) < 1e-9
    plt.close(figure)


@pytest.mark.parametrize("exponent, level", [(0.02, 2.1), (0.0, 2.2), (0.15, 2.2)])
def test_a_wrong_line_is_told_so_and_does_not_show_the_next_model(exponent, level):
    figure, words = line_by_hand(exponent, level, 9)
    assert "Not yet" in words and "Found" not in words
    assert len(figure.axes[0].lines) == 2
    plt.close(figure)


@pytest.mark.parametrize("seen", [1, 10])
def test_the_next_model_is_never_in_sight(seen):
    with pytest.raises(ValueError, match=f"seen={seen}"):
        line_by_hand(0.05, 2.2, seen)
