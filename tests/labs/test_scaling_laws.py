"""The line drawn by hand: its miss, when it counts as found, and what is shown then."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from shared.kit.repository import ROOT
from shared.labs.scaling_laws import MEASURED, best_line, line_by_hand, miss

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


def test_the_losses_are_those_of_the_saved_notebook():
    cells = json.loads(
        (ROOT / "04_pretraining" / "08_scaling_laws.ipynb").read_text(encoding="utf-8")
    )["cells"]
    printed = "".join(
        "".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", [])
    )
    rows = re.findall(r"width +\d+: +([\d,]+) weights, loss (\d\.\d+)", printed)
    found = [(int(size.replace(",", "")), float(loss)) for size, loss in rows]
    assert found == list(MEASURED[:-1])
    assert re.search(r"measured (\d\.\d+)", printed)[1] == f"{MEASURED[-1][1]:.3f}"
