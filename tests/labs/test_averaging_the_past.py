"""The mixing lab shows the softmax of its sliders, and every slider moves its picture."""

import re

import matplotlib.pyplot as plt
import pytest
import torch

from shared.kit.repository import ROOT
from shared.labs.averaging_the_past import MIXING_GOAL, MIXING_POINTS, MIXING_WORDS, mixing_lab

EQUAL = dict.fromkeys(MIXING_WORDS, 0.0)


def weights(figure):
    return [bar.get_height() for bar in figure.axes[0].patches]


def cross(figure):
    (line,) = [line for line in figure.axes[1].lines if line.get_marker() == "x"]
    return float(line.get_xdata()[0]), float(line.get_ydata()[0])


def verdict(figure):
    return figure.axes[1].get_title().rpartition(", ")[2]


def test_equal_scores_make_the_plain_average():
    figure = mixing_lab(**EQUAL)
    assert weights(figure) == [0.25] * 4
    assert cross(figure) == (3, 2)
    assert figure.axes[1].get_title() == "mixture (3.00, 2.00), 1.41 away"


@pytest.mark.parametrize(
    ("word", "place"), [("the", (2, 0)), ("bell", (6, 2)), ("rang", (4, 4)), ("twice", (0, 2))]
)
def test_each_slider_moves_the_picture(word, place):
    little, much = mixing_lab(**{**EQUAL, word: 0.5}), mixing_lab(**{**EQUAL, word: 10.0})
    assert weights(little)[MIXING_WORDS.index(word)] > 0.3
    moved = max(abs(a - b) for a, b in zip(cross(little), (3, 2)))
    assert moved > 0.1, "one step of the slider is seen"
    assert cross(much) == pytest.approx(place, abs=0.01)
    assert verdict(much).endswith("away")


def test_the_lab_says_when_the_task_is_done():
    assert verdict(mixing_lab(5.0, 5.0, -5.0, -5.0)) == "in the circle: found"
    assert verdict(mixing_lab(2.0, 2.0, -2.0, -2.0)) == "in the circle: found"
    assert verdict(mixing_lab(1.0, 1.0, 0.0, 0.0)).endswith("away")
    assert verdict(mixing_lab(10.0, 0.0, 0.0, 0.0)).endswith("away")
    plt.close("all")


def test_the_drawing_holds_the_points_and_their_averages():
    drawing = (ROOT / "02_attention/figures/averaging.svg").read_text(encoding="utf-8")
    counts = torch.arange(1, 5)[:, None]
    found = [tuple(map(int, pair)) for pair in re.findall(r">\((\d), (\d)\)<", drawing)]
    assert found[:4] == [tuple(point) for point in MIXING_POINTS.int().tolist()]
    averages = MIXING_POINTS.cumsum(dim=0) / counts
    assert found[4:] == [tuple(point) for point in averages.tolist()]
    assert tuple(MIXING_GOAL.tolist()) == found[5], "the lab's goal is the average of two words"
