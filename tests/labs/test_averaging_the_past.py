"""The mixing lab shows the softmax of its sliders."""

import matplotlib.pyplot as plt

from shared.labs.averaging_the_past import mixing_lab


def test_mixing_lab_shows_the_softmax_of_its_sliders():
    figure = mixing_lab(0.0, 0.0, 0.0, 0.0)
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.25] * 4
    assert figure.axes[1].get_title() == "mixture (3.00, 2.00)"
    figure = mixing_lab(-10.0, 10.0, -10.0, -10.0)
    assert figure.axes[0].patches[1].get_height() > 0.999
    plt.close("all")
