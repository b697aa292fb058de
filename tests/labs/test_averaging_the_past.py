"""The mixing lab shows the softmax of its sliders, and every slider moves its picture."""

import matplotlib.pyplot as plt
import pytest

from shared.labs.averaging_the_past import MIXING_WORDS, mixing_lab

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
